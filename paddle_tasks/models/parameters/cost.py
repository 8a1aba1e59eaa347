"""The memory that training takes, and the operations for a token."""

from __future__ import annotations

from dataclasses import dataclass

from paddle_tasks.models.parameters.part import Part

_FLOAT = 4  # bytes
_PER_TENSOR = 2 * _FLOAT  # Paddle's AdamW keeps the powers of both betas, one number each, for each parameter


@dataclass(frozen=True)
class LayerSizes:
    """What activations depend on; all 0 for recurrent networks, whose activations are not estimated."""

    n_layers: int = 0
    width: int = 0
    inner_width: int = 0
    n_heads: int = 0


@dataclass(frozen=True)
class Cost:
    """Memory in bytes, with float32 throughout, and floating-point operations.

    Attributes:
        weights: of the weights; exact.
        gradients: of the gradients; exact.
        optimizer: of AdamW's states: two averages of each weight, and two powers for each parameter; exact.
        activations: kept for the backward pass, for each token of a text; an estimate.
        forward_flops: of a token in the forward pass; an estimate.
        training_flops: of a token forward and backward; an estimate, three times the forward pass.
        length: the length of the text that estimates are for, in tokens.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    forward_flops: int
    training_flops: int
    length: int


def compute_cost(parts: Part, n_tensors: int, layers: LayerSizes, length: int) -> Cost:
    """Return the cost of a model.

    A token takes a multiplication and an addition with each weight of a product, and 4 × width operations for each
    token that it attends to in each layer (Kaplan et al., 2020, https://arxiv.org/abs/2001.08361, table 1). Layer
    norms, softmax and activation functions are left out. A layer keeps about 9 × width + 2 × inner width numbers for
    each token, and two for each head and attended token: weights before and after dropout.
    """
    attended = layers.n_layers * 4 * layers.width * length
    forward = 2 * parts.n_products + attended
    kept = 9 * layers.width + 2 * layers.inner_width + 2 * layers.n_heads * length
    weights = _FLOAT * parts.count
    optimizer = 2 * weights + _PER_TENSOR * n_tensors
    return Cost(weights, weights, optimizer, _FLOAT * layers.n_layers * kept, forward, 3 * forward, length)
