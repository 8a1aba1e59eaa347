"""Encoder-decoders as graphs, an encoder and one step of the decoder; see `paddle_tasks.models.seq2seq`.

What the encoder returns is what the decoder reads. After a step, its outputs ``next_…`` replace the inputs ``past_…``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from paddle_tasks.models.graphs.graph import Graph, Value
from paddle_tasks.models.graphs.network import TOKEN_AXES, TOKENS, Input, Network, SavedModel
from paddle_tasks.models.graphs.parts import (
    EPSILON,
    Parts,
    attend,
    both_ends,
    hide,
    run_recurrent,
    split_heads,
    tied_log_probs,
)
from paddle_tasks.models.paddle_free.operations import sinusoids

ENCODER, DECODER = "encoder", "decoder"
N_POSITIONS = 2048
"""The longest source or output of an exported Transformer, in characters."""

_INPUT = {"input_ids": Input("int64", TOKEN_AXES)}
Values = Mapping[str, Value]
Build = Callable[[Graph, SavedModel, Values], dict[str, Value]]


def translator_networks(saved: SavedModel) -> list[Network]:
    """Return the encoder and the decoder."""
    is_recurrent = saved.section["architecture"] == "rnn"
    encode, decode, kept = (
        (_encode_recurrent, _decode_recurrent, _recurrent_inputs(saved))
        if is_recurrent
        else (_encode_transformer, _decode_transformer, _transformer_inputs(saved))
    )
    return [
        Network(ENCODER, TOKENS, lambda graph, values: encode(graph, saved, values)),
        Network(DECODER, {**_INPUT, **kept}, lambda graph, values: decode(graph, saved, values)),
    ]


def _rate(graph: Graph, saved: SavedModel, states: Value) -> Value:
    words, n_frequent = saved.parts["words.weight"], saved.section["n_frequent"]
    return tied_log_probs(graph, states, words, saved.parts.below("output."), n_frequent)


def _source_offsets(graph: Graph, values: Values) -> Value:
    """Return what to add to the scores of source positions, <float32>[batch, 1, 1, length]."""
    is_real = graph.is_real(values["lengths"], values["input_ids"])
    return hide(graph, graph.expand(graph.expand(is_real, 1), 1))


# ---- the Transformer


def _n_layers(saved: SavedModel) -> int:
    return saved.parts.count("source_attention.norm.bias")


def _transformer_inputs(saved: SavedModel) -> dict[str, Input]:
    n_heads, width = int(saved.section["n_heads"]), saved.parts["words.weight"].shape[1]
    inputs = {"source_offsets": Input("float32", ("batch", 1, 1, "source"))}
    for number in range(_n_layers(saved)):
        for kind in ("keys", "values"):
            inputs[f"source_{kind}_{number}"] = Input("float32", ("batch", n_heads, "source", width // n_heads))
            inputs[f"past_{kind}_{number}"] = Input("float32", ("batch", n_heads, "past", width // n_heads))
    return inputs


def _encode_transformer(graph: Graph, saved: SavedModel, values: Values) -> dict[str, Value]:
    offsets, n_heads = _source_offsets(graph, values), int(saved.section["n_heads"])
    states = _embed(graph, saved, values["input_ids"], graph.arange(graph.size(values["input_ids"], 1)))
    encoder = saved.parts.below("encoder.")
    for number in range(encoder.count("feed_forward.inner.bias")):
        parts = encoder.below(f"{number}.attention.")
        queries, keys, read = split_heads(graph, _project(graph, parts, states), n_heads, 3)
        contexts, _weights = attend(graph, queries, keys, read, offsets)
        states = graph.add(states, graph.linear(contexts, *parts.pair("output")))
        states = _feed_forward(graph, saved, encoder.below(f"{number}.feed_forward."), states)
    memory = graph.layer_norm(states, *saved.parts.pair("encoder_norm"), EPSILON)
    outputs = {"source_offsets": offsets}
    for number in range(_n_layers(saved)):
        maps = saved.parts.pair(f"decoder.{number}.source_attention.other_projections")
        sides = split_heads(graph, graph.linear(memory, *maps), n_heads, 2)
        for kind, side in zip(("keys", "values"), sides, strict=True):
            outputs[f"source_{kind}_{number}"] = side
            outputs[f"past_{kind}_{number}"] = graph.cut(side, 2, 0, 0)  # no positions yet
    return outputs


def _decode_transformer(graph: Graph, saved: SavedModel, values: Values) -> dict[str, Value]:
    ids, n_past = values["input_ids"], graph.size(values["past_keys_0"], 2)
    positions = graph.add(graph.arange(graph.size(ids, 1)), n_past)
    keys = graph.arange(graph.add(graph.size(ids, 1), n_past))
    offsets = hide(graph, graph.apply("less_equal", keys, graph.expand(positions, 1)))
    states, outputs, weights = _embed(graph, saved, ids, positions), dict[str, Value](), []
    for number in range(_n_layers(saved)):
        parts, own = saved.parts.below(f"decoder.{number}."), _of_layer(values, number)
        states, kept = _attend_self(graph, saved, parts.below("attention."), states, own, offsets)
        outputs.update(zip((f"next_keys_{number}", f"next_values_{number}"), kept, strict=True))
        states, found = _attend_source(graph, saved, parts.below("source_attention."), states, own)
        weights.append(found)
        states = _feed_forward(graph, saved, parts.below("feed_forward."), states)
    states = graph.layer_norm(states, *saved.parts.pair("decoder_norm"), EPSILON)
    heads = len(weights) * int(saved.section["n_heads"])
    mean = graph.apply("multiply", graph.total(graph.add(*weights), 1), 1.0 / heads)
    return {"log_probs": _rate(graph, saved, states), "attention": mean, **outputs}


def _of_layer(values: Values, number: int) -> dict[str, Value]:
    """Return the inputs of a layer by the names without its number, and the offsets of the source."""
    ending = f"_{number}"
    own = {name.removesuffix(ending): value for name, value in values.items() if name.endswith(ending)}
    return {**own, "source_offsets": values["source_offsets"]}


def _embed(graph: Graph, saved: SavedModel, ids: Value, positions: Value) -> Value:
    words = saved.parts["words.weight"]
    width = words.shape[1]
    scaled = graph.apply("multiply", graph.gather(words, ids), float(np.sqrt(width)))
    return graph.add(scaled, graph.gather(sinusoids(N_POSITIONS, width), positions))


def _project(graph: Graph, parts: Parts, states: Value) -> Value:
    normalised = graph.layer_norm(states, *parts.pair("norm"), EPSILON)
    return graph.linear(normalised, *parts.pair("projections"))


def _attend_self(
    graph: Graph, saved: SavedModel, parts: Parts, states: Value, own: Values, offsets: Value
) -> tuple[Value, list[Value]]:
    """Return the states with what they attend to, and keys and values of all positions."""
    queries, *new = split_heads(graph, _project(graph, parts, states), int(saved.section["n_heads"]), 3)
    kept = [graph.concat([own[f"past_{name}"], side], 2) for name, side in zip(("keys", "values"), new, strict=True)]
    contexts, _weights = attend(graph, queries, kept[0], kept[1], offsets)
    return graph.add(states, graph.linear(contexts, *parts.pair("output"))), kept


def _attend_source(graph: Graph, saved: SavedModel, parts: Parts, states: Value, own: Values) -> tuple[Value, Value]:
    """Return the states with what they attend to, and the weights <float32>[batch, n_heads, length, source]."""
    (queries,) = split_heads(graph, _project(graph, parts, states), int(saved.section["n_heads"]))
    contexts, weights = attend(graph, queries, own["source_keys"], own["source_values"], own["source_offsets"])
    return graph.add(states, graph.linear(contexts, *parts.pair("output"))), weights


def _feed_forward(graph: Graph, saved: SavedModel, parts: Parts, states: Value) -> Value:
    normalised = graph.layer_norm(states, *parts.pair("norm"), EPSILON)
    inner = graph.activate(str(saved.section["activation"]), graph.linear(normalised, *parts.pair("inner")))
    return graph.add(states, graph.linear(inner, *parts.pair("outer")))


# ---- recurrent networks


def _n_cells(saved: SavedModel) -> int:
    return sum(name.startswith("starts.") for name in saved.parts.arrays) // 2


def _kept_names(saved: SavedModel) -> list[str]:
    kinds = ("hidden", "cells") if saved.section["cell"] == "lstm" else ("hidden",)
    return [f"{kind}_{number}" for number in range(_n_cells(saved)) for kind in kinds]


def _recurrent_inputs(saved: SavedModel) -> dict[str, Input]:
    size = len(saved.parts["starts.0.bias"])
    inputs = {f"past_{name}": Input("float32", ("batch", size)) for name in _kept_names(saved)}
    if saved.section["attention"] == "none":
        return inputs
    sources = {"source_states": Input("float32", ("batch", "source", 2 * size))}
    if saved.section["attention"] == "additive":
        width = len(saved.parts["attend.keys.bias"])
        sources["source_keys"] = Input("float32", ("batch", "source", width))
    return {**inputs, **sources, "source_offsets": Input("float32", ("batch", 1, 1, "source"))}


def _encode_recurrent(graph: Graph, saved: SavedModel, values: Values) -> dict[str, Value]:
    embedded = graph.gather(saved.parts["words.weight"], values["input_ids"])
    cell = saved.section["cell"]
    found = run_recurrent(graph, saved.parts.below("encoder."), cell, embedded, values["lengths"])
    last, outputs = both_ends(graph, found, 2), dict[str, Value]()
    for number in range(_n_cells(saved)):
        hidden = graph.apply("tanh", graph.linear(last, *saved.parts.pair(f"starts.{number}")))
        outputs[f"past_hidden_{number}"] = hidden
        if cell == "lstm":
            outputs[f"past_cells_{number}"] = graph.apply("multiply", hidden, 0.0)
    if saved.section["attention"] == "none":
        return outputs
    outputs["source_states"] = found.states
    if saved.section["attention"] == "additive":
        outputs["source_keys"] = graph.linear(found.states, *saved.parts.pair("attend.keys"))
    return {**outputs, "source_offsets": _source_offsets(graph, values)}


def _decode_recurrent(graph: Graph, saved: SavedModel, values: Values) -> dict[str, Value]:
    outputs: dict[str, Value] = {}

    def run(number: int, inputs: Value) -> Value:
        kinds = [kind for kind in ("hidden", "cells") if f"past_{kind}_{number}" in values]
        initial = [graph.expand(values[f"past_{kind}_{number}"], 0) for kind in kinds]
        parts = saved.parts.below(f"decoder.{number}.")
        found = run_recurrent(graph, parts, saved.section["cell"], inputs, None, initial)
        for kind in kinds:
            outputs[f"next_{kind}_{number}"] = graph.squeeze(getattr(found, kind), 0)
        return found.states

    states = run(0, graph.gather(saved.parts["words.weight"], values["input_ids"]))
    contexts = [] if saved.section["attention"] == "none" else [_read_source(graph, saved, states, values, outputs)]
    read = graph.concat([states, *contexts], -1)
    for number in range(1, _n_cells(saved)):
        read = states = run(number, read)
    if _n_cells(saved) > 1:
        read = graph.concat([states, *contexts], -1)
    combined = graph.apply("tanh", graph.linear(read, *saved.parts.pair("combine")))
    return {"log_probs": _rate(graph, saved, combined), **outputs}


def _read_source(graph: Graph, saved: SavedModel, states: Value, values: Values, outputs: dict[str, Value]) -> Value:
    """Return the contexts <float32>[batch, length, source width] of states, and add the weights to the outputs."""
    parts = saved.parts.below("attend.")
    queries = graph.linear(states, *parts.pair("queries"))
    if "source_keys" in values:
        summed = graph.apply("tanh", graph.add(graph.expand(queries, 2), graph.expand(values["source_keys"], 1)))
        scores = graph.squeeze(graph.matmul(summed, parts["vector"][:, None]), 3)
    else:
        scores = graph.matmul(queries, graph.transpose(values["source_states"], (0, 2, 1)))
    weights = graph.softmax(graph.add(scores, graph.squeeze(values["source_offsets"], 1)))
    outputs["attention"] = weights
    return graph.matmul(weights, values["source_states"])
