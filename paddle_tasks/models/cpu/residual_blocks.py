"""The residual blocks of `paddle_tasks.models.seq2seq.blocks`, each computed by oneDNN as one operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from paddle import Tensor, nn
from paddle.autograd import PyLayer

from paddle_tasks.arrays import Array
from paddle_tasks.models.cpu import dropout, linear, norm
from paddle_tasks.models.cpu.arrays import Mask, first_order_only, is_plain, need_gradients, to_tensor, view
from paddle_tasks.models.cpu.fused_layer import activation_name
from paddle_tasks.models.seq2seq.blocks import AttentionBlock, FeedForwardBlock
from paddle_tasks.onednn import precision, residual_blocks
from paddle_tasks.onednn.attention import Dropout
from paddle_tasks.onednn.encoder_layer import Norm
from paddle_tasks.onednn.linear_map import Map, prepare_map


def can_replace(layer: nn.Layer) -> bool:
    """Return whether `forward` computes what a Layer's own forward does."""
    if not (is_plain(layer, AttentionBlock) or is_plain(layer, FeedForwardBlock)):
        return False
    parts = [part for part in layer.children() if not isinstance(part, (nn.LayerNorm, nn.Dropout))]
    return (
        all(linear.can_replace(part) for part in parts)
        and norm.can_replace(layer.norm)
        and dropout.can_replace(layer.dropout)
        and (isinstance(layer, AttentionBlock) or activation_name(layer.activation) is not None)
    )


def forward(layer: nn.Layer, states: Tensor, *others: Tensor | None, **options: Tensor | None) -> Tensor:
    """Compute what the Layer's own forward computes."""
    if not linear.can_use_onednn(states) or not can_replace(layer) or options:
        return type(layer).forward(layer, states, *others, **options)
    if isinstance(layer, FeedForwardBlock):
        drop = _draw(tuple(states.shape), layer.dropout)
        return _FeedForward.apply(states, *_parameters(layer), _Settings(layer, precision.is_bfloat16(), drop))
    other, offsets = (*others, None, None)[:2]
    added = None if offsets is None else view(offsets.contiguous())
    drop = _draw(tuple(states.shape), layer.dropout)
    settings = _Settings(layer, precision.is_bfloat16(), drop, None if added is None or not added.any() else added)
    return _Attention.apply(states, other, *_parameters(layer), settings)


def _draw(shape: tuple[int, ...], layer: nn.Dropout) -> Dropout | None:
    """Return the dropout of a branch, of rows [positions, width]."""
    mask = Mask.draw(shape, layer.p) if layer.training else None
    return None if mask is None else Dropout(mask.kept.reshape(-1, shape[-1]), float(mask.scale))


@dataclass
class _Settings:
    layer: nn.Layer
    bfloat16: bool
    drop: Dropout | None
    offsets: Array | None = None


def _parameters(layer: nn.Layer) -> list[Tensor]:
    """Return the parameters: weight and bias of the norm, then of each map."""
    return [tensor for part in (layer.norm, *_maps(layer)) for tensor in (part.weight, part.bias)]


def _maps(layer: nn.Layer) -> list[nn.Linear]:
    if isinstance(layer, FeedForwardBlock):
        return [layer.inner, layer.outer]
    others = [layer.other_projections] if layer.reads_other else []
    return [layer.projections, *others, layer.output]


def _prepare(settings: _Settings) -> tuple[Norm, list[Map]]:
    layer = settings.layer
    maps = [prepare_map((view(part.weight), view(part.bias)), bfloat16=settings.bfloat16) for part in _maps(layer)]
    return Norm(view(layer.norm.weight), view(layer.norm.bias), layer.norm._epsilon), maps


def _results(arrays: list[Array | None], needed: list[bool]) -> tuple[Tensor | None, ...]:
    return tuple(
        to_tensor(array) if need and array is not None else None for array, need in zip(arrays, needed, strict=True)
    )


class _Attention(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Tensor, other: Tensor | None, *inputs: Any) -> Tensor:
        *parameters, settings = inputs
        layer = settings.layer
        layer_norm, (*projections, output) = _prepare(settings)
        block = residual_blocks.AttentionBlock(tuple(projections), output, layer_norm, layer.n_heads, layer.causal)
        read = None if other is None else view(other.contiguous())
        drops = None, settings.drop
        ctx.call = residual_blocks.AttentionCall(block, view(states.contiguous()), read, settings.offsets, drops)
        ctx.reads_other, ctx.need_gradients = other is not None, need_gradients(states, other, *parameters)
        return to_tensor(ctx.call.result)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        found = ctx.call.backward(view(gradient.contiguous()))
        del ctx.call  # its arrays are the largest of a step
        maps = [array for part in (*found.projections, found.output) for array in part]
        other = [found.other] if ctx.reads_other else []
        return _results([found.states, *other, *found.norm, *maps], ctx.need_gradients)


class _FeedForward(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Tensor, *inputs: Any) -> Tensor:
        *parameters, settings = inputs
        layer_norm, (inner, outer) = _prepare(settings)
        activation = str(activation_name(settings.layer.activation))
        block = residual_blocks.FeedForwardBlock(inner, outer, layer_norm, activation)
        ctx.call = residual_blocks.FeedForwardCall(block, view(states.contiguous()), settings.drop)
        ctx.need_gradients = need_gradients(states, *parameters)
        return to_tensor(ctx.call.result)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        found = ctx.call.backward(view(gradient.contiguous()))
        del ctx.call  # its arrays are the largest of a step
        maps = [array for part in (found.inner, found.outer) for array in part]
        return _results([found.states, *found.norm, *maps], ctx.need_gradients)
