"""From examples to batches: features in a MapDataset, an order that is a function of (seed, epoch), padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import paddle
from paddle.io import BatchSampler

IntArray = np.ndarray[Any, np.dtype[np.int64]]
_BATCHES_PER_POOL = 50


class Features(TypedDict):
    """One example as the model takes it: ids and segments <int32>[length], and the label's index."""

    input_ids: np.ndarray[Any, np.dtype[np.int32]]
    token_type_ids: np.ndarray[Any, np.dtype[np.int32]]
    label: int


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


def _padded(arrays: Sequence[np.ndarray[Any, Any]], fill: int) -> IntArray:
    width = max(len(array) for array in arrays)
    padded = np.full((len(arrays), width), fill, dtype=np.int64)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return padded


def collate(features: Sequence[Features], rows: Sequence[int], pad_id: int) -> Batch:
    """Pad features to the longest of them."""
    input_ids = _padded([feature["input_ids"] for feature in features], pad_id)
    lengths = np.array([len(feature["input_ids"]) for feature in features], dtype=np.int64)
    return Batch(
        input_ids=paddle.to_tensor(input_ids),
        token_type_ids=paddle.to_tensor(_padded([feature["token_type_ids"] for feature in features], 0)),
        lengths=paddle.to_tensor(lengths),
        labels=paddle.to_tensor(np.array([feature["label"] for feature in features], dtype=np.int64)),
        rows=tuple(int(row) for row in rows),
        n_tokens=int(lengths.sum()),
        n_padded_tokens=int(input_ids.size),
    )


class LengthGroupedBatchSampler(BatchSampler):  # type: ignore[misc]
    """Batches of like lengths in an order that is a function of (seed, epoch) alone.

    Rows are shuffled, cut into pools of 50 batches, sorted by length within a pool and cut into batches, which are
    shuffled in turn: little padding, and still a new mixture in every epoch. Without a seed the rows are sorted by
    length once, for evaluation.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int | None = None) -> None:
        # BatchSampler's own __init__ would build a sampler on numpy's global generator.
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from 0, whose order the next iteration gives."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        yield from self.batches()

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def batches(self) -> list[list[int]]:
        """Return the row numbers of every batch of the epoch."""
        if self.seed is None:
            return self._cut(np.argsort(-self.lengths, kind="stable"))
        generator = np.random.default_rng([self.seed, self.epoch])
        rows = generator.permutation(len(self.lengths))
        pool = self.batch_size * _BATCHES_PER_POOL
        pools = [rows[start : start + pool] for start in range(0, len(rows), pool)]
        grouped = self._cut(np.concatenate([part[np.argsort(self.lengths[part], kind="stable")] for part in pools]))
        return [grouped[index] for index in generator.permutation(len(grouped))]

    def _cut(self, rows: IntArray) -> list[list[int]]:
        return [rows[start : start + self.batch_size].tolist() for start in range(0, len(rows), self.batch_size)]
