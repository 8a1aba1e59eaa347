"""Classifiers of pairs of texts as graphs; see `paddle_tasks.models.similarity`."""

from __future__ import annotations

from paddle_tasks.models.graphs.classifier import classify, pool, text_vectors, two_classes
from paddle_tasks.models.graphs.encoders import EncoderForm, Tokens, encode
from paddle_tasks.models.graphs.graph import Graph, Value
from paddle_tasks.models.graphs.network import SavedModel
from paddle_tasks.models.graphs.parts import NO_ATTENTION, Parts
from paddle_tasks.models.pair_hashing import HASH_BASE, HASH_PRIME, KIND_STEP, N_BUCKETS

_TINY = 1e-16


def pair_logits(graph: Graph, saved: SavedModel, tokens: Tokens) -> Value:
    """Return the logits <float32>[batch, 2] of pairs of texts."""
    if saved.section["kind"] == "bi":
        logits = two_classes(graph, _cosine_unit(graph, saved, tokens))
    else:
        logits = classify(graph, saved.section, saved.parts, _pair_vectors(graph, saved, tokens))
    if not saved.section["ngrams"]:
        return logits
    evidence = two_classes(graph, _ngram_unit(graph, saved.parts.below("ngrams."), tokens))
    return graph.apply("multiply", graph.add(logits, evidence), 0.5)


def _pair_vectors(graph: Graph, saved: SavedModel, tokens: Tokens) -> Value:
    """Return the vectors <float32>[batch, width] of pairs that are read as one input."""
    if saved.section["kind"] == "cross":
        return text_vectors(graph, saved, tokens)
    found = encode(graph, EncoderForm(saved.encoder), saved.parts, tokens)
    aligned = _align(graph, saved.parts.below("align."), found.states, tokens)
    return pool(
        graph, str(saved.section["pooling"]), saved.parts.below("pool."), found._replace(states=aligned), tokens
    )


def _align(graph: Graph, parts: Parts, states: Value, tokens: Tokens) -> Value:
    """Return the comparison <float32>[batch, length, width] of each token with those of the other text."""
    real = graph.is_real(tokens.lengths, states)
    h = graph.where(graph.expand(real, 2), states, 0.0)
    size = graph.apply("sqrt", graph.cast(graph.size(states, 2), "float32"))
    scores = graph.apply("divide", graph.matmul(h, graph.transpose(h, (0, 2, 1))), size)
    same = _compare(graph, "equal", tokens.token_type_ids)
    other = graph.apply("both", graph.expand(real, 1), graph.apply("invert", same))
    m = graph.matmul(graph.softmax(graph.where(other, scores, NO_ATTENTION)), h)
    difference = graph.apply("absolute", graph.apply("subtract", h, m))
    compared = graph.concat([h, m, difference, graph.apply("multiply", h, m)], 2)
    return graph.apply("relu", graph.linear(compared, *parts.pair("compare")))


def _compare(graph: Graph, name: str, rows: Value) -> Value:
    """Return an operation on each two elements of a row <...>[batch, n], <...>[batch, n, n]; it is symmetric."""
    return graph.apply(name, graph.expand(rows, 1), graph.expand(rows, 2))


# ---- texts that are read alone


def _cosine_unit(graph: Graph, saved: SavedModel, tokens: Tokens) -> Value:
    """Return the unit <float32>[batch, 1] of two texts that are read alone; see `CosineHead`."""
    vectors = text_vectors(graph, saved, _split(graph, tokens))
    halves = graph.reshape(vectors, (2, -1, EncoderForm(saved.encoder).width))
    first, second = (graph.squeeze(graph.cut(halves, 0, number, number + 1), 0) for number in (0, 1))
    squares = graph.apply("multiply", _dot(graph, first, first), _dot(graph, second, second))
    norm = graph.apply("sqrt", graph.apply("maximum", squares, _TINY))
    cosine = graph.apply("divide", _dot(graph, first, second), norm)
    head = saved.parts.below("head.")
    return graph.apply("multiply", graph.apply("subtract", cosine, head["middle"]), head["scale"])


def _dot(graph: Graph, first: Value, second: Value) -> Value:
    return graph.total(graph.apply("multiply", first, second), 1, keep=True)


def _split(graph: Graph, tokens: Tokens) -> Tokens:
    """Return the first texts followed by the second ones; see `paddle_tasks.models.similarity.split_pairs`."""
    length = graph.size(tokens.input_ids, 1)
    is_second = graph.apply(
        "both", graph.apply("equal", tokens.token_type_ids, 1), graph.is_real(tokens.lengths, tokens.input_ids)
    )
    second = graph.total(graph.cast(is_second, "int64"), 1)
    first = graph.apply("subtract", tokens.lengths, second)
    shifted = graph.add(graph.expand(first, 1), graph.arange(length))
    positions = graph.apply("minimum", shifted, graph.apply("subtract", length, 1))
    ids = graph.concat([tokens.input_ids, graph.take_along(tokens.input_ids, positions)], 0)
    return Tokens(ids, None, graph.concat([first, second], 0))


# ---- n-grams; see `paddle_tasks.models.pair_ngrams`


def _ngram_unit(graph: Graph, parts: Parts, tokens: Tokens) -> Value:
    """Return the logit <float32>[batch, 1] of the n-grams."""
    ids, types = tokens.input_ids, tokens.token_type_ids
    real = graph.is_real(tokens.lengths, ids)
    before, after = graph.cut(ids, 1, 0, -1), graph.cut(ids, 1, 1)
    bigrams = graph.add(graph.apply("multiply", before, HASH_BASE), after)
    later = graph.cut(types, 1, 1)
    in_one = graph.apply("both", graph.cut(real, 1, 1), graph.apply("equal", graph.cut(types, 1, 0, -1), later))
    features = [*_features(graph, 0, ids, types, real), *_features(graph, 2, bigrams, later, in_one)]
    buckets, values = (graph.concat([feature[side] for feature in features], 1) for side in (0, 1))
    norm = graph.apply("maximum", graph.apply("sqrt", graph.total(values, 1, keep=True)), 1.0)
    weights = graph.gather(parts["weight"][:, 0], buckets)
    summed = graph.total(graph.apply("multiply", weights, graph.apply("divide", values, norm)), 1, keep=True)
    return graph.add(summed, parts["bias"])


def _features(graph: Graph, kind: int, grams: Value, types: Value, real: Value) -> list[tuple[Value, Value]]:
    """Return the buckets and values of n-grams <int64>[batch, n], and those of their substitutions."""
    other = graph.apply("invert", _compare(graph, "equal", types))
    matches = graph.apply(
        "both", _compare(graph, "equal", grams), graph.apply("both", other, _compare(graph, "both", real))
    )
    shared = graph.apply("less", 0, graph.total(graph.cast(matches, "int64"), 2))
    keys = graph.add(graph.apply("multiply", grams, 2), graph.cast(shared, "int64"))
    lone = graph.apply("both", real, graph.apply("invert", shared))
    sides = [graph.apply("both", lone, graph.apply("equal", types, number)) for number in (0, 1)]
    replaced = graph.apply("both", graph.expand(sides[0], 2), graph.expand(sides[1], 1))
    low, high = (_compare(graph, name, grams) for name in ("minimum", "maximum"))
    pairs = graph.add(graph.apply("multiply", graph.apply("modulo", low, HASH_PRIME), HASH_BASE), high)
    return [
        (_bucket(graph, keys, kind), graph.cast(real, "float32")),
        tuple(
            graph.reshape(value, (0, -1))
            for value in (_bucket(graph, pairs, kind + 1), graph.cast(replaced, "float32"))
        ),
    ]


def _bucket(graph: Graph, keys: Value, kind: int) -> Value:
    mixed = graph.add(graph.apply("multiply", graph.apply("modulo", keys, HASH_PRIME), HASH_BASE), kind * KIND_STEP)
    return graph.apply("modulo", graph.apply("modulo", mixed, HASH_PRIME), N_BUCKETS)
