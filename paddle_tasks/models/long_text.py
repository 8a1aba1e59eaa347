"""The Layer for long texts: a text is read in windows, and the vectors of its windows are pooled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import paddle
from paddle import Tensor
from paddle.nn import functional

from paddle_tasks.models.classifier import TextClassifier
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.pooling import pool

WindowPooling = Literal["mean", "max"]


@dataclass(frozen=True)
class WindowSettings:
    """How a row of tokens is cut into windows: every ``size`` tokens; the last window may be shorter.

    Attributes:
        size: tokens per window, including [CLS] and [SEP].
        pooling: how the vectors of the windows of a text are combined.
    """

    size: int
    pooling: WindowPooling = "mean"


class LongTextClassifier(TextClassifier):
    """Classifies long texts: encoder -> pooling in each window -> pooling over the windows -> head -> logits."""

    def __init__(self, encoder: Encoder, *, windows: WindowSettings, **common: Any) -> None:
        """Build the Layer; ``common`` are the other arguments of `TextClassifier`."""
        super().__init__(encoder, **common)
        self.windows = windows

    def text_vectors(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the vector of each text, pooled over all of its windows, <float32>[batch, width].

        Args:
            input_ids: <int64>[batch, length], the windows of each text, concatenated.
            token_type_ids: <int64>[batch, length].
            lengths: <int64>[batch], real tokens of each text.
        """
        if input_ids.shape[1] <= self.windows.size:
            return super().text_vectors(input_ids, token_type_ids, lengths)
        sizes = window_lengths(lengths, input_ids.shape[1], self.windows.size)
        is_real = sizes.flatten() > 0
        real = is_real.nonzero().flatten()
        ids, types = (paddle.gather(_fold(rows, self.windows.size), real) for rows in (input_ids, token_type_ids))
        vectors = super().text_vectors(ids, types, paddle.gather(sizes.flatten(), real))
        # The vector of each window; an empty window gets another's, which the pooling ignores.
        indices = (is_real.astype("int64").cumsum() - 1).clip(min=0)
        states = paddle.gather(vectors, indices).reshape([*sizes.shape, vectors.shape[1]])
        return pool(self.windows.pooling, states, states[:, 0], (sizes > 0).astype("int64").sum(axis=1))


def window_lengths(lengths: Tensor, length: int, size: int) -> Tensor:
    """Return the number of real tokens in each window, 0 after the last window of a text.

    Lengths [5, 2] in rows of 6 tokens and windows of 3 tokens -> [[3, 2], [2, 0]].

    Args:
        lengths: <int64>[batch], real tokens of each row.
        length: tokens of a padded row.
        size: tokens per window.

    Returns:
        <int64>[batch, windows].
    """
    starts = paddle.arange(0, length, size, dtype=lengths.dtype)
    return (lengths.unsqueeze(1) - starts).clip(min=0, max=size)


def _fold(rows: Tensor, size: int) -> Tensor:
    """Cut <int64>[batch, length] into windows <int64>[batch * windows, size], padded with zeros."""
    missing = -rows.shape[1] % size
    return functional.pad(rows, [0, 0, 0, missing]).reshape([-1, size])
