"""Attributions: how much each token of a text supports the predicted label, by integrated gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn.layer.rnn import RNNBase

from paddle_tasks.arrays import Array
from paddle_tasks.errors import CheckpointError
from paddle_tasks.language import _
from paddle_tasks.models.pretrained.loading import PretrainedEncoder
from paddle_tasks.onednn.precision import products_in
from paddle_tasks.tasks.classification.ngrams import TokenNgrams, token_ngrams
from paddle_tasks.tasks.classification.protocol import Classifier
from paddle_tasks.text.tokenizer import Encoded
from paddle_tasks.training.adversarial import word_vectors

Score = Callable[[Tensor], Tensor]
"""Maps word vectors <float32>[points, length, width] to the score of each point <float32>[points]."""
NetworkScore = Callable[..., Tensor]
"""A `Score` that may also take the logits of n-grams <float32>[points, labels]."""

N_STEPS = 32
"""The number of points on the line to begin with."""
# Median and largest relative completeness error on reviews. A smooth encoder (BERT) with 16 points: Gauss-Legendre
# 2e-7 and 5e-6, the midpoint rule 5e-4 and 1e-3. Encoders with kinks (a maximum, ReLU) with 32 points: both rules 4e-3
# to 8e-3, and 0.2 where the difference is small. Those get more points, up to a limit.
_TOLERANCE = 0.01
MAX_STEPS = 256
"""The maximum number of points on the line."""
TOKENS_PER_PASS = 8192
"""Many points go through the model together; a laptop's memory limits how many."""


@dataclass(frozen=True, eq=False)
class Attributions:
    """How much each token moves a score from that of the baseline to that of the text.

    Attributes:
        values: <float64>[length], in the unit of the score.
        difference: the score of the text less that of the baseline.
    """

    values: Array
    difference: float

    @property
    def completeness_error(self) -> float:
        """The distance between the sum of the values and the difference; it is the error of the numerical integral."""
        return float(abs(self.values.sum() - self.difference))


def integrated_gradients(score: Score, vectors: Tensor, baseline: Tensor, n_steps: int = N_STEPS) -> Attributions:
    """Attribute a score to tokens: (x - x') times the mean gradient on the straight line from x' to x.

    The mean is computed by Gauss-Legendre quadrature; the value of a token is the sum over its vector.

    Source: Sundararajan et al., 2017, https://arxiv.org/abs/1703.01365, section 3.

    Args:
        score: the score that is attributed.
        vectors: x, the word vectors of the text <float32>[length, width].
        baseline: x', the word vectors of a text without information <float32>[length, width].
        n_steps: the number of points on the line.
    """
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)  # type: ignore[no-untyped-call] # on [-1, 1]
    places, weights = (nodes + 1) / 2, weights / 2
    direction, mean = vectors - baseline, np.zeros(vectors.shape)
    size = max(1, TOKENS_PER_PASS // vectors.shape[0])
    for start in range(0, n_steps, size):
        part = slice(start, start + size)
        shares = paddle.to_tensor(places[part], dtype="float32").reshape([-1, 1, 1])
        mean += np.tensordot(weights[part], _gradient(score, baseline + shares * direction), axes=1)
    with paddle.no_grad():
        first, last = score(paddle.stack([baseline, vectors])).numpy()
    return Attributions((mean * direction.numpy()).sum(axis=1), float(last) - float(first))


def _gradient(score: Score, points: Tensor) -> Array:
    # `paddle.grad` fails for an LSTM; `backward` does not.
    leaf = points.detach()
    leaf.stop_gradient = False
    with paddle.enable_grad():
        score(leaf).sum().backward()
    gradient: Array = leaf.grad.numpy()
    return gradient


# ---- text classifiers


def explain(task: Classifier, model: nn.Layer, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return predictions with the attributions of their labels.

    The score is the log-odds of the predicted label, log p / (1 - p). Unlike one logit it does not depend on what all
    logits have in common; unlike the probability it does not saturate where the model is certain. The baseline is the
    text with other word vectors for all tokens but [CLS] and [SEP]: that of [MASK] for BERT and similar models, for
    which it may be any token, and that of [PAD], which is zero, for networks that are trained from scratch and never
    see [MASK]. The baseline of n-grams is a text without any.

    Args:
        task: the task that predicted the records.
        model: its model; no other thread may use it meanwhile, which a `Predictor` ensures.
        records: what ``task.predict`` returned.

    Returns:
        The records with ``attributions``, ``[start, end, value]`` for each token in the order of the text, and
        ``completeness_error``, the distance between their sum and the difference between text and baseline. Positive
        values support the label. Characters after the first ``training.max_length`` tokens have none; but if the model
        has n-grams, which read whole texts, they have one together.

    Raises:
        CheckpointError: the model has no word vectors.
    """
    max_length = task.config.training.max_length
    encodings = task.tokenizer.encode([record["input"] for record in records], max_length=max_length)
    # Sums over many gradients need float32, in whatever precision the labels were predicted.
    with products_in("float32"), _word_gradients_only(model):
        return [
            {**record, **_explanation(task, model, encoding, record)}
            for record, encoding in zip(records, encodings, strict=True)
        ]


def _explanation(task: Classifier, model: nn.Layer, encoding: Encoded, record: Mapping[str, Any]) -> dict[str, Any]:
    embedding = _word_embedding(model)
    # The Layer looks them up, since it returns zeros for the padding id, whatever its weight holds.
    vectors = embedding(paddle.to_tensor(encoding.input_ids.astype(np.int64))).detach()
    neutral = embedding(paddle.to_tensor([_baseline_id(task, model)])).detach()
    # [CLS] and the last [SEP] stay; a [SEP] in the text is a token like any other.
    baseline = paddle.concat([vectors[:1], neutral.expand_as(vectors[1:-1]), vectors[-1:]])
    network = partial(_log_odds, model, embedding, encoding, task.labels.index(record["label"]))
    grams = token_ngrams(task.ngrams, record["input"], encoding.offsets[1:-1])
    parts = (network, vectors, baseline) if grams is None else _with_ngrams(grams, network, vectors, baseline)
    attributions = integrate_until_complete(*parts)
    values = attributions.values.tolist()
    spans = [*encoding.offsets[1:-1].tolist(), *([grams.rest] if grams and grams.rest else [])]
    return {
        "attributions": [[start, end, value] for (start, end), value in zip(spans, values[1:], strict=False)],
        "completeness_error": attributions.completeness_error,
    }


def _with_ngrams(
    grams: TokenNgrams, score: NetworkScore, vectors: Tensor, baseline: Tensor
) -> tuple[Score, Tensor, Tensor]:
    """Return score, vectors and baseline of network and n-grams together.

    What the n-grams of a token add to the logits of the labels are further elements of its vector; they are 0 in the
    baseline.
    """
    width, added = vectors.shape[1], paddle.to_tensor(grams.added.astype(np.float32))
    bias = paddle.to_tensor(grams.intercepts.astype(np.float32))

    def both(points: Tensor) -> Tensor:
        return score(points[..., :width], points[..., width:].sum(axis=1) + bias)

    wide = [paddle.concat(pair, axis=1) for pair in ((vectors, added), (baseline, paddle.zeros_like(added)))]
    return both, wide[0], wide[1]


def integrate_until_complete(score: Score, vectors: Tensor, baseline: Tensor) -> Attributions:
    """Attribute a score by `integrated_gradients` with as many points as it needs.

    Their number doubles from `N_STEPS` on, until the completeness error is at most 1 % of the difference or there are
    `MAX_STEPS` points.
    """
    n_steps = N_STEPS
    while True:
        result = integrated_gradients(score, vectors, baseline, n_steps)
        if result.completeness_error <= _TOLERANCE * abs(result.difference) or n_steps >= MAX_STEPS:
            return result
        n_steps *= 2


def _log_odds(
    model: nn.Layer, embedding: nn.Layer, encoding: Encoded, label: int, vectors: Tensor, added: Tensor | None = None
) -> Tensor:
    """Return a label's log-odds <float32>[points] for word vectors <float32>[points, length, width].

    With ``added``, the logits <float32>[points, labels] of n-grams are added to those of the network.
    """
    n_points, length = vectors.shape[:2]
    ids, types = (
        paddle.to_tensor(row.astype(np.int64)).expand([n_points, length])
        for row in (encoding.input_ids, encoding.token_type_ids)
    )
    hook = embedding.register_forward_post_hook(lambda *_: vectors)
    try:
        logits = model(ids, types, paddle.full([n_points], length, dtype="int64")).astype("float32")
    finally:
        hook.remove()
    logits = logits if added is None else logits + added
    others = [index for index in range(logits.shape[1]) if index != label]
    return logits[:, label] - paddle.logsumexp(logits[:, others], axis=1)


def _word_embedding(model: nn.Layer) -> nn.Layer:
    weight = word_vectors(model)
    if weight is None:
        raise CheckpointError(_("the model has no word vectors; explanations attribute a prediction to word vectors"))
    layers = (layer for layer in model.sublayers(include_self=True) if isinstance(layer, nn.Embedding))
    return next(layer for layer in layers if layer.weight is weight)


def _baseline_id(task: Classifier, model: nn.Layer) -> int:
    return int(task.tokenizer.mask_id if isinstance(model.encoder, PretrainedEncoder) else task.tokenizer.pad_id)


@contextlib.contextmanager
def _word_gradients_only(model: nn.Layer) -> Iterator[None]:
    """Let a model predict with gradients to its word vectors, but not to its parameters.

    Paddle's recurrent networks (3.3.1) pass gradients back only in training mode and with gradients to their own
    parameters; they are in training mode without dropout.
    """
    networks = [layer for layer in model.sublayers(include_self=True) if isinstance(layer, RNNBase)]
    needed = {id(parameter) for network in networks for parameter in network.parameters()}
    # Copies, since removing a gradient empties its tensor.
    before = [(p, p.stop_gradient, None if p.grad is None else p.grad.clone()) for p in model.parameters()]
    dropouts = [network.dropout for network in networks]
    model.eval()
    for parameter, _stopped, _gradient in before:
        parameter.stop_gradient, parameter.grad = id(parameter) not in needed, None
    for network in networks:
        network.train()
        network.dropout = 0.0
    try:
        yield
    finally:
        for parameter, stopped, gradient in before:
            parameter.stop_gradient, parameter.grad = stopped, gradient
        for network, dropout in zip(networks, dropouts, strict=True):
            network.dropout = dropout
        model.eval()
