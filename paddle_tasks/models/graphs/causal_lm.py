"""Language models over characters as graphs; see `causal_lm` and `window_lm` in `paddle_tasks.models`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from paddle_tasks.models.graphs.encoders import EncoderForm, Tokens, encode
from paddle_tasks.models.graphs.graph import Graph, Value
from paddle_tasks.models.graphs.network import TOKEN_AXES, TOKENS, Input, Network, SavedModel
from paddle_tasks.models.graphs.parts import (
    EPSILON,
    NO_ATTENTION,
    Parts,
    attend,
    both_ends,
    hide,
    run_recurrent,
    split_heads,
    tied_log_probs,
)

STEP, WINDOW = "step", "window"
"""The networks: one step with its cache, and a window that is read anew for each character."""


class CausalForm(NamedTuple):
    """What the tensors of a causal Transformer do not tell.

    Attributes:
        n_heads: of each attention.
        n_layers: layers.
        width: of the states.
        pre_norm: whether each layer normalises the inputs of its parts.
    """

    n_heads: int
    n_layers: int
    width: int
    pre_norm: bool


def language_model_networks(saved: SavedModel) -> list[Network]:
    """Return the network that rates next characters: a step with a cache, or a window without one."""
    if saved.section["architecture"] != "gpt":
        positions = {**TOKENS, "positions": Input("int64", ("batch",))}
        return [Network(WINDOW, positions, lambda graph, values: _window(graph, saved, values))]
    form = _causal_form(saved)
    inputs = {name: Input("int64", TOKEN_AXES) for name in ("input_ids", "positions")}
    past = {"past_positions": Input("int64", ("batch", "past"))}
    size = form.width // form.n_heads
    kept = Input("float32", ("batch", form.n_heads, "past", size))
    cache = {f"past_{name}": kept for name in cache_names(form.n_layers)}
    return [Network(STEP, {**inputs, **past, **cache}, lambda graph, values: _step(graph, saved, form, values))]


def cache_names(n_layers: int) -> list[str]:
    """Return the names of keys and values of each layer; ``past_`` before them is an input, ``next_`` an output."""
    return [f"{kind}_{number}" for number in range(n_layers) for kind in ("keys", "values")]


def causal_shape(saved: SavedModel) -> list[int]:
    """Return the numbers of layers and heads and the size of a head; zeros for a model without a cache."""
    if saved.section["architecture"] != "gpt":
        return [0, 0, 0]
    form = _causal_form(saved)
    return [form.n_layers, form.n_heads, form.width // form.n_heads]


def _causal_form(saved: SavedModel) -> CausalForm:
    width = saved.parts["words.weight"].shape[1]
    n_layers = saved.parts.count("linear1.bias")
    return CausalForm(int(saved.section["n_heads"]), n_layers, width, saved.section["encoder"] == "transformer")


def _step(graph: Graph, saved: SavedModel, form: CausalForm, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the log-probabilities after each new entry, and the cache with the new entries.

    A position of -1 is padding, which no entry reads. Entries read those of the cache and the new ones up to
    themselves.
    """
    parts, positions = saved.parts, values["positions"]
    known = graph.apply("maximum", positions, 0)
    embedded = graph.gather(parts["words.weight"], values["input_ids"])
    states = graph.add(embedded, graph.gather(parts["positions.weight"], known))
    if not form.pre_norm:
        states = graph.layer_norm(states, *parts.pair("norm"), EPSILON)
    all_positions = graph.concat([values["past_positions"], positions], 1)
    offsets = _offsets(graph, positions, all_positions)
    outputs = {"next_positions": all_positions}
    for number in range(form.n_layers):
        past = [values[f"past_{kind}_{number}"] for kind in ("keys", "values")]
        own = parts.below(f"layers.{number}.")
        states, *kept = _layer(graph, own, form, states, past, offsets)
        outputs.update(zip((f"next_keys_{number}", f"next_values_{number}"), kept, strict=True))
    if form.pre_norm:
        states = graph.layer_norm(states, *parts.pair("norm"), EPSILON)
    words, section = parts["words.weight"], saved.section
    rated = tied_log_probs(graph, states, words, parts.below("output."), section["n_frequent"])
    return {"log_probs": rated, **outputs}


def _offsets(graph: Graph, positions: Value, all_positions: Value) -> Value:
    """Return what to add to scores, <float32>[batch, 1, new, past + new]."""
    keys = graph.expand(all_positions, 1)
    is_before = graph.apply("less_equal", keys, graph.expand(positions, 2))
    return graph.expand(hide(graph, graph.apply("both", is_before, graph.apply("less_equal", 0, keys))), 1)


def _layer(
    graph: Graph, parts: Parts, form: CausalForm, states: Value, past: list[Value], offsets: Value
) -> tuple[Value, Value, Value]:
    """Return the states <float32>[batch, new, width] after a layer, and its keys and values."""
    first, second = parts.pair("norm1"), parts.pair("norm2")
    before = graph.layer_norm(states, *first, EPSILON) if form.pre_norm else states
    sides = [graph.linear(before, *parts.pair(f"self_attn.{name}_proj")) for name in "qkv"]
    queries, *new = (split_heads(graph, side, form.n_heads)[0] for side in sides)
    keys, values = (graph.concat(pair, 2) for pair in zip(past, new, strict=True))
    contexts, _weights = attend(graph, queries, keys, values, offsets)
    states = graph.add(states, graph.linear(contexts, *parts.pair("self_attn.out_proj")))
    if not form.pre_norm:
        states = graph.layer_norm(states, *first, EPSILON)
    read = graph.layer_norm(states, *second, EPSILON) if form.pre_norm else states
    inner = graph.activate("gelu", graph.linear(read, *parts.pair("linear1")))
    states = graph.add(states, graph.linear(inner, *parts.pair("linear2")))
    return (states if form.pre_norm else graph.layer_norm(states, *second, EPSILON)), keys, values


# ---- windows


def _window(graph: Graph, saved: SavedModel, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the log-probabilities <float32>[batch, characters] at ``positions`` <int64>[batch] of each window."""
    tokens = Tokens(values["input_ids"], None, values["lengths"])
    states = encode(graph, EncoderForm(saved.encoder), saved.parts, tokens).states
    is_recurrent = "head.lstm.weight_ih_l0" in saved.parts
    head = _recurrent_head if is_recurrent else _fully_connected_head
    vectors = head(graph, saved.parts.below("head."), states, tokens, values["positions"])
    words, section = saved.parts["vectors"], saved.section
    return {"log_probs": tied_log_probs(graph, vectors, words, saved.parts.below("output."), section["n_frequent"])}


def _fully_connected_head(graph: Graph, parts: Parts, states: Value, tokens: Tokens, positions: Value) -> Value:
    del tokens
    places = graph.arange(graph.size(states, 1))
    chosen = graph.cast(graph.apply("equal", places, graph.expand(positions, 1)), "float32")
    picked = graph.squeeze(graph.matmul(graph.expand(chosen, 1), states), 1)
    activated = graph.activate("gelu", graph.linear(picked, *parts.pair("linear")))
    return graph.layer_norm(activated, *parts.pair("norm"), EPSILON)


def _recurrent_head(graph: Graph, parts: Parts, states: Value, tokens: Tokens, positions: Value) -> Value:
    ends = graph.apply("minimum", positions, graph.apply("subtract", tokens.lengths, 2))
    n_read = graph.apply("maximum", ends, 1)
    found = run_recurrent(graph, parts.below("lstm."), "lstm", graph.cut(states, 1, 1), n_read)
    last = both_ends(graph, found, 1)
    if "query.weight" not in parts:
        return last
    queries = graph.expand(graph.linear(last, *parts.pair("query")), 2)
    scale = float(np.sqrt(len(parts["query.bias"])))
    scores = graph.apply("divide", graph.squeeze(graph.matmul(found.states, queries), 2), scale)
    is_real = graph.is_real(n_read, found.states)
    weights = graph.softmax(graph.where(is_real, scores, NO_ATTENTION))
    context = graph.squeeze(graph.matmul(graph.expand(weights, 1), found.states), 1)
    return graph.apply("tanh", graph.linear(graph.concat([context, last], 1), *parts.pair("joined")))
