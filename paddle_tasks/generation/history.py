"""The tokens of several rows so far, as one array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]

NO_TOKEN = -1
"""Stands before the first token of a row that is shorter than others."""
_SPARE = 64
"""Columns that are added when the array is full."""


class History:
    """The tokens of each row, prompts included. All rows end in the same column, so that they grow together.

    Attributes:
        n_new: the number of tokens that each row has after its prompt.
    """

    def __init__(self, prompts: Sequence[Sequence[int]]) -> None:
        self._length, self.n_new = max(map(len, prompts), default=0), 0
        self._ids = np.full((len(prompts), self._length + _SPARE), NO_TOKEN, np.int64)
        for row, prompt in zip(self._ids, prompts, strict=True):
            row[self._length - len(prompt) : self._length] = prompt

    @property
    def ids(self) -> Ids:
        """<int64>[rows, length]; `NO_TOKEN` before the first token of a row. It is a view, not to be changed."""
        return self._ids[:, : self._length]

    def append(self, tokens: Sequence[int] | Ids) -> None:
        """Append one token to each row."""
        if self._length == self._ids.shape[1]:
            spare = np.full((len(self._ids), max(_SPARE, self._length)), NO_TOKEN, np.int64)
            self._ids = np.concatenate([self._ids, spare], axis=1)
        self._ids[:, self._length] = tokens
        self._length, self.n_new = self._length + 1, self.n_new + 1

    def select(self, rows: Sequence[int]) -> None:
        """Keep these rows, in this order; a row may occur several times or not at all."""
        self._ids = self._ids[list(rows)]
