"""Batches of encoded pairs: padded sources and targets, bounded by tokens on both sides, with lengths grouped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.text.packing import PackedIds

_BATCHES_PER_BUCKET = 8
_LENGTH_STEPS = 24
"""The number of ranges of target lengths; rows within a range are sorted by source length."""


@dataclass(frozen=True, eq=False)
class ParallelBatch:
    """A padded batch.

    Attributes:
        source_ids: <int64>[batch, source length].
        source_lengths: <int64>[batch], without padding.
        input_ids: <int64>[batch, target length], the start entry and the target.
        input_lengths: <int64>[batch], without padding.
        targets: <int64>[targets], the entry after each input, row by row; the last one of a row is the end.
        is_forced: <bool>[batch, target length], the inputs that stay as they are; at the others a decoder may read
            predictions. None if all stay.
        rows: the row numbers in the data set.
    """

    source_ids: Array
    source_lengths: Array
    input_ids: Array
    input_lengths: Array
    targets: Array
    is_forced: Array | None
    rows: tuple[int, ...]

    @property
    def positions(self) -> Array:
        """The inputs that are not padding as indices into the flattened [batch * target length], <int64>[targets]."""
        return np.flatnonzero(np.arange(self.input_ids.shape[1]) < self.input_lengths[:, None])

    @property
    def n_tokens(self) -> int:
        """The number of ids of both sides without padding."""
        return int(self.source_lengths.sum() + self.input_lengths.sum())

    @property
    def n_padded_tokens(self) -> int:
        """The number of ids of both sides with padding."""
        return int(self.source_ids.size + self.input_ids.size)

    def split(self, n_parts: int) -> list[ParallelBatch]:
        """Split the rows into at most ``n_parts`` batches of about equal size; the padding stays."""
        size = -(-len(self.rows) // n_parts)
        ends = np.concatenate([[0], np.cumsum(self.input_lengths)])
        return [
            self._part(slice(start, start + size), ends[[start, min(start + size, len(self.rows))]])
            for start in range(0, len(self.rows), size)
        ]

    def _part(self, rows: slice, bounds: Array) -> ParallelBatch:
        return ParallelBatch(
            self.source_ids[rows],
            self.source_lengths[rows],
            self.input_ids[rows],
            self.input_lengths[rows],
            self.targets[bounds[0] : bounds[1]],
            None if self.is_forced is None else self.is_forced[rows],
            self.rows[rows],
        )


@dataclass(frozen=True, eq=False)
class EncodedPairs:
    """Pairs as ids.

    Attributes:
        sources: the ids of each source, at least one.
        targets: the ids of each target, without start and end.
        is_mark: <bool>[entries], the punctuation marks of the vocabulary.
    """

    sources: PackedIds
    targets: PackedIds
    is_mark: Array

    def __len__(self) -> int:
        return len(self.sources)

    def source_rows(self, rows: Sequence[int], unmarked: Array | None = None) -> list[Array]:
        """Return the ids of some sources.

        Args:
            rows: their numbers.
            unmarked: <bool>[rows], the sources that lose their punctuation marks; those of nothing else stay.
        """
        found = [self.sources.input_ids[slice(*self.sources.offsets[row : row + 2])] for row in rows]
        if unmarked is None:
            return found
        return [self._without_marks(ids) if lose else ids for ids, lose in zip(found, unmarked, strict=True)]

    def _without_marks(self, ids: Array) -> Array:
        kept: Array = ids[~self.is_mark[ids]]
        return kept if len(kept) else ids


@dataclass(frozen=True)
class SpecialIds:
    """The entries that begin, end and pad rows."""

    start: int
    end: int
    pad: int


def parallel_batch(
    pairs: EncodedPairs, rows: Sequence[int], special: SpecialIds, unmarked: Array | None = None
) -> ParallelBatch:
    """Return a batch of pairs for teacher forcing at every position.

    Args:
        pairs: the encoded pairs.
        rows: the numbers of the rows.
        special: the entries that begin, end and pad rows.
        unmarked: <bool>[rows], the rows whose sources lose their punctuation marks.
    """
    index = np.asarray(rows, np.int64)
    source_ids, source_lengths = pad_rows(pairs.source_rows(rows, unmarked), special.pad)
    lengths = pairs.targets.lengths[index] + 1
    length = int(lengths.max(initial=1))
    targets, _ = pairs.targets.pad(index, special.pad, length)
    inputs = np.concatenate([np.full((len(index), 1), special.start, np.int64), targets[:, :-1]], axis=1)
    targets[np.arange(len(index)), lengths - 1] = special.end
    is_real = np.arange(length) < lengths[:, None]
    return ParallelBatch(source_ids, source_lengths, inputs, lengths, targets[is_real], None, tuple(index.tolist()))


def pad_rows(rows: Sequence[Array], pad_id: int) -> tuple[Array, Array]:
    """Return rows of ids as <int64>[rows, length], padded at the end, and their lengths <int64>[rows]."""
    lengths = np.array([len(row) for row in rows], np.int64)
    ids = np.full((len(rows), lengths.max(initial=1)), pad_id, np.int64)
    ids[np.arange(ids.shape[1]) < lengths[:, None]] = np.concatenate([*rows, np.zeros(0, np.int64)])
    return ids, lengths


class PairBatchSampler:
    """Samples batches of pairs with similar lengths on both sides; their order depends on (seed, epoch) only.

    A batch has at most ``batch_size`` rows, and at most ``max_tokens`` ids on either side, padding included; a longer
    row is a batch of its own. Rows of similar lengths are put into buckets once, and every epoch draws new batches from
    each bucket, so that the number of batches is the same in every epoch.
    """

    def __init__(
        self, source_lengths: Array, target_lengths: Array, batch_size: int, seed: int, max_tokens: int | None = None
    ) -> None:
        self._seed, self._epoch = seed, 0
        longest = np.maximum(source_lengths, target_lengths)
        self._buckets = list(_buckets(_similar(source_lengths, target_lengths), longest, batch_size, max_tokens))

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, from 0, whose order `batches` returns."""
        self._epoch = epoch

    def __len__(self) -> int:
        return sum(-(-len(rows) // size) for rows, size in self._buckets)

    def batches(self) -> list[list[int]]:
        """Return the row numbers of each batch of the epoch."""
        generator = np.random.default_rng([self._seed, self._epoch])
        batches = []
        for rows, size in self._buckets:
            drawn = generator.permutation(rows)
            batches += [drawn[start : start + size].tolist() for start in range(0, len(drawn), size)]
        return [batches[index] for index in generator.permutation(len(batches))]


def _similar(source_lengths: Array, target_lengths: Array) -> Array:
    """Return the row numbers, sorted so that neighbours have similar source and target lengths; long targets first."""
    ranks = np.argsort(np.argsort(-target_lengths, kind="stable"), kind="stable")
    steps = ranks * _LENGTH_STEPS // max(1, len(ranks))
    upwards = np.where(steps % 2 == 0, -source_lengths, source_lengths)  # each range begins where the last one ended
    order: Array = np.lexsort((-target_lengths, upwards, steps))
    return order


def _buckets(rows: Array, longest: Array, batch_size: int, max_tokens: int | None) -> Iterator[tuple[Array, int]]:
    """Yield buckets of rows, and the batch size of each."""
    start = 0
    while start < len(rows):
        n_rows = batch_size * _BATCHES_PER_BUCKET
        size = _size(longest[rows[start : start + n_rows]], batch_size, max_tokens)
        bucket = rows[start : start + size * _BATCHES_PER_BUCKET]
        yield bucket, _size(longest[bucket], batch_size, max_tokens)
        start += len(bucket)


def _size(lengths: Array, batch_size: int, max_tokens: int | None) -> int:
    return batch_size if max_tokens is None else min(batch_size, max(1, max_tokens // int(lengths.max(initial=1))))
