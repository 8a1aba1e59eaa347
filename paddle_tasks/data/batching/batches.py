"""From features to batches: an order that is a function of (seed, epoch), padding, and tensors on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle.io import BatchSampler

from paddle_tasks.data.batching.packed import Features, IntArray, PackedFeatures
from paddle_tasks.data.batching.prefetch import prefetched

__all__ = ["Batch", "Features", "LengthGroupedBatchSampler", "batches_from", "collate"]

_BATCHES_PER_POOL = 50
# Lengths in a bucket differ by at most this part of the longest: 1/16 is some 3 % of padding. A bucket of one batch
# would give the same batch in every epoch.
_LIKE, _FEWEST = 16, 2


@dataclass(frozen=True)
class Batch:
    """A padded batch.

    Attributes:
        input_ids: <int64>[batch, length]
        token_type_ids: <int64>[batch, length]
        lengths: <int64>[batch], the real tokens of each row
        labels: <int64>[batch]
        rows: each row's place in its data set
        n_tokens: real tokens
        n_padded_tokens: tokens with padding, batch times length
    """

    input_ids: paddle.Tensor
    token_type_ids: paddle.Tensor
    lengths: paddle.Tensor
    labels: paddle.Tensor
    rows: tuple[int, ...]
    n_tokens: int
    n_padded_tokens: int

    def split(self, n_parts: int) -> list[Batch]:
        """Return the rows in at most so many batches of like size; they stay padded as they are."""
        if n_parts == 1:
            return [self]
        size = -(-len(self.rows) // n_parts)
        return [self._part(slice(start, start + size)) for start in range(0, len(self.rows), size)]

    def _part(self, rows: slice) -> Batch:
        lengths = self.lengths[rows]
        return Batch(
            input_ids=self.input_ids[rows],
            token_type_ids=self.token_type_ids[rows],
            lengths=lengths,
            labels=self.labels[rows],
            rows=self.rows[rows],
            n_tokens=int(lengths.sum()),
            n_padded_tokens=lengths.shape[0] * self.input_ids.shape[1],
        )


@dataclass(frozen=True, eq=False)
class _PaddedArrays:
    """A batch before it becomes tensors; the fields are those of `Batch`."""

    input_ids: IntArray
    token_type_ids: IntArray
    lengths: IntArray
    labels: IntArray
    rows: tuple[int, ...]

    def to_tensors(self) -> Batch:
        return Batch(
            input_ids=_tensor(self.input_ids),
            token_type_ids=_tensor(self.token_type_ids),
            lengths=_tensor(self.lengths),
            labels=_tensor(self.labels),
            rows=self.rows,
            n_tokens=int(self.lengths.sum()),
            n_padded_tokens=self.input_ids.size,
        )


def _pad(features: PackedFeatures, rows: Sequence[int], pad_id: int) -> _PaddedArrays:
    chosen = np.asarray(rows, dtype=np.int64)
    ids = features.ids
    starts, lengths = ids.offsets[chosen], ids.offsets[chosen + 1] - ids.offsets[chosen]
    columns = np.arange(lengths.max(initial=0))  # a rank's share of a small batch may hold no rows
    is_real = columns < lengths[:, None]
    places = (starts[:, None] + columns)[is_real]
    input_ids = np.full(is_real.shape, pad_id, dtype=np.int64)
    input_ids[is_real] = ids.input_ids[places]
    types = np.zeros(is_real.shape, dtype=np.int64)
    if ids.token_type_ids is not None:
        types[is_real] = ids.token_type_ids[places]
    return _PaddedArrays(input_ids, types, lengths, features.labels[chosen], tuple(chosen.tolist()))


def _tensor(array: np.ndarray[Any, Any]) -> paddle.Tensor:
    if not _is_on_gpu():
        return paddle.to_tensor(array)
    # From pinned memory the copy runs beside the computation. Paddle keeps the source until the copy is done.
    return paddle.to_tensor(array, place=paddle.CUDAPinnedPlace()).cuda(blocking=False)


def _is_on_gpu() -> bool:
    return bool(paddle.device.get_device().startswith("gpu"))


def collate(features: PackedFeatures, rows: Sequence[int], pad_id: int) -> Batch:
    """Take rows of the packed features and pad them to the longest of them."""
    return _pad(features, rows, pad_id).to_tensors()


def batches_from(features: PackedFeatures, groups: Sequence[Sequence[int]], pad_id: int) -> Iterator[Batch]:
    """Yield a batch for each group of rows."""
    arrays = (_pad(features, rows, pad_id) for rows in groups)
    # Padding takes 30 µs for 32 rows of 110 tokens and making tensors 65 µs, against hundreds of milliseconds for a
    # step on a CPU, whose cores a thread would only take away: there, prefetching measured 10 µs slower for a batch.
    with prefetched(arrays, enabled=_is_on_gpu()) as ready:
        for one in ready:
            yield one.to_tensors()


class LengthGroupedBatchSampler(BatchSampler):  # type: ignore[misc]
    """Batches of like lengths in an order that is a function of (seed, epoch) alone.

    Rows are shuffled, cut into pools of 50 batches, sorted by length within a pool and cut into batches, which are
    shuffled in turn: little padding, and still a new mixture in every epoch. Without a seed the rows are sorted by
    length once, for evaluation.

    With ``max_tokens`` a batch has at most so many tokens, padding included, and at most ``batch_size`` rows; a row
    that is longer by itself stands alone. Rows of like lengths are put into buckets once, from which every epoch draws
    its batches anew. So the number of batches is the same in every epoch, which the learning rate's schedule needs.
    """

    def __init__(
        self, lengths: Sequence[int] | IntArray, batch_size: int, seed: int | None = None, max_tokens: int | None = None
    ) -> None:
        # BatchSampler's own __init__ would build a sampler on numpy's global generator.
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self._buckets = list(_buckets(self.lengths, batch_size, max_tokens)) if max_tokens else []

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0, whose order the next iteration gives."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.batches()

    def __len__(self) -> int:
        if self._buckets:
            return sum(-(-len(rows) // size) for rows, size in self._buckets)
        return -(-len(self.lengths) // self.batch_size)

    def batches(self) -> list[list[int]]:
        """Return the row numbers of every batch of the epoch."""
        generator = None if self.seed is None else np.random.default_rng([self.seed, self.epoch])
        grouped = self._from_buckets(generator) if self._buckets else self._from_pools(generator)
        return grouped if generator is None else [grouped[index] for index in generator.permutation(len(grouped))]

    def _from_pools(self, generator: np.random.Generator | None) -> list[list[int]]:
        if generator is None:
            return _cut(np.argsort(-self.lengths, kind="stable"), self.batch_size)
        rows = generator.permutation(len(self.lengths))
        pool = self.batch_size * _BATCHES_PER_POOL
        pools = [rows[start : start + pool] for start in range(0, len(rows), pool)]
        by_length = [part[np.argsort(self.lengths[part], kind="stable")] for part in pools]
        return _cut(np.concatenate(by_length), self.batch_size)

    def _from_buckets(self, generator: np.random.Generator | None) -> list[list[int]]:
        drawn = ((rows if generator is None else generator.permutation(rows), size) for rows, size in self._buckets)
        return [batch for rows, size in drawn for batch in _cut(rows, size)]


def _cut(rows: IntArray, size: int) -> list[list[int]]:
    return [rows[start : start + size].tolist() for start in range(0, len(rows), size)]


def _buckets(lengths: IntArray, batch_size: int, max_tokens: int) -> Iterator[tuple[IntArray, int]]:
    """Yield rows of like lengths, the longest first, and how many of them make a batch.

    A bucket holds whole batches, two or more (but for the last one), even where that takes shorter rows.
    """
    rows = np.argsort(-lengths, kind="stable")
    falling = -lengths[rows]
    start = 0
    while start < len(rows):
        longest = int(-falling[start])
        size = min(batch_size, max(1, max_tokens // longest))
        shortest = longest - longest // _LIKE
        alike = int(np.searchsorted(falling, -shortest, side="right")) - start
        end = start + max(_FEWEST, alike // size) * size
        yield rows[start:end], size
        start = end
