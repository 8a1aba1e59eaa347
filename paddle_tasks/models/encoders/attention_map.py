"""The attention weights of the last layer of a Transformer, for one text."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.arrays import Array
from paddle_tasks.models.gradients import without_gradients


class AttentionMap(NamedTuple):
    """The tokens of a text <int64>[length] and their attention weights <float32>[heads, queries, keys]."""

    input_ids: Array
    weights: Array


@without_gradients
def attention_map(encoder: nn.Layer, compute: Callable[[], Any]) -> AttentionMap | None:
    """Return the last layer's attention in the first text that an encoder reads; None if it has no attention.

    Neither Paddle's nor PaddleNLP's Transformer layers return their weights, so they are computed again from the
    layer's inputs.

    Args:
        encoder: an `Encoder`.
        compute: calls the encoder on a text, with dropout off.
    """
    layers = [layer for layer in encoder.sublayers() if isinstance(layer, nn.TransformerEncoderLayer)]
    if not layers:
        return None
    with _record_inputs(encoder) as texts, _record_inputs(layers[-1]) as states:
        compute()
    input_ids, _, lengths = texts[0]
    length = int(lengths[0])
    return AttentionMap(input_ids[0, :length].numpy(), attention_weights(layers[-1], states[0][0][:1, :length]))


@contextlib.contextmanager
def _record_inputs(layer: nn.Layer) -> Iterator[list[tuple[Any, ...]]]:
    """Yield a list that collects the inputs of each call of a Layer inside the `with` block."""
    calls: list[tuple[Any, ...]] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: calls.append(inputs))
    try:
        yield calls
    finally:
        hook.remove()


def attention_weights(layer: nn.TransformerEncoderLayer, states: Tensor, *, causal: bool = False) -> Array:
    """Return a layer's attention weights <float32>[heads, length, length].

    Args:
        layer: the layer.
        states: <float>[1, length, width], its inputs.
        causal: whether a position attends only to itself and to those before it.
    """
    attend = layer.self_attn
    states = layer.norm1(states) if layer.normalize_before else states
    queries, keys = (
        project(states).reshape([-1, attend.num_heads, attend.head_dim]).transpose([1, 0, 2]).astype("float32")
        for project in (attend.q_proj, attend.k_proj)
    )
    scores = paddle.bmm(queries, keys.transpose([0, 2, 1])) / math.sqrt(attend.head_dim)
    if causal:
        scores += paddle.triu(paddle.full(scores.shape[1:], -1e9, "float32"), diagonal=1)
    weights: Array = functional.softmax(scores, axis=2).astype("float32").numpy()
    return weights
