"""The opinion tagger as graphs; see `paddle_tasks.models.opinion` and `paddle_tasks.models.span_pairs`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.chain import NEVER, OUTSIDE
from paddle_tasks.models.graphs.encoders import EncoderForm, Tokens, encode
from paddle_tasks.models.graphs.graph import Graph, Value
from paddle_tasks.models.graphs.network import TOKENS, Input, Network, SavedModel
from paddle_tasks.models.graphs.parts import Parts, run_recurrent
from paddle_tasks.models.span_distances import DISTANCES, IMPLICIT, OVERLAP

ENCODER, TAGS, PAIRS = "encoder", "tags", "pairs"
"""The networks: ids to states, states to emissions, states and spans to the logits of pairs."""


def tagger_networks(saved: SavedModel) -> list[Network]:
    """Return the networks of a tagger; that of pairs only if it has learnt some."""
    states = Input("float32", ("batch", "length", EncoderForm(saved.encoder).width))
    lengths = TOKENS["lengths"]
    sides = {name: Input("int64", ("batch", name, 2)) for name in ("aspects", "opinions")}
    networks = [
        Network(ENCODER, TOKENS, lambda graph, values: _states(graph, saved, values)),
        Network(TAGS, {"states": states, "lengths": lengths}, lambda graph, values: _emissions(graph, saved, values)),
    ]
    if "pairs.output.bias" in saved.parts:
        pairs = saved.parts.below("pairs.")
        networks.append(Network(PAIRS, {"states": states, **sides}, lambda graph, values: _pairs(graph, pairs, values)))
    return networks


def _states(graph: Graph, saved: SavedModel, values: Mapping[str, Value]) -> dict[str, Value]:
    tokens = Tokens(values["input_ids"], None, values["lengths"])
    return {"states": encode(graph, EncoderForm(saved.encoder), saved.parts, tokens).states}


def _emissions(graph: Graph, saved: SavedModel, values: Mapping[str, Value]) -> dict[str, Value]:
    states, lengths = values["states"], values["lengths"]
    hidden, recurrent = states, saved.parts.below("tag_lstm.")
    if "weight_ih_l0" in recurrent:
        hidden = run_recurrent(graph, recurrent, "lstm", states, lengths).states
    weight, bias = saved.parts.pair("output")
    scores, positions = graph.linear(hidden, weight, bias), graph.arange(graph.size(states, 1))
    last = graph.apply("subtract", graph.expand(lengths, 1), 1)
    is_special = graph.apply("either", graph.apply("equal", positions, 0), graph.apply("equal", positions, last))
    hidden_tags = graph.apply("both", graph.expand(is_special, 2), np.arange(len(bias)) != OUTSIDE)
    return {"emissions": graph.where(hidden_tags, NEVER, scores)}


# ---- pairs


def _pairs(graph: Graph, parts: Parts, values: Mapping[str, Value]) -> dict[str, Value]:
    """Return the logits <float32>[batch, 1 + aspects, opinions, classes]; the first aspect is the implicit one."""
    states, aspects, opinions = (values[name] for name in ("states", "aspects", "opinions"))
    of_opinion, of_aspect = parts.pair("of_opinion"), parts.pair("of_aspect")
    opinion = _represent(graph, (parts["opinion.weight"], parts["opinion.bias"]), states, opinions)
    explicit = _represent(graph, parts.pair("aspect"), states, aspects)
    aspect = graph.concat([_first_filled(graph, explicit, parts["implicit"]), explicit], 1)
    sides = graph.linear(aspect, *of_aspect), graph.linear(opinion, *of_opinion)
    distances = graph.gather(parts["distance.weight"], _distance_classes(graph, aspects, opinions))
    hidden = graph.activate("gelu", graph.add(graph.expand(sides[0], 2), graph.expand(sides[1], 1), distances))
    logits = graph.linear(hidden, *parts.pair("output"))
    return {"logits": graph.add(logits, _bilinear(graph, parts, aspect, opinion))}


def _first_filled(graph: Graph, values: Value, filling: Array | int) -> Value:
    """Return the first index of axis 1 of ``values`` with a filling of the same type in place of its content."""
    zero = 0 if isinstance(filling, int) else 0.0
    return graph.add(graph.apply("multiply", graph.cut(values, 1, 0, 1), zero), filling)


def _bilinear(graph: Graph, parts: Parts, aspect: Value, opinion: Value) -> Value:
    """Return the bilinear forms of every pair, <float32>[batch, aspects, opinions, classes]."""
    n_classes, size = len(parts["output.bias"]), parts["implicit"].shape[0]
    mapped = graph.reshape(graph.matmul(aspect, parts["bilinear.weight"]), (0, -1, size))
    forms = graph.matmul(mapped, graph.transpose(opinion, (0, 2, 1)))
    split = graph.reshape(forms, (0, -1, n_classes, graph.size(opinion, 1)))
    return graph.transpose(split, (0, 1, 3, 2))


def _represent(graph: Graph, linear: tuple[Array, Array], states: Value, spans: Value) -> Value:
    """Return the vectors <float32>[batch, spans, size] of spans <int64>[batch, spans, 2] by a linear map."""
    starts = graph.cut(spans, 2, 0, 1)
    ends = graph.apply("maximum", graph.cut(spans, 2, 1), graph.add(starts, 1))
    positions = graph.arange(graph.size(states, 1))
    after_start = graph.apply("less_equal", starts, positions)
    inside = graph.cast(graph.apply("both", after_start, graph.apply("less", positions, ends)), "float32")
    sizes = graph.cast(graph.apply("subtract", ends, starts), "float32")
    weights = [
        graph.cast(graph.apply("equal", positions, starts), "float32"),
        graph.cast(graph.apply("equal", positions, graph.apply("subtract", ends, 1)), "float32"),
        graph.apply("divide", inside, sizes),
    ]
    vectors = graph.concat([graph.matmul(weight, states) for weight in weights], 2)
    return graph.activate("gelu", graph.linear(vectors, *linear))


def _distance_classes(graph: Graph, aspects: Value, opinions: Value) -> Value:
    """Return the distance class of each pair, <int64>[batch, 1 + aspects, opinions]."""
    aspect_start, aspect_end = graph.cut(aspects, 2, 0, 1), graph.cut(aspects, 2, 1)
    opinion_start, opinion_end = (graph.transpose(graph.cut(opinions, 2, side, side + 1), (0, 2, 1)) for side in (0, 1))
    after, before = (
        graph.apply("subtract", opinion_start, aspect_end),
        graph.apply("subtract", aspect_start, opinion_end),
    )
    gap = graph.apply("maximum", after, before)
    passed = graph.apply("less_equal", np.array(DISTANCES), graph.expand(gap, 3))
    n_passed = graph.total(graph.cast(passed, "int64"), 3)
    precedes = graph.cast(graph.apply("less", after, before), "int64")
    apart = graph.add(graph.apply("multiply", n_passed, 2), precedes)
    classes = graph.where(graph.apply("less", gap, 0), OVERLAP, apart)
    return graph.concat([_first_filled(graph, classes, IMPLICIT), classes], 1)
