"""A Transformer encoder layer for the CPU: Paddle's Layer and its parameters, other products and passes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.nn.layer.transformer import _convert_attention_mask

from paddle_tasks.arrays import Array
from paddle_tasks.models.cpu import dropout, linear, norm
from paddle_tasks.models.cpu.arrays import Mask, is_plain, view
from paddle_tasks.models.cpu.attention import attention, attention_from_first

_FIRST_ONLY, _CHOSEN = "first_only", "chosen"


def can_take(layer: nn.Layer) -> bool:
    """Tell whether `forward` computes what a Layer's own forward does: normalised after each part, with biases.

    A part that is of another class (LoRA's, a quantised one) or is hooked has to be called itself.
    """
    if type(layer) is not nn.TransformerEncoderLayer or layer.normalize_before:
        return False
    own = layer.self_attn
    linears = (own.q_proj, own.k_proj, own.v_proj, own.out_proj, layer.linear1, layer.linear2)
    return (
        is_plain(own, nn.MultiHeadAttention)
        and all(linear.can_take(part) for part in linears)
        and all(norm.can_take(part) for part in (layer.norm1, layer.norm2))
        and all(dropout.can_take(part) for part in (layer.dropout, layer.dropout1, layer.dropout2))
    )


def keep_first_only(layer: nn.Layer) -> None:
    """Have a layer compute its first position alone: of the last one, nothing else goes into a text's own vector."""
    vars(layer)[_FIRST_ONLY] = True


@contextlib.contextmanager
def only_at(layer: nn.Layer, positions: Tensor) -> Iterator[None]:
    """Have a layer return its states at positions <int64>[n] of the flattened [batch * length] alone, as [1, n, width].

    Attention is computed everywhere, what follows it only there.
    """
    vars(layer)[_CHOSEN] = positions
    try:
        yield
    finally:
        del vars(layer)[_CHOSEN]


def forward(
    layer: nn.TransformerEncoderLayer, src: Tensor, src_mask: Tensor | None = None, *others: Any, **options: Any
) -> Any:
    """Do what the layer's own forward does: <float32>[batch, length, width] -> the same, or some positions of it.

    A cache, the attention weights and a mask that learns are left to the layer's own forward.
    """
    first_only, chosen = vars(layer).get(_FIRST_ONLY, False), vars(layer).get(_CHOSEN)
    if any((*others, *options.values())) or (src_mask is not None and _learns(src_mask)) or not can_take(layer):
        found = type(layer).forward(layer, src, src_mask, *others, **options)
        return found if chosen is None else _at(found, chosen)
    context = _attend(layer.self_attn, src, _offsets(src_mask, first_only=first_only), first_only=first_only)
    if first_only:
        src = src[:, :1]
    elif chosen is not None:
        context, src = (_at(states, chosen) for states in (context, src))
    states = _add_norm(layer.self_attn.out_proj, context, src, layer.norm1, layer.dropout1)
    inner = layer.activation(linear.forward(layer.linear1, states))
    inner = dropout.forward(layer.dropout, inner)
    return _add_norm(layer.linear2, inner, states, layer.norm2, layer.dropout2)


def _at(states: Tensor, positions: Tensor) -> Tensor:
    return paddle.gather(states.reshape([-1, states.shape[-1]]), positions).unsqueeze(0)


def _learns(mask: Tensor) -> bool:
    return not mask.stop_gradient and paddle.is_grad_enabled()


def _offsets(mask: Tensor | None, *, first_only: bool) -> Array | None:
    """Return what is added to the scores, or None when nothing is."""
    if mask is None:
        return None
    array = view(_convert_attention_mask(mask, paddle.float32).contiguous())
    if first_only and array.ndim > 1:
        array = array[..., :1, :]  # of the queries
    return array if array.any() else None


def _attend(own: nn.MultiHeadAttention, src: Tensor, offsets: Array | None, *, first_only: bool) -> Tensor:
    dropped = own.dropout if own.training else 0.0
    if not first_only:
        return attention(_project(src, own.q_proj, own.k_proj, own.v_proj), offsets, own.num_heads, dropped)
    queries, keys_values = _project(src[:, :1], own.q_proj), _project(src, own.k_proj, own.v_proj)
    return attention_from_first(queries, keys_values, offsets, own.num_heads, dropped)


def _project(states: Tensor, *parts: nn.Linear) -> Tensor:
    """Map by several linear Layers in one product."""
    if len(parts) == 1:
        return linear.forward(parts[0], states)
    weight = paddle.concat([part.weight for part in parts], axis=1)
    return linear.linear(states, weight, paddle.concat([part.bias for part in parts]))


def _add_norm(last: nn.Linear, inner: Tensor, residual: Tensor, after: nn.LayerNorm, dropped: nn.Dropout) -> Tensor:
    branch = linear.forward(last, inner)
    mask = Mask.draw(tuple(branch.shape), dropped.p) if dropped.training else None
    return norm.add_norm(branch, residual, after.weight, after.bias, epsilon=after._epsilon, mask=mask)
