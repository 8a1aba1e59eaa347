"""The long texts' Layer: a text in one window or in several, whose vectors are pooled."""

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
class Windows:
    """How a row of tokens is cut into windows: every ``size`` tokens, the last one may be shorter.

    Attributes:
        size: tokens of a window, [CLS] and [SEP] included.
        pooling: how the vectors of a text's windows become one.
    """

    size: int
    pooling: WindowPooling = "mean"


class LongTextClassifier(TextClassifier):
    """Classifies long texts: encoder -> pooling in each window -> pooling over the windows -> head -> logits."""

    def __init__(self, encoder: Encoder, *, windows: Windows, **common: Any) -> None:
        """Build the Layer; ``common`` is what `TextClassifier` takes."""
        super().__init__(encoder, **common)
        self.windows = windows

    def text_vectors(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return <float32>[batch, width], what the head sees of each text, from all of its windows.

        Args:
            input_ids: <int64>[batch, length], the windows of each text one after another.
            token_type_ids: <int64>[batch, length].
            lengths: <int64>[batch], real tokens of each text.
        """
        if input_ids.shape[1] <= self.windows.size:
            return super().text_vectors(input_ids, token_type_ids, lengths)
        own = window_lengths(lengths, input_ids.shape[1], self.windows.size)
        is_real = own.flatten() > 0
        real = is_real.nonzero().flatten()
        ids, types = (paddle.gather(_folded(row, self.windows.size), real) for row in (input_ids, token_type_ids))
        vectors = super().text_vectors(ids, types, paddle.gather(own.flatten(), real))
        # Each window finds its vector; one that is not there takes another's, which the pooling does not look at.
        places = (is_real.astype("int64").cumsum() - 1).clip(min=0)
        states = paddle.gather(vectors, places).reshape([*own.shape, vectors.shape[1]])
        return pool(self.windows.pooling, states, states[:, 0], (own > 0).astype("int64").sum(axis=1))


def window_lengths(lengths: Tensor, length: int, size: int) -> Tensor:
    """Return the real tokens of each window, 0 behind a text's last one.

    Args:
        lengths: <int64>[batch], real tokens of each row.
        length: of the padded rows.
        size: tokens of a window.

    Returns:
        <int64>[batch, windows].
    """
    starts = paddle.arange(0, length, size, dtype=lengths.dtype)
    return (lengths.unsqueeze(1) - starts).clip(min=0, max=size)


def _folded(rows: Tensor, size: int) -> Tensor:
    """Return <int64>[batch * windows, size] of <int64>[batch, length], with zeros behind the last token."""
    missing = -rows.shape[1] % size
    return functional.pad(rows, [0, 0, 0, missing]).reshape([-1, size])
