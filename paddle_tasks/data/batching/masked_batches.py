"""Batches for a masked language model: pairs of texts, masked tokens and padding.

All random choices for a row depend on (seed, epoch, row) only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import paddle

from paddle_tasks.arrays import Array
from paddle_tasks.data.corpus.passages import Passages
from paddle_tasks.text.masking import Masking
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer

NO_PAIR, FOLLOWS, RANDOM = -1, 0, 1
"""The kind of a row: a single text, a pair of consecutive texts, or a pair with a random second text.

The classes 0 and 1 are those of PaddleNLP's next-sentence head.
"""
NO_WORD = -1
"""The word number of tokens that belong to no word."""

_MAX_TRIES = 8


@dataclass(frozen=True)
class MaskedBatch:
    """A padded batch with masked tokens.

    Attributes:
        input_ids: <int64>[batch, length], after masking.
        token_type_ids: <int64>[batch, length].
        lengths: <int64>[batch], the number of tokens of each row without padding.
        positions: <int64>[n, 2], row and column of each token to predict, sorted.
        targets: <int64>[n], the original ids at these positions.
        pairs: <int64>[batch], `FOLLOWS`, `RANDOM` or `NO_PAIR`.
        rows: the row numbers in the data set.
        words: <int64>[batch, length], the word number of each token, or `NO_WORD`.
    """

    input_ids: Array
    token_type_ids: Array
    lengths: Array
    positions: Array
    targets: Array
    pairs: Array
    rows: tuple[int, ...]
    words: Array

    @property
    def n_tokens(self) -> int:
        """The number of tokens without padding."""
        return int(self.lengths.sum())

    @property
    def n_padded_tokens(self) -> int:
        """The number of tokens with padding."""
        return int(self.input_ids.size)

    @property
    def inputs(self) -> tuple[paddle.Tensor, ...]:
        """The arguments of the model: ids, token types, lengths and positions in the flattened batch."""
        arrays = (self.input_ids, self.token_type_ids, self.lengths, self.flat_positions)
        return tuple(map(paddle.to_tensor, arrays))

    @property
    def flat_positions(self) -> Array:
        """The places of the tokens to predict in the flattened [batch * length], <int64>[n]."""
        flat: Array = self.positions[:, 0] * self.input_ids.shape[1] + self.positions[:, 1]
        return flat

    @property
    def n_targets(self) -> Array:
        """The number of tokens to predict in each row, <int64>[batch]."""
        return np.bincount(self.positions[:, 0], minlength=len(self.rows))

    def split(self, n_parts: int) -> list[MaskedBatch]:
        """Split the rows into at most ``n_parts`` batches of about equal size; the padding stays."""
        if n_parts == 1:
            return [self]
        size = -(-len(self.rows) // n_parts)
        return [self._part(start, start + size) for start in range(0, len(self.rows), size)]

    def _part(self, start: int, end: int) -> MaskedBatch:
        is_inside = (self.positions[:, 0] >= start) & (self.positions[:, 0] < end)
        rows = slice(start, end)
        return MaskedBatch(
            self.input_ids[rows],
            self.token_type_ids[rows],
            self.lengths[rows],
            self.positions[is_inside] - [start, 0],
            self.targets[is_inside],
            self.pairs[rows],
            self.rows[rows],
            self.words[rows],
        )


@dataclass(frozen=True)
class _Row:
    """One masked row without padding; ``n_first`` is the number of tokens of its first text."""

    ids: Array
    n_first: int
    columns: Array
    targets: Array
    pair: int
    words: Array


class MaskedBatchBuilder:
    """Builds batches of passages.

    Attributes:
        passages: the rows.
        tokenizer: provides the special tokens.
        masking: selects and replaces tokens.
        seed: seeds all random choices, together with the epoch and the row number.
    """

    def __init__(self, passages: Passages, tokenizer: Tokenizer, masking: Masking, seed: int) -> None:
        self.passages, self.tokenizer, self.masking, self.seed = passages, tokenizer, masking, seed
        self._words = np.flatnonzero(~np.isin(tokenizer.vocabulary, SPECIAL_TOKENS))

    def iterate(self, groups: Sequence[Sequence[int]], epoch: int) -> Iterator[MaskedBatch]:
        """Yield a batch for each group of rows; epochs are counted from 0."""
        for group in groups:
            yield self.build(group, epoch)

    def build(self, rows: Sequence[int], epoch: int) -> MaskedBatch:
        """Return a batch of rows; epochs are counted from 0."""
        masked = [self._row(row, np.random.default_rng([self.seed, epoch, row])) for row in rows]
        lengths = np.array([len(row.ids) for row in masked], np.int64)
        columns = np.arange(lengths.max(initial=0))
        input_ids = np.full((len(masked), len(columns)), self.tokenizer.pad_id, np.int64)
        is_real = columns < lengths[:, None]
        input_ids[is_real] = _concatenate([row.ids for row in masked])
        words = np.full(input_ids.shape, NO_WORD, np.int64)
        words[is_real] = _concatenate([row.words for row in masked])
        second = columns >= np.array([row.n_first + 2 for row in masked], np.int64)[:, None]
        n_targets = [len(row.columns) for row in masked]
        batch_rows = np.repeat(np.arange(len(masked)), n_targets)
        return MaskedBatch(
            input_ids=input_ids,
            token_type_ids=(is_real & second).astype(np.int64),
            lengths=lengths,
            positions=np.stack([batch_rows, _concatenate([row.columns for row in masked])], axis=1),
            targets=_concatenate([row.targets for row in masked]),
            pairs=np.array([row.pair for row in masked], np.int64),
            rows=tuple(rows),
            words=words,
        )

    def _row(self, row: int, generator: np.random.Generator) -> _Row:
        parts, pair = self._parts(row, generator)
        ids = np.concatenate([self.passages.ids[part] for part in parts])
        starts = np.concatenate([self._unit_starts(part) for part in parts])
        n_first = parts[0].stop - parts[0].start
        positions, masked_ids = self.masking.apply(ids, starts, self.tokenizer.mask_id, self._words, generator)
        cls, sep, none = [self.tokenizer.cls_id], [self.tokenizer.sep_id], [NO_WORD]
        return _Row(
            _add_special(masked_ids, n_first, pair, cls, sep),
            n_first,
            1 + positions + (positions >= n_first),  # after [CLS] and the first [SEP]
            ids[positions],
            pair,
            _add_special(self._words_of(parts), n_first, pair, none, none),
        )

    def _words_of(self, parts: Sequence[slice]) -> Array:
        words = self.passages.words
        if words is None:
            return np.full(sum(part.stop - part.start for part in parts), NO_WORD)
        return np.concatenate([words.words[part] for part in parts])

    def _unit_starts(self, part: slice) -> Array:
        starts = self.passages.unit_starts[part].copy()
        starts[0] = True  # if a cut has split a word, the rest is a unit too
        return starts

    def _parts(self, row: int, generator: np.random.Generator) -> tuple[list[slice], int]:
        """Return a row as one text, or as two if it can be a pair; half of the second texts are random ones."""
        passages = self.passages
        start, end = int(passages.starts[row]), int(passages.ends[row])
        if not passages.can_be_pair(row):
            return [slice(start, end)], NO_PAIR
        middle = int(generator.choice(passages.sentences_within(row)))
        first, second = slice(start, middle), slice(middle, end)
        other = self._random_text(row, end - middle, generator) if generator.random() < 0.5 else None
        return ([first, second], FOLLOWS) if other is None else ([first, other], RANDOM)

    def _random_text(self, row: int, length: int, generator: np.random.Generator) -> slice | None:
        """Return ``length`` tokens of another document that start with a sentence, or None after eight failed tries."""
        passages = self.passages
        for other in generator.integers(len(passages), size=_MAX_TRIES):
            starts = np.append(passages.sentences_within(other), passages.starts[other])
            fitting = starts[starts + length <= passages.ends[other]]
            if len(fitting) and passages.documents[other] != passages.documents[row]:
                start = int(generator.choice(fitting))
                return slice(start, start + length)
        return None


def _add_special(values: Array, n_first: int, pair: int, cls: list[int], sep: list[int]) -> Array:
    """Return the values of the tokens of a text or a pair, with ``cls`` and ``sep`` for the special tokens."""
    second = [] if pair == NO_PAIR else [values[n_first:], sep]
    return np.concatenate([cls, values[:n_first], sep, *second])


def _concatenate(parts: Sequence[Array]) -> Array:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
