"""Batches of rows that need no padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from paddle_tasks.arrays import Array


@dataclass(frozen=True, eq=False)
class RowBatch:
    """Rows of ids, each with its own length.

    Attributes:
        ids: the ids of each row <int64>[length].
        rows: each row's index in its data set.
    """

    ids: Sequence[Array]
    rows: tuple[int, ...]

    @property
    def n_tokens(self) -> int:
        """The number of ids."""
        return sum(map(len, self.ids))

    @property
    def n_padded_tokens(self) -> int:
        """The number of ids, since nothing is padded."""
        return self.n_tokens

    def split(self, n_parts: int) -> list[RowBatch]:
        """Return the rows in at most ``n_parts`` batches of similar size."""
        size = -(-len(self.rows) // n_parts)
        starts = range(0, len(self.rows), size)
        return [RowBatch(self.ids[start : start + size], self.rows[start : start + size]) for start in starts]
