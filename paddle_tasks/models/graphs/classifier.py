"""Classifiers of texts as graphs; see `paddle_tasks.models.classifier`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from paddle_tasks.models.graphs.encoders import Encoded, EncoderForm, Tokens, encode
from paddle_tasks.models.graphs.graph import Graph, Value
from paddle_tasks.models.graphs.network import SavedModel
from paddle_tasks.models.graphs.parts import Parts

_LOWEST = float(np.finfo(np.float32).min)
_FIXED = {"textcnn": "max"}
"""The pooling that the text vector of an encoder already is."""


def classify(graph: Graph, section: Mapping[str, Any], parts: Parts, vectors: Value) -> Value:
    """Return the logits <float32>[batch, classes] of text vectors.

    Args:
        graph: the graph.
        section: the ``model`` section of the configuration.
        parts: the tensors of the model.
        vectors: <float32>[batch, width].
    """
    units = _head(graph, parts.below("head."), vectors)
    return two_classes(graph, units) if section["output"] == "sigmoid" else units


def two_classes(graph: Graph, unit: Value) -> Value:
    """Return the logits [0, z] <float32>[batch, 2] of a unit z <float32>[batch, 1]."""
    return graph.concat([graph.apply("multiply", unit, 0.0), unit], 1)


def text_logits(graph: Graph, saved: SavedModel, tokens: Tokens) -> Value:
    """Return the logits <float32>[batch, classes] of texts."""
    return classify(graph, saved.section, saved.parts, text_vectors(graph, saved, tokens))


def text_vectors(graph: Graph, saved: SavedModel, tokens: Tokens) -> Value:
    """Return the pooled vectors of texts, <float32>[batch, width]."""
    kind, encoder = saved.section["pooling"], saved.encoder
    pooling = "cls" if kind == _FIXED.get(str(encoder["model_type"])) else kind
    found = encode(graph, EncoderForm(encoder, first_only=pooling == "cls"), saved.parts, tokens)
    return pool(graph, str(pooling), saved.parts.below("pool."), found, tokens)


def pool(graph: Graph, pooling: str, parts: Parts, found: Encoded, tokens: Tokens) -> Value:
    """Return one vector per text <float32>[batch, width]; see `paddle_tasks.models.pooling`."""
    if pooling == "cls":
        return found.vectors
    is_real = graph.expand(graph.is_real(tokens.lengths, found.states), 2)
    if pooling == "max":
        return graph.highest(graph.where(is_real, found.states, _LOWEST), 1)
    states = graph.where(is_real, found.states, 0.0)
    if pooling == "mean":
        counts = graph.cast(graph.expand(tokens.lengths, 1), "float32")
        return graph.apply("divide", graph.total(states, 1), counts)
    scores = graph.apply("tanh", graph.linear(states, *parts.pair("projection")))
    scores = graph.matmul(scores, parts["context.weight"])
    weights = graph.softmax(graph.transpose(graph.where(is_real, scores, -1e9), (0, 2, 1)))
    return graph.squeeze(graph.matmul(weights, states), 1)


def _head(graph: Graph, parts: Parts, vectors: Value) -> Value:
    """Return the units of a head; which one it is, its tensors tell."""
    if "pooler.weight" in parts:
        vectors = graph.apply("tanh", graph.linear(vectors, *parts.pair("pooler")))
    if "hidden.weight" in parts:
        vectors = graph.apply("relu", graph.linear(vectors, *parts.pair("hidden")))
    return graph.linear(vectors, *parts.pair("output"))
