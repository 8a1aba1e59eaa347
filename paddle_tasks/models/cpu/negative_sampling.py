"""The loss of negative sampling with its gradients, by oneDNN's products and one pass of tanh.

Paddle's softplus takes eight times as long as numpy's tanh, which gives the probabilities and, from them, the loss.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor
from paddle.autograd import PyLayer

from paddle_tasks.arrays import Array
from paddle_tasks.models.cpu.arrays import first_order_only, need_gradients, to_tensor, view
from paddle_tasks.onednn import precision
from paddle_tasks.onednn.linear_map import as_type_of
from paddle_tasks.onednn.primitives import matmul, to_bfloat16

_SMALLEST = np.float32(2**-24)
"""The least probability of a right answer: in float32, tanh is 1 for larger scores. It costs 16.6 nats."""


def sampled_loss(states: Tensor, outputs: Tensor, near: Tensor, far: Tensor) -> Tensor:
    """Return the summed loss <float32>[] in nats; a pair counts 16.6 at most, while its gradient is exact.

    Args:
        states: <float32>[blocks, size, width].
        outputs: <float32>[blocks, places + shared, width], the vectors of contexts, and then of noise words.
        near: <float32>[blocks, size, places], the weight of each context.
        far: <float32>[blocks, size, 1], the weight of each noise word.
    """
    loss: Tensor = _SampledLoss.apply(states, outputs, near, far)
    return loss


class _SampledLoss(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Tensor, outputs: Tensor, near: Tensor, far: Tensor) -> Tensor:
        factors = [_factor(view(tensor.contiguous())) for tensor in (states, outputs)]
        scores = _probabilities(*factors)
        loss = _replace_by_gradients(scores, view(near), view(far))
        ctx.need_gradients = need_gradients(states, outputs)
        # They need the probabilities, which are not kept, so they are computed here.
        ctx.gradients = _gradients(as_type_of(scores, factors[0]), *factors)
        return paddle.to_tensor(loss)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        factor, gradients = np.float32(float(gradient)), ctx.gradients
        del ctx.gradients
        if factor != 1:
            gradients = [part * factor for part in gradients]
        pairs = zip(gradients, ctx.need_gradients, strict=True)
        return (*(to_tensor(part) if needed else None for part, needed in pairs), None, None)


def _factor(rows: Array) -> Array:
    return to_bfloat16(rows) if precision.suits_bfloat16(rows.shape[-1]) else rows


def _probabilities(states: Array, outputs: Array) -> Array:
    """Return the probability of each pair, <float32>[blocks, size, places + shared]."""
    scores = np.empty((*states.shape[:2], outputs.shape[1]), np.float32)
    matmul(states, outputs.transpose(0, 2, 1), scores)
    scores *= np.float32(0.5)
    np.tanh(scores, out=scores)
    scores += np.float32(1)
    scores *= np.float32(0.5)
    return scores


def _replace_by_gradients(probabilities: Array, near: Array, far: Array) -> np.float32:
    """Replace probabilities by the gradients of their scores, and return the loss."""
    right, wrong = probabilities[:, :, : near.shape[2]], probabilities[:, :, near.shape[2] :]
    loss = _loss(right.copy(), near) + _loss(1 - wrong, far)
    right -= 1
    right *= near
    wrong *= far
    return np.float32(loss)


def _loss(probabilities: Array, weights: Array) -> float:
    """Return the weighted sum of -log(probabilities), which this overwrites."""
    np.maximum(probabilities, _SMALLEST, out=probabilities)
    np.log(probabilities, out=probabilities)
    if weights.shape[2] == 1:
        probabilities = probabilities.sum(axis=2, keepdims=True)
    return -float(np.vdot(probabilities, weights))


def _gradients(scores: Array, states: Array, outputs: Array) -> list[Array]:
    """Return the gradients of states and outputs from those of the scores."""
    of_states, of_outputs = np.empty(states.shape, np.float32), np.empty(outputs.shape, np.float32)
    matmul(scores, outputs, of_states)
    matmul(scores.transpose(0, 2, 1), states, of_outputs)
    return [of_states, of_outputs]
