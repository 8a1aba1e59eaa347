"""Batches of features: an order that depends on (seed, epoch) only, padding, and tensors on the device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle.io import BatchSampler

from paddle_tasks.data.batching.packed import Features, IntArray, PackedFeatures
from paddle_tasks.data.batching.prefetch import prefetch

__all__ = ["Batch", "Features", "LengthGroupedBatchSampler", "collate", "iterate_batches"]

_BATCHES_PER_POOL = 50
# Lengths in a bucket differ by at most 1/16 of the longest one, which gives some 3 % of padding.
_LENGTH_RATIO = 16
# A bucket of one batch would give the same batch in every epoch.
_MIN_BATCHES_PER_BUCKET = 2


@dataclass(frozen=True)
class Batch:
    """A padded batch.

    Attributes:
        input_ids: <int64>[batch, length]
        token_type_ids: <int64>[batch, length]
        lengths: <int64>[batch], the number of tokens of each row without padding
        labels: <int64>[batch]
        rows: the row numbers in the data set
        n_tokens: the number of tokens without padding
        n_padded_tokens: the number of tokens with padding, batch times length
    """

    input_ids: paddle.Tensor
    token_type_ids: paddle.Tensor
    lengths: paddle.Tensor
    labels: paddle.Tensor
    rows: tuple[int, ...]
    n_tokens: int
    n_padded_tokens: int

    def split(self, n_parts: int) -> list[Batch]:
        """Split the rows into at most ``n_parts`` batches of about equal size; the padding stays."""
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
    """A batch as arrays; the fields are those of `Batch`."""

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
    chosen, ids = np.asarray(rows, dtype=np.int64), features.ids
    lengths = ids.offsets[chosen + 1] - ids.offsets[chosen]
    # A rank's share of a small batch may hold no rows.
    input_ids, types = ids.pad(chosen, pad_id, int(lengths.max(initial=0)))
    return _PaddedArrays(input_ids, types, lengths, features.labels[chosen], tuple(chosen.tolist()))


def _tensor(array: np.ndarray[Any, Any]) -> paddle.Tensor:
    if not _is_on_gpu():
        return paddle.to_tensor(array)
    # A copy from pinned memory runs in parallel with the computation. Paddle keeps the source until it is done.
    return paddle.to_tensor(array, place=paddle.CUDAPinnedPlace()).cuda(blocking=False)


def _is_on_gpu() -> bool:
    return bool(paddle.device.get_device().startswith("gpu"))


def collate(features: PackedFeatures, rows: Sequence[int], pad_id: int) -> Batch:
    """Return a batch of the given rows, padded to the longest of them."""
    return _pad(features, rows, pad_id).to_tensors()


def iterate_batches(features: PackedFeatures, groups: Sequence[Sequence[int]], pad_id: int) -> Iterator[Batch]:
    """Yield a batch for each group of rows."""
    arrays = (_pad(features, rows, pad_id) for rows in groups)
    # On a CPU a thread would only take cores away from the computation, and prefetching was 10 µs slower per batch:
    # for 32 rows of 110 tokens, padding takes 30 µs and making tensors 65 µs, a step hundreds of milliseconds.
    with prefetch(arrays, enabled=_is_on_gpu()) as padded_batches:
        for padded in padded_batches:
            yield padded.to_tensors()


class LengthGroupedBatchSampler(BatchSampler):  # type: ignore[misc]
    """Samples batches of rows with similar lengths; their order depends on (seed, epoch) only.

    Rows are shuffled, cut into pools of 50 batches, sorted by length within each pool, and cut into batches, which are
    shuffled again. This gives little padding and other batches in every epoch. Without a seed, as for evaluation, rows
    are sorted by length, longest first.

    With ``max_tokens``, a batch has at most ``max_tokens`` tokens, padding included, and at most ``batch_size`` rows; a
    row that is longer than ``max_tokens`` is a batch of its own. Rows of similar lengths are put into buckets once, and
    every epoch draws new batches from each bucket. So the number of batches is the same in every epoch, which the
    learning rate schedule needs.
    """

    def __init__(
        self, lengths: Sequence[int] | IntArray, batch_size: int, seed: int | None = None, max_tokens: int | None = None
    ) -> None:
        # BatchSampler.__init__ is not called, since it would build a sampler on numpy's global generator.
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self._buckets = list(_buckets(self.lengths, batch_size, max_tokens)) if max_tokens else []

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, from 0, whose order the next iteration uses."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.batches()

    def __len__(self) -> int:
        if self._buckets:
            return sum(-(-len(rows) // size) for rows, size in self._buckets)
        return -(-len(self.lengths) // self.batch_size)

    def batches(self) -> list[list[int]]:
        """Return the row numbers of each batch of the epoch."""
        generator = None if self.seed is None else np.random.default_rng([self.seed, self.epoch])
        grouped = self._from_buckets(generator) if self._buckets else self._from_pools(generator)
        return grouped if generator is None else [grouped[index] for index in generator.permutation(len(grouped))]

    def _from_pools(self, generator: np.random.Generator | None) -> list[list[int]]:
        if generator is None:
            return _cut(np.argsort(-self.lengths, kind="stable"), self.batch_size)
        rows = generator.permutation(len(self.lengths))
        pool = self.batch_size * _BATCHES_PER_POOL
        pools = [rows[start : start + pool] for start in range(0, len(rows), pool)]
        by_length = [rows[np.argsort(self.lengths[rows], kind="stable")] for rows in pools]
        return _cut(np.concatenate(by_length), self.batch_size)

    def _from_buckets(self, generator: np.random.Generator | None) -> list[list[int]]:
        drawn = ((rows if generator is None else generator.permutation(rows), size) for rows, size in self._buckets)
        return [batch for rows, size in drawn for batch in _cut(rows, size)]


def _cut(rows: IntArray, size: int) -> list[list[int]]:
    return [rows[start : start + size].tolist() for start in range(0, len(rows), size)]


def _buckets(lengths: IntArray, batch_size: int, max_tokens: int) -> Iterator[tuple[IntArray, int]]:
    """Yield buckets of rows with similar lengths, the longest first, and the batch size of each.

    Every bucket but the last holds two or more whole batches, even if that requires shorter rows.
    """
    rows = np.argsort(-lengths, kind="stable")
    negated = -lengths[rows]  # ascending, for searchsorted
    start = 0
    while start < len(rows):
        max_length = int(-negated[start])
        size = min(batch_size, max(1, max_tokens // max_length))
        min_length = max_length - max_length // _LENGTH_RATIO
        n_similar = int(np.searchsorted(negated, -min_length, side="right")) - start
        end = start + max(_MIN_BATCHES_PER_BUCKET, n_similar // size) * size
        yield rows[start:end], size
        start = end
