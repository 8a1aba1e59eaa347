"""A Transformer encoder layer as one operation, computed by oneDNN."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer
from paddle.nn import functional

from paddle_tasks.arrays import Array
from paddle_tasks.models.cpu.arrays import Mask, first_order_only, to_tensor, view
from paddle_tasks.onednn import library, precision
from paddle_tasks.onednn.attention import Dropout
from paddle_tasks.onednn.encoder_layer import Call, Drops, Gradients, Layer, Norm
from paddle_tasks.onednn.linear_map import prepare_map
from paddle_tasks.onednn.pre_norm_layer import PreNormCall

_ACTIVATIONS: dict[Any, str] = {
    functional.gelu: "gelu",
    functional.relu: "relu",
    functional.silu: "silu",
    functional.swish: "silu",
}


_CAUSAL = "causal"


def activation_name(activation: Callable[[Tensor], Tensor]) -> str | None:
    """Return the name that oneDNN's primitives use; None for another activation."""
    if isinstance(activation, functools.partial):
        is_tanh = activation.func is functional.gelu and activation.keywords == {"approximate": True}
        return "gelu_tanh" if is_tanh and not activation.args else None
    return _ACTIVATIONS.get(activation)


def mark_causal(layer: nn.Layer) -> None:
    """Let a layer attend only to earlier positions without a mask; the caller still gives it one for other kernels."""
    vars(layer)[_CAUSAL] = True


def is_causal(layer: nn.Layer) -> bool:
    """Return whether a layer was marked by `mark_causal`."""
    return bool(vars(layer).get(_CAUSAL, False))


def can_compute(layer: nn.TransformerEncoderLayer) -> bool:
    """Return whether `compute` can take the place of the other kernels for a layer; it needs at least one position."""
    return (
        library.get() is not None
        and activation_name(layer.activation) is not None
        and not (layer.training and layer.dropout.p)
    )


def compute(
    layer: nn.TransformerEncoderLayer,
    states: Tensor,
    offsets: Array | None,
    *,
    first_only: bool = False,
    positions: Tensor | None = None,
) -> Tensor:
    """Return a layer's states.

    Args:
        layer: a layer that `transformer.can_replace`.
        states: <float32>[batch, length, width].
        offsets: <float32>, broadcast and added to the attention scores.
        first_only: return the first position of each text only, <float32>[batch, 1, width].
        positions: <int64>[n], indices into the flattened positions, to return only these, <float32>[1, n, width].
    """
    batch, length, width = states.shape
    if first_only:
        n_rows, n_queries, shape = batch, 1, [batch, 1, width]
    elif positions is not None:
        n_rows, n_queries, shape = positions.shape[0], length, [1, positions.shape[0], width]
    else:
        n_rows, n_queries, shape = batch * length, length, [batch, length, width]
    if not n_rows:
        return paddle.zeros(shape)
    attend = layer.self_attn
    drops = Drops(
        _draw((batch, attend.num_heads, n_queries, length), attend.dropout if attend.training else 0.0),
        _draw((n_rows, width), layer.dropout1.p if layer.dropout1.training else 0.0),
        _draw((n_rows, width), layer.dropout2.p if layer.dropout2.training else 0.0),
    )
    chosen = None if positions is None else positions.numpy()
    settings = _Settings(layer, offsets, drops, first_only, chosen, precision.is_bfloat16())
    result: Tensor = _EncoderLayer.apply(states, *_parameters(layer), settings)
    return result.reshape(shape)


def _draw(shape: tuple[int, ...], probability: float) -> Dropout | None:
    mask = Mask.draw(shape, probability)
    return None if mask is None else Dropout(mask.kept, float(mask.scale))


@dataclass
class _Settings:
    layer: nn.TransformerEncoderLayer
    offsets: Array | None
    drops: Drops
    first_only: bool
    positions: Array | None
    bfloat16: bool

    def call(self, states: Array) -> Call:
        """Call the layer on states <float32>[batch, length, width]."""
        layer = prepare_layer(self.layer, bfloat16=self.bfloat16)
        if layer.pre_norm:
            return PreNormCall(layer, states, self.offsets, self.drops)
        inputs = layer, states, self.offsets, self.drops
        return Call(*inputs, first_only=self.first_only, positions=self.positions)


def prepare_layer(layer: nn.TransformerEncoderLayer, *, bfloat16: bool) -> Layer:
    """Return the parameters of a layer for oneDNN; in float32 they share its memory as far as possible."""
    attend = layer.self_attn
    names = [(attend.q_proj, attend.k_proj, attend.v_proj), (attend.out_proj,), (layer.linear1,), (layer.linear2,)]
    projections, output, inner, outer = (
        prepare_map(*((view(part.weight), view(part.bias)) for part in parts), bfloat16=bfloat16) for parts in names
    )
    first, second = (Norm(view(n.weight), view(n.bias), n._epsilon) for n in (layer.norm1, layer.norm2))
    activation, causal = str(activation_name(layer.activation)), is_causal(layer)
    maps, norms = (projections, output, inner, outer), (first, second)
    return Layer(*maps, norms, attend.num_heads, activation, causal, pre_norm=layer.normalize_before)


def _parameters(layer: nn.TransformerEncoderLayer) -> list[Tensor]:
    """Return the parameters in the order of the gradients that `_flatten` returns."""
    attend = layer.self_attn
    parts = (attend.q_proj, attend.k_proj, attend.v_proj, attend.out_proj, layer.linear1, layer.linear2)
    return [tensor for part in (*parts, layer.norm1, layer.norm2) for tensor in (part.weight, part.bias)]


class _EncoderLayer(PyLayer):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Tensor, *inputs: Any) -> Tensor:
        *parameters, settings = inputs
        ctx.call = settings.call(view(states.contiguous()))
        ctx.need_gradients = [not tensor.stop_gradient for tensor in (states, *parameters)]
        return to_tensor(ctx.call.result)

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states_need, *_ = ctx.need_gradients
        rows = view(gradient.contiguous())
        gradients = ctx.call.backward(rows, states_need=states_need)
        del ctx.call  # its arrays are the largest of a step
        return tuple(
            to_tensor(array) if needed and array is not None else None
            for array, needed in zip(_flatten(gradients), ctx.need_gradients, strict=True)
        )


def _flatten(gradients: Gradients) -> list[Array | None]:
    width = gradients.output.weight.shape[0]
    weight, bias = gradients.projections
    projections: list[Array | None] = []
    for start in (0, width, 2 * width):
        projections += [weight[:, start : start + width].copy(), bias[start : start + width].copy()]
    maps = [array for part in (gradients.output, gradients.inner, gradients.outer) for array in part]
    return [gradients.states, *projections, *maps, *(array for norm in gradients.norms for array in norm)]
