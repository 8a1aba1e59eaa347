"""Encoders as graphs; see `paddle_tasks.models.encoders`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _, join
from paddle_tasks.models.encoders.architectures import ARCHITECTURES
from paddle_tasks.models.graphs.graph import Graph, Value
from paddle_tasks.models.graphs.parts import CELLS, EPSILON, Parts, attend, both_ends, hide, run_recurrent, split_heads
from paddle_tasks.models.paddle_free.encoder import ACTIVATIONS, ERNIE_EPSILON, NO_ATTENTION
from paddle_tasks.models.paddle_free.operations import sinusoids

_ZERO_PADDING = ("ernie", "roberta", "albert", "skep")
"""The encoders of PaddleNLP that look up zeros for the padding token, whatever its embedding is."""


class Tokens(NamedTuple):
    """The inputs of an encoder.

    Attributes:
        input_ids: <int64>[batch, length].
        token_type_ids: <int64>[batch, length]; None: zeros.
        lengths: <int64>[batch], the real tokens of each row.
    """

    input_ids: Value
    token_type_ids: Value | None
    lengths: Value


class Encoded(NamedTuple):
    """What an encoder returns.

    Attributes:
        states: <float32>[batch, length, width]; the padding may hold anything.
        vectors: <float32>[batch, width].
    """

    states: Value
    vectors: Value


class LayerNames(NamedTuple):
    """The names of the parts of a Transformer layer, by default those of Paddle's."""

    query: str = "self_attn.q_proj"
    key: str = "self_attn.k_proj"
    value: str = "self_attn.v_proj"
    output: str = "self_attn.out_proj"
    norm1: str = "norm1"
    linear1: str = "linear1"
    linear2: str = "linear2"
    norm2: str = "norm2"


_ALBERT_NAMES = LayerNames(
    query="attention.query",
    key="attention.key",
    value="attention.value",
    output="attention.dense",
    norm1="attention.layer_norm",
    linear1="ffn",
    linear2="ffn_output",
    norm2="full_layer_layer_norm",
)


class LayerForm(NamedTuple):
    """What the tensors of Transformer layers do not tell.

    Attributes:
        n_heads: of each attention.
        activation: a name of `Graph.activate`.
        epsilon: of the norms.
        names: of the parts.
    """

    n_heads: int
    activation: str
    epsilon: float
    names: LayerNames = LayerNames()


class EncoderForm(NamedTuple):
    """An encoder and how it is used.

    Attributes:
        config: the config.json of its model folder.
        first_only: whether only the text vectors are used, so that the last layer may compute one position.
    """

    config: Mapping[str, Any]
    first_only: bool = False

    @property
    def width(self) -> int:
        """The width of the states."""
        size = int(self.config["hidden_size"])
        return size * len(self.config["kernel_sizes"]) if self.config["model_type"] == "textcnn" else size


def encode(graph: Graph, form: EncoderForm, arrays: Parts, tokens: Tokens) -> Encoded:
    """Return what an encoder makes of tokens.

    Args:
        graph: the graph.
        form: the encoder.
        arrays: the tensors of the model folder.
        tokens: what it reads.

    Raises:
        ConfigError: encoders of this kind cannot be described here.
    """
    kind = form.config.get("model_type")
    encoders: Mapping[Any, Callable[..., Encoded]] = {
        **dict.fromkeys(ARCHITECTURES, _pretrained),
        "transformer": _transformer,
        "textcnn": _textcnn,
        **dict.fromkeys(CELLS, _recurrent),
    }
    if kind not in encoders:
        message = _("--format: an encoder of the kind {kind} can be exported as paddle-tasks only (others: {known})")
        raise ConfigError(message.format(kind=kind, known=join(sorted(encoders))))
    return encoders[kind](graph, form, arrays, tokens)


def _pretrained(graph: Graph, form: EncoderForm, arrays: Parts, tokens: Tokens) -> Encoded:
    """Return what one of PaddleNLP's encoders makes of tokens."""
    config, kind = form.config, str(form.config["model_type"])
    parts = arrays.below(ARCHITECTURES[kind].prefixes[0])
    shape = LayerForm(int(config["num_attention_heads"]), ACTIVATIONS[config["hidden_act"]], _epsilon(config))
    states = graph.layer_norm(_embed(graph, parts, config, tokens), *parts.pair("embeddings.layer_norm"), shape.epsilon)
    if "embeddings_project.weight" in parts:
        states = graph.linear(states, *parts.pair("embeddings_project"))
    if kind == "albert":
        states = _shared_layers(graph, parts.below("encoder."), config, states, _offsets(graph, tokens))
    else:
        states = _layers(graph, parts.below("encoder.layers."), shape, states, tokens, first_only=form.first_only)
    first = graph.squeeze(graph.cut(states, 1, 0, 1), 1)
    pooler = next((name for name in ("pooler.dense", "pooler") if f"{name}.weight" in parts), None)
    if pooler is not None:
        first = graph.linear(first, *parts.pair(pooler))
        is_plain = kind == "bert" and config.get("pool_act", "tanh") != "tanh"  # only PaddleNLP's BERT reads it
        first = first if is_plain else graph.apply("tanh", first)
    return Encoded(states, first)


def _epsilon(config: Mapping[str, Any]) -> float:
    """Return the epsilon of the norms of one of PaddleNLP's encoders."""
    if config["model_type"] == "ernie":
        return ERNIE_EPSILON
    fixed = ARCHITECTURES[config["model_type"]].epsilon
    return float(config["layer_norm_eps"]) if fixed is None else fixed


def _embed(graph: Graph, parts: Parts, config: Mapping[str, Any], tokens: Tokens) -> Value:
    """Return the sum of the embeddings <float32>[batch, length, width]."""
    words = parts["embeddings.word_embeddings.weight"]
    if config["model_type"] in _ZERO_PADDING:
        words[int(config.get("pad_token_id", 0))] = 0
    of_positions = graph.gather(parts["embeddings.position_embeddings.weight"], _positions(graph, config, tokens))
    summed = graph.add(graph.gather(words, tokens.input_ids), of_positions)
    if "embeddings.token_type_embeddings.weight" in parts:  # not in every SKEP
        types = parts["embeddings.token_type_embeddings.weight"]
        of_types = types[0] if tokens.token_type_ids is None else graph.gather(types, tokens.token_type_ids)
        summed = graph.add(summed, of_types)
    if not config.get("use_task_id"):
        return summed
    return graph.add(summed, parts["embeddings.task_type_embeddings.weight"][int(config.get("task_id", 0))])


def _positions(graph: Graph, config: Mapping[str, Any], tokens: Tokens) -> Value:
    """Return the position of each token, <int64>[length] or, if they skip padding, <int64>[batch, length]."""
    places = graph.arange(graph.size(tokens.input_ids, 1))
    if not ARCHITECTURES[config["model_type"]].skips_positions:
        return places
    pad_id = int(config["pad_token_id"])
    is_padding = graph.apply("equal", tokens.input_ids, pad_id)
    counted = graph.where(is_padding, 0.0, graph.constant(1.0))
    is_before = graph.cast(graph.apply("less_equal", graph.expand(places, 1), places), "float32")
    numbers = graph.cast(graph.apply("multiply", graph.matmul(counted, is_before), counted), "int64")
    return graph.add(numbers, pad_id)


def _layers(graph: Graph, parts: Parts, shape: LayerForm, states: Value, tokens: Tokens, *, first_only: bool) -> Value:
    """Return the states after Transformer layers with the norms behind the sums."""
    offsets, n_layers = _offsets(graph, tokens), parts.count("linear1.bias")
    for number in range(n_layers):
        is_last = number == n_layers - 1
        own = parts.below(f"{number}.")
        states = _layer(graph, own, shape, states, offsets, first_only=first_only and is_last)
    return states


def _layer(graph: Graph, parts: Parts, shape: LayerForm, states: Value, offsets: Value, *, first_only: bool) -> Value:
    read, names = graph.cut(states, 1, 0, 1) if first_only else states, shape.names
    sides = zip((read, states, states), (names.query, names.key, names.value), strict=True)
    projected = [graph.linear(side, *parts.pair(name)) for side, name in sides]
    queries, keys, values = (split_heads(graph, value, shape.n_heads)[0] for value in projected)
    contexts, _weights = attend(graph, queries, keys, values, offsets)
    summed = graph.add(read, graph.linear(contexts, *parts.pair(names.output)))
    middle = graph.layer_norm(summed, *parts.pair(names.norm1), shape.epsilon)
    inner = graph.activate(shape.activation, graph.linear(middle, *parts.pair(names.linear1)))
    outer = graph.add(middle, graph.linear(inner, *parts.pair(names.linear2)))
    return graph.layer_norm(outer, *parts.pair(names.norm2), shape.epsilon)


def _offsets(graph: Graph, tokens: Tokens) -> Value:
    """Return what to add to the scores of keys, <float32>[batch, 1, 1, length]."""
    is_real = graph.expand(graph.expand(graph.is_real(tokens.lengths, tokens.input_ids), 1), 1)
    return hide(graph, is_real, NO_ATTENTION)


def _shared_layers(graph: Graph, parts: Parts, config: Mapping[str, Any], states: Value, offsets: Value) -> Value:
    """Return the states after the layers of an ALBERT; the layers of a group share their weights."""
    states = graph.linear(states, *parts.pair("embedding_hidden_mapping_in"))
    shape = LayerForm(
        int(config["num_attention_heads"]), ACTIVATIONS[config["hidden_act"]], _epsilon(config), _ALBERT_NAMES
    )
    n_layers, n_groups = int(config["num_hidden_layers"]), int(config["num_hidden_groups"])
    for number in range(n_layers):
        group = parts.below(f"albert_layer_groups.{number * n_groups // n_layers}.albert_layers.")
        for inner in range(int(config["inner_group_num"])):
            states = _layer(graph, group.below(f"{inner}."), shape, states, offsets, first_only=False)
    return states


def _transformer(graph: Graph, form: EncoderForm, arrays: Parts, tokens: Tokens) -> Encoded:
    config, parts = form.config, arrays.below("encoder.")
    size, positions = int(config["hidden_size"]), graph.arange(graph.size(tokens.input_ids, 1))
    embedded = graph.gather(parts["embedding.weight"], tokens.input_ids)
    if config["positions"] == "sinusoidal":
        table = sinusoids(int(config["max_positions"]), size)
        embedded = graph.apply("multiply", embedded, float(np.sqrt(size)))
    else:
        table = parts["positions.weight"]
    states = graph.add(embedded, graph.gather(table, positions))
    shape = LayerForm(int(config["n_heads"]), str(config["activation"]), EPSILON)
    layers = parts.below("layers.layers.")
    states = _layers(graph, layers, shape, states, tokens, first_only=form.first_only)
    return Encoded(states, graph.squeeze(graph.cut(states, 1, 0, 1), 1))


def _textcnn(graph: Graph, form: EncoderForm, arrays: Parts, tokens: Tokens) -> Encoded:
    parts, sizes = arrays.below("encoder."), [int(size) for size in form.config["kernel_sizes"]]
    is_real = graph.expand(graph.is_real(tokens.lengths, tokens.input_ids), 2)
    embedded = graph.where(is_real, graph.gather(parts["embedding.weight"], tokens.input_ids), 0.0)
    maps = [
        graph.linear(_windows(graph, embedded, size), *parts.pair(f"kernels.{number}"))
        for number, size in enumerate(sizes)
    ]
    states = graph.apply("relu", graph.concat(maps, 2))
    return Encoded(states, graph.highest(graph.where(is_real, states, float(np.finfo(np.float32).min)), 1))


def _windows(graph: Graph, states: Value, size: int) -> Value:
    """Return the windows of ``size`` positions round each position, <float32>[batch, length, size * width]."""
    before, after = (size - 1) // 2, size // 2
    padded = graph.pad(states, before, after)
    starts = range(size)
    shifted = [graph.cut(padded, 1, start, start - size + 1 or None) for start in starts]
    return graph.concat(shifted, 2)


def _recurrent(graph: Graph, form: EncoderForm, arrays: Parts, tokens: Tokens) -> Encoded:
    kind, parts = form.config["model_type"], arrays.below("encoder.")
    cell = CELLS[kind]
    embedded = graph.gather(parts["embedding.weight"], tokens.input_ids)
    found = run_recurrent(graph, parts.below(f"{cell}."), cell, embedded, tokens.lengths)
    return Encoded(found.states, both_ends(graph, found, 2 if kind == "bilstm" else 1))
