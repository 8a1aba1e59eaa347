"""The forward of Paddle's Transformer encoder layer with the CPU kernels; the Layer keeps its parameters."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.nn.layer.transformer import _convert_attention_mask

from paddle_tasks.arrays import Array
from paddle_tasks.models.cpu import dropout, fused_layer, linear, norm
from paddle_tasks.models.cpu.arrays import Mask, is_plain, view
from paddle_tasks.models.cpu.attention import attention, attention_from_first
from paddle_tasks.models.cpu.fused_layer import is_causal
from paddle_tasks.models.replacement import is_switched_in

_FIRST_ONLY, _POSITIONS = "first_only", "positions"


def can_replace(layer: nn.Layer) -> bool:
    """Return whether `forward` computes what a Layer's own forward does: every linear map has a bias.

    A pre-norm layer is computed if it is causal and oneDNN is there; otherwise by its own forward.

    It does not if a part has another class (LoRA, quantised) or hooks: then the part itself must be called.
    """
    if type(layer) is not nn.TransformerEncoderLayer or (layer.normalize_before and not is_causal(layer)):
        return False
    attend = layer.self_attn
    linears = (attend.q_proj, attend.k_proj, attend.v_proj, attend.out_proj, layer.linear1, layer.linear2)
    return (
        is_plain(attend, nn.MultiHeadAttention)
        and all(linear.can_replace(part) for part in linears)
        and all(norm.can_replace(part) for part in (layer.norm1, layer.norm2))
        and all(dropout.can_replace(part) for part in (layer.dropout, layer.dropout1, layer.dropout2))
    )


def keep_first_only(layer: nn.Layer) -> None:
    """Make a layer compute its first position only, for a last layer of which only the text vector is used."""
    vars(layer)[_FIRST_ONLY] = True


@contextlib.contextmanager
def only_at(layer: nn.Layer, positions: Tensor) -> Iterator[None]:
    """Make a layer return only some of its states, as <float32>[1, n, width], inside the `with` block.

    Attention is computed for all positions, everything after it only for these.

    Args:
        layer: a layer that `forward` has replaced.
        positions: <int64>[n], indices into the flattened [batch * length].
    """
    vars(layer)[_POSITIONS] = positions
    try:
        yield
    finally:
        del vars(layer)[_POSITIONS]


def computes_causal(layer: nn.Layer) -> bool:
    """Return whether a layer that was marked as causal needs no mask, because oneDNN computes it."""
    return is_switched_in(layer) and fused_layer.can_compute(layer) and paddle.in_dynamic_mode()


def forward(
    layer: nn.TransformerEncoderLayer, src: Tensor, src_mask: Tensor | None = None, *others: Any, **options: Any
) -> Any:
    """Compute what the layer's own forward does: <float32>[batch, length, width] -> the same, or some positions of it.

    A call with a cache, one for the attention weights, or one whose mask needs a gradient goes to the layer's own
    forward.
    """
    first_only, positions = vars(layer).get(_FIRST_ONLY, False), vars(layer).get(_POSITIONS)
    if any((*others, *options.values())) or (src_mask is not None and _is_trained(src_mask)) or not can_replace(layer):
        states = type(layer).forward(layer, src, src_mask, *others, **options)
        return states if positions is None else _at(states, positions)
    is_fused = src.size > 0 and fused_layer.can_compute(layer)
    if layer.normalize_before and not is_fused:
        return type(layer).forward(layer, src, src_mask)
    needs_no_mask = is_fused and is_causal(layer)
    offsets = None if needs_no_mask else score_offsets(src_mask, first_only=first_only)
    if is_fused:
        return fused_layer.compute(layer, src, offsets, first_only=first_only, positions=positions)
    context = _attend(layer.self_attn, src, offsets, first_only=first_only)
    if first_only:
        src = src[:, :1]
    elif positions is not None:
        context, src = (_at(states, positions) for states in (context, src))
    states = _add_norm(layer.self_attn.out_proj, context, src, layer.norm1, layer.dropout1)
    inner = layer.activation(linear.forward(layer.linear1, states))
    inner = dropout.forward(layer.dropout, inner)
    return _add_norm(layer.linear2, inner, states, layer.norm2, layer.dropout2)


def _at(states: Tensor, positions: Tensor) -> Tensor:
    return paddle.gather(states.reshape([-1, states.shape[-1]]), positions).unsqueeze(0)


def _is_trained(mask: Tensor) -> bool:
    return not mask.stop_gradient and paddle.is_grad_enabled()


def score_offsets(mask: Tensor | None, *, first_only: bool) -> Array | None:
    """Return the offsets to add to the attention scores, or None if all are 0; see `attention.attention`."""
    if mask is None:
        return None
    array = view(_convert_attention_mask(mask, paddle.float32).contiguous())
    if first_only and array.ndim > 1:
        array = array[..., :1, :]  # the first query
    return array if array.any() else None


def _attend(attend: nn.MultiHeadAttention, src: Tensor, offsets: Array | None, *, first_only: bool) -> Tensor:
    dropout_prob = attend.dropout if attend.training else 0.0
    if not first_only:
        projections = _project(src, attend.q_proj, attend.k_proj, attend.v_proj)
        return attention(projections, offsets, attend.num_heads, dropout_prob)
    queries, keys_values = _project(src[:, :1], attend.q_proj), _project(src, attend.k_proj, attend.v_proj)
    return attention_from_first(queries, keys_values, offsets, attend.num_heads, dropout_prob)


def _project(states: Tensor, *parts: nn.Linear) -> Tensor:
    """Apply several linear Layers in one product; their outputs are side by side."""
    if len(parts) == 1:
        return linear.forward(parts[0], states)
    weight = paddle.concat([part.weight for part in parts], axis=1)
    return linear.linear(states, weight, paddle.concat([part.bias for part in parts]))


def _add_norm(last: nn.Linear, inner: Tensor, residual: Tensor, layer_norm: nn.LayerNorm, drop: nn.Dropout) -> Tensor:
    branch = linear.forward(last, inner)
    mask = Mask.draw(tuple(branch.shape), drop.p) if drop.training else None
    weight, bias, epsilon = layer_norm.weight, layer_norm.bias, layer_norm._epsilon
    return norm.add_norm(branch, residual, weight, bias, epsilon=epsilon, mask=mask)
