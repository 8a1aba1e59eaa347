"""Classifiers of texts that are read in windows, as graphs; see `paddle_tasks.models.long_text`."""

from __future__ import annotations

from paddle_tasks.models.graphs.classifier import classify, pool, text_vectors
from paddle_tasks.models.graphs.encoders import Encoded, EncoderForm, Tokens
from paddle_tasks.models.graphs.graph import Graph, Value
from paddle_tasks.models.graphs.network import SavedModel


def window_logits(graph: Graph, saved: SavedModel, tokens: Tokens) -> Value:
    """Return the logits <float32>[batch, classes] of texts of any number of windows."""
    config = saved.settings["config"]
    if config["data"]["truncation"] == "windows":
        vectors = _pooled_windows(graph, saved, tokens, int(config["training"]["max_length"]))
    else:
        vectors = text_vectors(graph, saved, tokens)
    return classify(graph, saved.section, saved.parts, vectors)


def _pooled_windows(graph: Graph, saved: SavedModel, tokens: Tokens, size: int) -> Value:
    """Return the vectors <float32>[batch, width] of texts, pooled over their windows of ``size`` tokens."""
    length = graph.size(tokens.input_ids, 1)
    width = graph.apply("minimum", length, size)
    rounded = graph.add(length, graph.apply("subtract", width, 1))
    starts = graph.apply("multiply", graph.arange(graph.apply("divide", rounded, width)), width)
    real = _real_tokens(graph, tokens.lengths, starts, width)
    windows = Tokens(_fold(graph, tokens.input_ids, starts, width), None, graph.reshape(real, (-1,)))
    # An empty window is read as one token of padding, and left out below.
    read = windows._replace(lengths=graph.apply("maximum", windows.lengths, 1))
    vectors = text_vectors(graph, saved, read)
    n_windows, n_units = graph.size(starts, 0), EncoderForm(saved.encoder).width
    states = graph.reshape(vectors, (-1, n_windows, n_units))
    counts = graph.total(graph.cast(graph.apply("less", 0, real), "int64"), 1)
    pooling = str(saved.section["window_pooling"])
    return pool(graph, pooling, saved.parts, Encoded(states, states), Tokens(None, None, counts))


def _real_tokens(graph: Graph, lengths: Value, starts: Value, width: Value) -> Value:
    """Return the number of real tokens in each window, <int64>[batch, windows]."""
    left = graph.apply("subtract", graph.expand(lengths, 1), starts)
    return graph.apply("minimum", graph.apply("maximum", left, 0), width)


def _fold(graph: Graph, rows: Value, starts: Value, width: Value) -> Value:
    """Return rows <int64>[batch, length] as windows <int64>[batch * windows, width]."""
    last = graph.apply("subtract", graph.size(rows, 1), 1)
    places = graph.apply("minimum", graph.add(graph.expand(starts, 1), graph.arange(width)), last)
    folded = graph.gather(graph.transpose(rows, (1, 0)), places)  # [windows, width, batch]
    return graph.reshape(graph.transpose(folded, (2, 0, 1)), (-1, width))
