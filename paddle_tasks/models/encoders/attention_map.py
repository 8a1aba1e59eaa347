"""What the tokens of a text look at: the attention in the last layer of a Transformer."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.arrays import Array


class AttentionMap(NamedTuple):
    """A text's tokens <int64>[length], and how much each looks at each <float32>[heads, length, length]."""

    input_ids: Array
    weights: Array


@paddle.no_grad()  # type: ignore[untyped-decorator]
def attention_map(encoder: nn.Layer, compute: Callable[[], Any]) -> AttentionMap | None:
    """Return the last layer's attention in the first text that an encoder reads, or None where it has none.

    Neither Paddle's Transformer layers nor PaddleNLP's hand out their weights, so they are computed once more from what
    the layer was given.

    Args:
        encoder: an `Encoder`.
        compute: has it read a text, with dropout off.
    """
    layers = [layer for layer in encoder.sublayers() if isinstance(layer, nn.TransformerEncoderLayer)]
    if not layers:
        return None
    with _given_to(encoder) as texts, _given_to(layers[-1]) as states:
        compute()
    input_ids, _, lengths = texts[0]
    length = int(lengths[0])
    return AttentionMap(input_ids[0, :length].numpy(), _weights(layers[-1], states[0][0][:1, :length]))


@contextlib.contextmanager
def _given_to(layer: nn.Layer) -> Iterator[list[tuple[Any, ...]]]:
    """Gather what a Layer is given while the block lasts."""
    given: list[tuple[Any, ...]] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: given.append(inputs))
    try:
        yield given
    finally:
        hook.remove()


def _weights(layer: nn.TransformerEncoderLayer, states: Tensor) -> Array:
    """Return a layer's attention <float32>[heads, length, length] over states <float>[1, length, width]."""
    attend = layer.self_attn
    states = layer.norm1(states) if layer.normalize_before else states
    queries, keys = (
        project(states).reshape([-1, attend.num_heads, attend.head_dim]).transpose([1, 0, 2]).astype("float32")
        for project in (attend.q_proj, attend.k_proj)
    )
    scores = paddle.bmm(queries, keys.transpose([0, 2, 1])) / math.sqrt(attend.head_dim)
    found: Array = functional.softmax(scores, axis=2).astype("float32").numpy()
    return found
