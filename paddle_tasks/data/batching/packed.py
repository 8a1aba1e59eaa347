"""The features of a split in a few arrays, so that nothing is stored or batched row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, overload

import numpy as np

from paddle_tasks.text.packing import PackedIds

IntArray = np.ndarray[Any, np.dtype[np.int64]]


class Features(TypedDict):
    """The features of one example: ids and token types <int32>[length], and the label's index."""

    input_ids: np.ndarray[Any, np.dtype[np.int32]]
    token_type_ids: np.ndarray[Any, np.dtype[np.int32]]
    label: int


@dataclass(frozen=True, eq=False)
class PackedFeatures(Sequence[Features]):
    """Encoded texts with their labels, as a sequence of features that MapDataset accepts.

    Attributes:
        ids: the encodings of all rows.
        labels: <int64>[rows], the labels' indices.
    """

    ids: PackedIds
    labels: IntArray

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.ids):
            raise ValueError(f"expected a label for each of {len(self.ids)} rows, found {len(self.labels)}")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> IntArray:
        """The number of tokens of each row, <int64>[rows]."""
        return self.ids.lengths

    @overload
    def __getitem__(self, row: int) -> Features: ...
    @overload
    def __getitem__(self, row: slice) -> list[Features]: ...
    def __getitem__(self, row: int | slice) -> Features | list[Features]:
        if isinstance(row, slice):
            return [self[index] for index in range(*row.indices(len(self)))]
        index = range(len(self))[row]  # supports negative rows, and raises IndexError
        start, end = self.ids.offsets[index : index + 2]
        types = self.ids.token_type_ids
        return Features(
            input_ids=self.ids.input_ids[start:end],
            token_type_ids=np.zeros(end - start, np.int32) if types is None else types[start:end].astype(np.int32),
            label=int(self.labels[index]),
        )
