"""The cross-entropy of an output layer that shares the word vectors, without all logits in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor
from paddle.autograd import PyLayer
from paddle.nn import functional

from paddle_tasks.arrays import Array
from paddle_tasks.models.cpu.arrays import first_order_only, need_gradients, to_tensor, view
from paddle_tasks.models.cpu.linear import can_use_onednn, tied_output
from paddle_tasks.onednn import precision
from paddle_tasks.onednn.cross_entropy import Scores, loss_and_gradients, score_targets


def tied_cross_entropy(
    states: Tensor, word_vectors: Tensor, bias: Tensor, targets: Tensor, smoothing: float = 0.0
) -> Tensor:
    """Return the cross-entropy <float32>[] in nats, summed over the rows, of ``states @ word_vectors.T + bias``.

    Args:
        states: <float32>[rows, width].
        word_vectors: <float32>[at least words, width]; only the first ones are words, as many as the bias has.
        bias: <float32>[words].
        targets: <int64>[rows].
        smoothing: the share of each target that is spread evenly over all words.
    """
    if _is_on_cpu(states):
        loss: Tensor = _TiedCrossEntropy.apply(states, word_vectors, bias, targets, smoothing)
        return loss
    logits = tied_output(states, word_vectors[: bias.shape[0]], bias).astype("float32")
    loss = functional.cross_entropy(logits, targets, reduction="sum")
    if smoothing:  # Paddle's own smoothing makes a matrix of targets
        even = -functional.log_softmax(logits, axis=-1).mean(axis=-1).sum()
        loss = (1 - smoothing) * loss + smoothing * even
    return loss


def tied_scores(states: Tensor, word_vectors: Tensor, bias: Tensor, targets: Tensor) -> Scores:
    """Return the cross-entropy and the most probable word of each row, without gradients and in float32.

    The arguments are those of `tied_cross_entropy`.
    """
    words = word_vectors[: bias.shape[0]].contiguous()
    if _is_on_cpu(states):
        return score_targets(view(states.contiguous()), view(words), view(bias), targets.numpy())
    logits = tied_output(states, words, bias).astype("float32")
    losses = functional.cross_entropy(logits, targets, reduction="none").flatten()
    return Scores(losses.numpy(), logits.argmax(axis=-1).numpy())


def _is_on_cpu(states: Tensor) -> bool:
    return paddle.device.get_device() == "cpu" and can_use_onednn(states)


class _TiedCrossEntropy(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, word_vectors: Tensor, bias: Tensor, targets: Tensor, smoothing: float
    ) -> Tensor:
        arrays, n_words = [view(tensor.contiguous()) for tensor in (states, word_vectors, bias)], bias.shape[0]
        words, is_bfloat16 = arrays[1][:n_words], precision.suits_bfloat16(n_words, states.shape[1])
        # The gradients need the probabilities, which are not kept, so they are computed here.
        inputs = arrays[0], words, arrays[2], targets.numpy()
        loss, gradients = loss_and_gradients(*inputs, bfloat16=is_bfloat16, smoothing=smoothing)
        ctx.gradients, ctx.n_vectors = gradients, word_vectors.shape[0]
        ctx.need_gradients = need_gradients(states, word_vectors, bias)
        return paddle.to_tensor(np.float32(loss))

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        factor = np.float32(float(gradient))
        states, words, bias = ctx.gradients
        del ctx.gradients
        parts = [states, _pad(words, ctx.n_vectors), bias]
        if factor != 1:
            parts = [part * factor for part in parts]
        return (
            *(to_tensor(part) if needed else None for part, needed in zip(parts, ctx.need_gradients, strict=True)),
            None,
        )


def _pad(words: Array, n_rows: int) -> Array:
    """Return <float32>[n_rows, width] whose other rows are zero."""
    if len(words) == n_rows:
        return words
    padded = np.zeros((n_rows, words.shape[1]), np.float32)
    padded[: len(words)] = words
    return padded
