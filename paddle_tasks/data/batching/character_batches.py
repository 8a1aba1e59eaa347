"""Batches of rows of characters: ids, which positions are scored, and the characters that follow them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.corpus.character_rows import EncodedTexts, Rows
from paddle_tasks.data.corpus.characters import CharacterVocabulary


@dataclass(frozen=True, eq=False)
class CharacterBatch:
    """A padded batch.

    Attributes:
        input_ids: <int64>[batch, length].
        lengths: <int64>[batch], the ids of each row without padding.
        is_scored: <bool>[batch, length], the positions at which a target is predicted.
        targets: <int64>[targets], the ids to predict, row by row.
        indices: <int64>[targets], the index of each target in `EncodedTexts.ids`.
        rows: the row numbers in the data set.
    """

    input_ids: Array
    lengths: Array
    is_scored: Array
    targets: Array
    indices: Array
    rows: tuple[int, ...]

    @property
    def positions(self) -> Array:
        """The scored positions as indices into the flattened [batch * length], <int64>[targets]."""
        return np.flatnonzero(self.is_scored)

    @property
    def n_tokens(self) -> int:
        """The number of ids without padding."""
        return int(self.lengths.sum())

    @property
    def n_padded_tokens(self) -> int:
        """The number of ids with padding."""
        return int(self.input_ids.size)

    def split(self, n_parts: int) -> list[CharacterBatch]:
        """Split the rows into at most ``n_parts`` batches of about equal size; the padding stays."""
        size = -(-len(self.rows) // n_parts)
        ends = np.cumsum(self.is_scored.sum(axis=1))
        return [self._part(start, min(start + size, len(ends)), ends) for start in range(0, len(ends), size)]

    def _part(self, start: int, end: int, target_ends: Array) -> CharacterBatch:
        rows, targets = slice(start, end), slice(target_ends[start - 1] if start else 0, target_ends[end - 1])
        return CharacterBatch(
            self.input_ids[rows],
            self.lengths[rows],
            self.is_scored[rows],
            self.targets[targets],
            self.indices[targets],
            self.rows[rows],
        )


def segment_batch(rows: Rows, chosen: Sequence[int], pad_id: int) -> CharacterBatch:
    """Return rows for a causal model, which predicts at each scored entry the entry after it."""
    index = np.asarray(chosen, np.int64)
    starts, lengths, scored = rows.starts[index], rows.lengths[index], rows.scored[index]
    steps = np.arange(lengths.max(initial=0))
    is_real = steps < lengths[:, None]
    positions = np.where(is_real, starts[:, None] + steps, 0)
    input_ids = np.where(is_real, rows.texts.ids[positions], pad_id).astype(np.int64)
    is_scored = is_real & (positions >= scored[:, None])
    return _batch(rows, index, (input_ids, lengths, is_scored), positions[is_scored] + 1)


def window_batch(rows: Rows, chosen: Sequence[int], vocabulary: CharacterVocabulary, n_masks: Array) -> CharacterBatch:
    """Return rows for an encoder: [CLS], the characters of a window, [MASK] entries and [SEP].

    The character after the window is predicted at the first [MASK], or at [SEP] if there is none.

    Args:
        rows: the windows.
        chosen: the numbers of the rows.
        vocabulary: of the ids.
        n_masks: <int64>[rows of the batch], the number of [MASK] entries of each.
    """
    index = np.asarray(chosen, np.int64)
    starts, n_read = rows.starts[index][:, None], rows.lengths[index][:, None]
    lengths = rows.lengths[index] + n_masks + 2
    steps = np.arange(lengths.max(initial=0))
    is_window = (steps >= 1) & (steps <= n_read)
    input_ids = np.full(is_window.shape, vocabulary.mask_id, np.int64)
    input_ids[is_window] = rows.texts.ids[(starts + steps - 1)[is_window]]
    input_ids[:, :1] = vocabulary.start_id
    input_ids[steps == lengths[:, None] - 1] = vocabulary.end_id
    input_ids[steps >= lengths[:, None]] = vocabulary.pad_id
    return _batch(rows, index, (input_ids, lengths, steps == n_read + 1), rows.ends[index])


def context_batch(
    contexts: Sequence[Sequence[int]], vocabulary: CharacterVocabulary, *, masked: bool
) -> CharacterBatch:
    """Return a batch of windows, one for each text; the model predicts the character after each.

    Args:
        contexts: the ids of each text.
        vocabulary: of the ids.
        masked: whether a [MASK] marks the place of that character.
    """
    ids = [np.array([*context, vocabulary.end_id], np.int32) for context in contexts]
    ends = np.cumsum([len(part) for part in ids]) - 1
    starts = ends - [len(context) for context in contexts]
    texts = EncodedTexts(np.concatenate(ids), starts, ends)  # the entry in the place of the target is not read
    rows = Rows(texts, starts, ends, ends - 1)
    return window_batch(rows, range(len(contexts)), vocabulary, np.full(len(contexts), int(masked), np.int64))


def _batch(rows: Rows, index: Array, arrays: tuple[Array, Array, Array], targets: Array) -> CharacterBatch:
    return CharacterBatch(*arrays, rows.texts.ids[targets].astype(np.int64), targets, tuple(index.tolist()))
