"""Batches for a masked language model: pairs of texts, hidden tokens, padding; all a function of (seed, epoch, row)."""

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
"""What a row's second text is; 0 and 1 as in PaddleNLP's heads."""
NO_WORD = -1

_TRIES = 8


@dataclass(frozen=True)
class MaskedBatch:
    """A padded batch with hidden tokens.

    Attributes:
        input_ids: <int64>[batch, length], with tokens hidden.
        token_type_ids: <int64>[batch, length].
        lengths: <int64>[batch].
        places: <int64>[n, 2], row and column of each token to be named, in this order.
        targets: <int64>[n], these tokens.
        pairs: <int64>[batch], `FOLLOWS`, `RANDOM` or `NO_PAIR`.
        rows: each row's place in its data set.
        words: <int64>[batch, length], the number of the word that each token belongs to, `NO_WORD` for none.
    """

    input_ids: Array
    token_type_ids: Array
    lengths: Array
    places: Array
    targets: Array
    pairs: Array
    rows: tuple[int, ...]
    words: Array

    @property
    def n_tokens(self) -> int:
        """Real tokens."""
        return int(self.lengths.sum())

    @property
    def n_padded_tokens(self) -> int:
        """Tokens with padding."""
        return int(self.input_ids.size)

    @property
    def inputs(self) -> tuple[paddle.Tensor, ...]:
        """What the model is called with: ids, token types, lengths and flat positions."""
        flat = self.places[:, 0] * self.input_ids.shape[1] + self.places[:, 1]
        return tuple(map(paddle.to_tensor, (self.input_ids, self.token_type_ids, self.lengths, flat)))

    @property
    def n_hidden(self) -> Array:
        """Tokens to be named in each row, <int64>[batch]."""
        return np.bincount(self.places[:, 0], minlength=len(self.rows))

    def split(self, n_parts: int) -> list[MaskedBatch]:
        """Return the rows in at most so many batches of like size; they stay padded as they are."""
        if n_parts == 1:
            return [self]
        size = -(-len(self.rows) // n_parts)
        return [self._part(start, start + size) for start in range(0, len(self.rows), size)]

    def _part(self, start: int, end: int) -> MaskedBatch:
        own = (self.places[:, 0] >= start) & (self.places[:, 0] < end)
        rows = slice(start, end)
        return MaskedBatch(
            self.input_ids[rows],
            self.token_type_ids[rows],
            self.lengths[rows],
            self.places[own] - [start, 0],
            self.targets[own],
            self.pairs[rows],
            self.rows[rows],
            self.words[rows],
        )


@dataclass(frozen=True)
class _Row:
    ids: Array
    n_first: int  # tokens of the first text
    places: Array
    targets: Array
    pair: int
    words: Array


class MaskedBatches:
    """Makes batches of a data set's passages.

    Attributes:
        passages: the rows.
        tokenizer: knows the special tokens.
        masking: what is hidden.
        seed: with the epoch and the row's number, all that chance depends on.
    """

    def __init__(self, passages: Passages, tokenizer: Tokenizer, masking: Masking, seed: int) -> None:
        self.passages, self.tokenizer, self.masking, self.seed = passages, tokenizer, masking, seed
        self._words = np.flatnonzero(~np.isin(tokenizer.vocabulary, SPECIAL_TOKENS))

    def batches(self, groups: Sequence[Sequence[int]], epoch: int) -> Iterator[MaskedBatch]:
        """Yield a batch for each group of rows, as they are in an epoch counted from 0."""
        for group in groups:
            yield self.batch(group, epoch)

    def batch(self, rows: Sequence[int], epoch: int) -> MaskedBatch:
        """Return a batch of rows."""
        made = [self._row(row, np.random.default_rng([self.seed, epoch, row])) for row in rows]
        lengths = np.array([len(row.ids) for row in made], np.int64)
        columns = np.arange(lengths.max(initial=0))
        input_ids = np.full((len(made), len(columns)), self.tokenizer.pad_id, np.int64)
        is_real = columns < lengths[:, None]
        input_ids[is_real] = _joined([row.ids for row in made])
        words = np.full(input_ids.shape, NO_WORD, np.int64)
        words[is_real] = _joined([row.words for row in made])
        second = columns >= np.array([row.n_first + 2 for row in made], np.int64)[:, None]
        n_hidden = [len(row.places) for row in made]
        return MaskedBatch(
            input_ids=input_ids,
            token_type_ids=(is_real & second).astype(np.int64),
            lengths=lengths,
            places=np.stack([np.repeat(np.arange(len(made)), n_hidden), _joined([row.places for row in made])], axis=1),
            targets=_joined([row.targets for row in made]),
            pairs=np.array([row.pair for row in made], np.int64),
            rows=tuple(rows),
            words=words,
        )

    def _row(self, row: int, generator: np.random.Generator) -> _Row:
        parts, pair = self._parts(row, generator)
        ids = np.concatenate([self.passages.ids[part] for part in parts])
        starts = np.concatenate([self._unit_starts(part) for part in parts])
        n_first = parts[0].stop - parts[0].start
        places, hidden = self.masking.apply(ids, starts, self.tokenizer.mask_id, self._words, generator)
        cls, sep, none = [self.tokenizer.cls_id], [self.tokenizer.sep_id], [NO_WORD]
        return _Row(
            _framed(hidden, n_first, pair, cls, sep),
            n_first,
            1 + places + (places >= n_first),
            ids[places],
            pair,
            _framed(self._words_of(parts), n_first, pair, none, none),
        )

    def _words_of(self, parts: Sequence[slice]) -> Array:
        known = self.passages.words
        if known is None:
            return np.full(sum(part.stop - part.start for part in parts), NO_WORD)
        return np.concatenate([known.words[part] for part in parts])

    def _unit_starts(self, part: slice) -> Array:
        starts = self.passages.unit_starts[part].copy()
        starts[0] = True  # of a word that a cut has parted, the rest is a unit too
        return starts

    def _parts(self, row: int, generator: np.random.Generator) -> tuple[list[slice], int]:
        """Return a row as one text, or as two, of which every other second one comes from elsewhere."""
        passages = self.passages
        start, end = int(passages.starts[row]), int(passages.ends[row])
        if not passages.can_be_parted(row):
            return [slice(start, end)], NO_PAIR
        middle = int(generator.choice(passages.sentences_within(row)))
        first, second = slice(start, middle), slice(middle, end)
        other = self._elsewhere(row, end - middle, generator) if generator.random() < 0.5 else None
        return ([first, second], FOLLOWS) if other is None else ([first, other], RANDOM)

    def _elsewhere(self, row: int, length: int, generator: np.random.Generator) -> slice | None:
        """Return as many tokens of another document's row from a start of a sentence on, or None when none are met."""
        passages = self.passages
        for other in generator.integers(len(passages), size=_TRIES):
            begins = np.append(passages.sentences_within(other), passages.starts[other])
            fitting = begins[begins + length <= passages.ends[other]]
            if len(fitting) and passages.documents[other] != passages.documents[row]:
                start = int(generator.choice(fitting))
                return slice(start, start + length)
        return None


def _framed(values: Array, n_first: int, pair: int, cls: list[int], sep: list[int]) -> Array:
    """Put what stands for the special tokens around a text, or around each of a pair."""
    second = [] if pair == NO_PAIR else [values[n_first:], sep]
    return np.concatenate([cls, values[:n_first], sep, *second])


def _joined(parts: Sequence[Array]) -> Array:
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)
