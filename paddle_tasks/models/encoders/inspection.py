"""Everything that an encoder computes for one text: states after each layer, attention, and summed embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle
from paddle import nn

from paddle_tasks.arrays import Array
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models.encoders.attention_map import attention_weights
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.gradients import without_gradients


@dataclass(frozen=True)
class Inside:
    """What an encoder computes for a text of ``length`` tokens.

    Attributes:
        hidden_states: <float32>[layers + 1, length, width]; the first is the input of the first layer.
        pooler_output: <float32>[width]; the first state if there is no pooler.
        attentions: <float32>[layers, heads, length, length]; each row sums to 1.
        embeddings: the summands of the input, each <float32>[length, size], by name.
        summed: their sum after layer norm and projection, <float32>[length, width]; equal to ``hidden_states[0]``.
    """

    hidden_states: Array
    pooler_output: Array
    attentions: Array
    embeddings: dict[str, Array]
    summed: Array


@without_gradients
def look_inside(encoder: PretrainedEncoder, input_ids: Array, token_type_ids: Array) -> Inside:
    """Return what an encoder computes for a text; dropout must be off.

    Args:
        encoder: an encoder whose layers are ``nn.TransformerEncoderLayer``.
        input_ids: <int64>[length].
        token_type_ids: <int64>[length].

    Raises:
        ConfigError: its layers are others, as those of ALBERT.
    """
    layers = [layer for layer in encoder.sublayers() if isinstance(layer, nn.TransformerEncoderLayer)]
    if not layers:
        message = _("inspect: a model of the kind {kind} has no layers that can be inspected; expected BERT or ERNIE")
        raise ConfigError(message.format(kind=encoder.model_type))
    inputs, hooks = [], []
    for layer in layers:
        hooks.append(layer.register_forward_pre_hook(lambda _layer, given: inputs.append(given[0])))
    try:
        ids, types = (paddle.to_tensor(array[None], dtype="int64") for array in (input_ids, token_type_ids))
        last, pooled = encoder(ids, types, paddle.to_tensor([len(input_ids)]))
    finally:
        for hook in hooks:
            hook.remove()
    maps = [attention_weights(layer, given) for layer, given in zip(layers, inputs, strict=True)]
    states = np.stack([state[0].numpy() for state in (*inputs, last)])
    summands = _summands(encoder.model, ids, types)
    return Inside(states, pooled[0].numpy(), np.stack(maps), summands, _sum(encoder.model, summands))


def _summands(model: Any, ids: paddle.Tensor, types: paddle.Tensor) -> dict[str, Array]:
    """Return the rows of the embedding tables that a text reads."""
    tables, length = model.embeddings, ids.shape[1]
    skipped = model.config.pad_token_id + 1 if model.config.model_type == "roberta" else 0
    positions = paddle.arange(skipped, skipped + length)
    rows = {"words": tables.word_embeddings(ids)[0], "positions": tables.position_embeddings(positions)}
    rows["segments"] = tables.token_type_embeddings(types)[0]
    if getattr(model.config, "use_task_id", False):
        rows["task types"] = tables.task_type_embeddings(paddle.full([length], model.config.task_id, "int64"))
    return {name: row.numpy() for name, row in rows.items()}


def _sum(model: Any, summands: dict[str, Array]) -> Array:
    total = np.sum(list(summands.values()), axis=0)
    norm = model.embeddings.layer_norm
    centred = total - total.mean(axis=1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + norm._epsilon)
    summed = scaled * norm.weight.numpy() + norm.bias.numpy()
    if hasattr(model, "embeddings_project"):
        summed = model.embeddings_project(paddle.to_tensor(summed)).numpy()
    return np.asarray(summed, np.float32)
