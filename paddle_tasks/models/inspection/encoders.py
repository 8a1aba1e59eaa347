"""What an encoder computes for a text, whatever its kind."""

from __future__ import annotations

import numpy as np
import paddle

from paddle_tasks.arrays import Array
from paddle_tasks.language import _
from paddle_tasks.models.encoders.attention_map import attention_weights
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.encoders.inspection import look_inside
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.encoders.transformer import Transformer
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.inspection.outputs import (
    Check,
    Findings,
    Output,
    attentions,
    hidden_states,
    largest_difference,
    rows_sum_to_one,
)
from paddle_tasks.models.inspection.recurrent import RECURRENT, inspect_network


def inspect_encoder(encoder: Encoder, ids: Array, types: Array) -> Findings:
    """Return what an encoder computes for a text; dropout must be off.

    Args:
        encoder: the encoder.
        ids: <int64>[length].
        types: <int64>[length], the segment of each token.

    Raises:
        ConfigError: it is an ALBERT, whose layers cannot be inspected.
    """
    if isinstance(encoder, PretrainedEncoder):
        return _pretrained(encoder, ids, types)
    if isinstance(encoder, Transformer):
        return _transformer(encoder, ids, types)
    network = next((layer for layer in encoder.children() if isinstance(layer, RECURRENT)), None)
    return _others(encoder, ids, types) if network is None else inspect_network(encoder.embedding, network, ids)


@without_gradients
def encode(encoder: Encoder, ids: Array, types: Array, lengths: Array) -> tuple[Array, Array]:
    """Return the states <float32>[batch, length, width] and the text vectors <float32>[batch, width] of a batch.

    Args:
        encoder: the encoder, with dropout off.
        ids: <int64>[batch, length].
        types: <int64>[batch, length].
        lengths: <int64>[batch].
    """
    states, vectors = encoder(*(paddle.to_tensor(array) for array in (ids, types, lengths)))
    return states.numpy(), vectors.numpy()


def padding_check(encoder: Encoder, ids: Array, types: Array, n_padding: int) -> Check:
    """Return the check that padding behind a text does not change its states."""
    padded_ids, padded_types = (np.pad(array, (0, n_padding))[None] for array in (ids, types))
    lengths = np.array([len(ids)])
    alone, _vectors = encode(encoder, ids[None], types[None], lengths)
    behind, _vectors = encode(encoder, padded_ids, padded_types, lengths)
    sentence = _("{count} padding tokens behind the text change none of its states, since the mask hides them")
    found = largest_difference(alone, behind[:, : len(ids)])
    return Check(sentence.format(count=n_padding), found)


def _pretrained(encoder: PretrainedEncoder, ids: Array, types: Array) -> Findings:
    inside = look_inside(encoder, ids, types)
    rows = [
        Output(
            name, _("length, size"), array, _("the rows of the table of {name} that the text reads").format(name=name)
        )
        for name, array in inside.embeddings.items()
    ]
    last = _("the state of each token after the last layer: its vector in this context, for tagging or pooling")
    pooled = (
        _("a vector of the whole text: a linear map and tanh of the state of [CLS]")
        if encoder.has_pooler
        else _("the state of [CLS], since this model has no pooler")
    )
    summed = _("{tables}, summed by hand and normalised, are the input of the first layer")
    found = Check(
        summed.format(tables=" + ".join(inside.embeddings)), largest_difference(inside.summed, inside.hidden_states[0])
    )
    outputs = (
        *rows,
        hidden_states(inside.hidden_states),
        Output("last_hidden_state", _("length, width"), inside.hidden_states[-1], last),
        Output("pooler_output", _("width"), inside.pooler_output, pooled),
        attentions(inside.attentions),
    )
    return Findings(outputs, (found, rows_sum_to_one(inside.attentions)), (_no_cache(),))


def _no_cache() -> str:
    return _(
        "past_key_values and cross_attentions: none. An encoder reads the whole text at once, and writes nothing; a "
        "model that writes keeps keys and values, and a translator attends to its source"
    )


@without_gradients
def _transformer(encoder: Transformer, ids: Array, types: Array) -> Findings:
    """Return the findings about a Transformer trained from scratch."""
    inputs, layers = [], list(encoder.layers.layers)
    hooks = [layer.register_forward_pre_hook(lambda _layer, given: inputs.append(given[0])) for layer in layers]
    try:
        last, vector = encode(encoder, ids[None], types[None], np.array([len(ids)]))
    finally:
        for hook in hooks:
            hook.remove()
    maps = np.stack([attention_weights(layer, given) for layer, given in zip(layers, inputs, strict=True)])
    states = np.stack([*(given[0].numpy() for given in inputs), last[0]])
    words = encoder.embedding(paddle.to_tensor(ids)).numpy() * encoder.scale
    if encoder.positions is None:
        table, kind = encoder.table, _("sine and cosine, which are not trained")
    else:
        table, kind = encoder.positions.weight, _("the learned table")
    positions = table[: len(ids)].numpy()
    outputs = (
        Output("words", _("length, width"), words, _("the vectors of the tokens, scaled as in the paper")),
        Output("positions", _("length, width"), positions, _("where each token stands: {kind}").format(kind=kind)),
        hidden_states(states),
        Output("text_vector", _("width"), vector[0], _("the state of the first token")),
        attentions(maps),
    )
    summed = Check(
        _("words + positions, summed by hand, are the input of the first layer"),
        largest_difference(words + positions, states[0]),
    )
    return Findings(outputs, (summed, rows_sum_to_one(maps)), (_no_cache(),))


def _others(encoder: Encoder, ids: Array, types: Array) -> Findings:
    states, vector = encode(encoder, ids[None], types[None], np.array([len(ids)]))
    pooled = _("the maximum of each feature map over the text")
    outputs = (
        Output("states", _("length, width"), states[0], _("the feature maps of the convolutions at each token")),
        Output("text_vector", _("width"), vector[0], pooled),
    )
    found = Check(_("the text vector is the maximum over the tokens"), largest_difference(states[0].max(0), vector[0]))
    return Findings(outputs, (found,))
