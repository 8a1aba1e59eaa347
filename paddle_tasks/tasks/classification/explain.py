"""Which characters speak for a label and which against it: integrated gradients over a classifier's word vectors."""

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
from paddle_tasks.models.pretrained.loading import PretrainedEncoder
from paddle_tasks.text.tokenizer import Encoded
from paddle_tasks.training.adversarial import word_vectors

Score = Callable[[Tensor], Tensor]
"""Takes word vectors <float32>[points, length, width] and gives each point's score <float32>[points]."""

N_STEPS = 32
# Median and largest relative error of completeness on reviews, by points. A smooth encoder (BERT): Gauss-Legendre
# 2e-7 and 5e-6 with 16, the midpoint rule 5e-4 and 1e-3. Encoders with kinks (a maximum, ReLU): both 4e-3 to 8e-3
# with 32, and 0.2 where the difference is small. So these get more points, but not without end.
_TOLERANCE, _MOST_STEPS = 0.01, 256
# Points go through the model together, in passes that a laptop's memory holds.
_TOKENS_PER_PASS = 8192


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
        """By how much the values' sum misses the difference, which it equals but for the integral's error."""
        return float(abs(self.values.sum() - self.difference))


def integrated_gradients(score: Score, vectors: Tensor, baseline: Tensor, n_steps: int = N_STEPS) -> Attributions:
    """Attribute a score to tokens: (x - x') times the mean gradient on the straight way from x' to x.

    The mean is taken by Gauss-Legendre quadrature, and a token's value is the sum over its vector.

    Source: Sundararajan et al., 2017, https://arxiv.org/abs/1703.01365, section 3.

    Args:
        score: what is explained.
        vectors: <float32>[length, width], x, the text's word vectors.
        baseline: <float32>[length, width], x', those of a text that says nothing.
        n_steps: points on the way.
    """
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)  # type: ignore[no-untyped-call] # on [-1, 1]
    places, weights = (nodes + 1) / 2, weights / 2
    way, mean = vectors - baseline, np.zeros(vectors.shape)
    size = max(1, _TOKENS_PER_PASS // vectors.shape[0])
    for start in range(0, n_steps, size):
        part = slice(start, start + size)
        shares = paddle.to_tensor(places[part], dtype="float32").reshape([-1, 1, 1])
        mean += np.tensordot(weights[part], _gradient(score, baseline + shares * way), axes=1)
    with paddle.no_grad():
        first, last = score(paddle.stack([baseline, vectors])).numpy()
    return Attributions((mean * way.numpy()).sum(axis=1), float(last) - float(first))


def _gradient(score: Score, points: Tensor) -> Array:
    # By backward, not `paddle.grad`, which an LSTM's gradient refuses.
    leaf = points.detach()
    leaf.stop_gradient = False
    with paddle.enable_grad():
        score(leaf).sum().backward()
    gradient: Array = leaf.grad.numpy()
    return gradient


# ---- text classifiers


def explain(task: Any, model: nn.Layer, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return predictions of a text classifier with what speaks for and against their labels.

    The score is the predicted label's log-odds, log p / (1 - p): unlike one logit it does not depend on what all
    logits have in common, and unlike the probability it does not flatten where the model is sure. The baseline is the
    text with other word vectors in the places of its tokens, [CLS] and [SEP] excepted: those of [MASK] for BERT and
    its kin, which know it as any token, and those of [PAD], which are zero, for the networks that are trained from
    scratch, which never see [MASK].

    Args:
        task: the task that has predicted, a `TextClassification`.
        model: its model; not to be used by other threads meanwhile.
        records: what ``task.predict`` returned.

    Returns:
        The records with ``attributions``, ``[start, end, value]`` for each token in the order of the text, and
        ``completeness_error``, by how much their sum misses the difference between text and baseline; values above
        zero speak for the label. Characters behind ``training.max_length`` tokens have none.

    Raises:
        CheckpointError: the model has no word vectors.
    """
    encodings = task.tokenizer.encode([record["input"] for record in records], max_length=_longest(task))
    with _gradients_to_words_alone(model):
        return [
            {**record, **_explained(task, model, encoding, record["label"])}
            for record, encoding in zip(records, encodings, strict=True)
        ]


def _longest(task: Any) -> int:
    return int(task.config.training.max_length)


def _explained(task: Any, model: nn.Layer, encoding: Encoded, label: str) -> dict[str, Any]:
    embedding = _word_embedding(model)
    # Looked up as the model does it: of a padding id the Layer gives zeros, whatever its weight holds.
    vectors = embedding(paddle.to_tensor(encoding.input_ids.astype(np.int64))).detach()
    nothing = embedding(paddle.to_tensor([_baseline_id(task, model)])).detach()
    # The first and the last token stay; a [SEP] that somebody has typed is a token like others.
    baseline = paddle.concat([vectors[:1], nothing.expand_as(vectors[1:-1]), vectors[-1:]])
    score = partial(_log_odds, model, embedding, encoding, task.labels.index(label))
    found = _complete(score, vectors, baseline)
    spans = zip(encoding.offsets[1:-1].tolist(), found.values[1:-1].tolist(), strict=True)
    return {
        "attributions": [[start, end, value] for (start, end), value in spans],
        "completeness_error": found.completeness_error,
    }


def _complete(score: Score, vectors: Tensor, baseline: Tensor) -> Attributions:
    """Double the points until the values sum to the difference within the tolerance, or there are enough."""
    n_steps = N_STEPS
    while True:
        found = integrated_gradients(score, vectors, baseline, n_steps)
        if found.completeness_error <= _TOLERANCE * abs(found.difference) or n_steps >= _MOST_STEPS:
            return found
        n_steps *= 2


def _log_odds(model: nn.Layer, embedding: nn.Layer, encoding: Encoded, label: int, vectors: Tensor) -> Tensor:
    """Return a label's log-odds <float32>[points] for word vectors <float32>[points, length, width]."""
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
    others = [place for place in range(logits.shape[1]) if place != label]
    return logits[:, label] - paddle.logsumexp(logits[:, others], axis=1)


def _word_embedding(model: nn.Layer) -> nn.Layer:
    weight = word_vectors(model)
    if weight is None:
        raise CheckpointError("the model has no word vectors, which an explanation starts from")
    layers = (layer for layer in model.sublayers(include_self=True) if isinstance(layer, nn.Embedding))
    return next(layer for layer in layers if layer.weight is weight)


def _baseline_id(task: Any, model: nn.Layer) -> int:
    return int(task.tokenizer.mask_id if isinstance(model.encoder, PretrainedEncoder) else task.tokenizer.pad_id)


@contextlib.contextmanager
def _gradients_to_words_alone(model: nn.Layer) -> Iterator[None]:
    """Have a model compute as it predicts, able to pass gradients back, and spare its parameters theirs.

    Paddle's recurrent networks (3.3.1) pass gradients back only while they train and with gradients to their own
    parameters, so they train without dropout.
    """
    networks = [layer for layer in model.sublayers(include_self=True) if isinstance(layer, RNNBase)]
    needed = {id(parameter) for network in networks for parameter in network.parameters()}
    # Copies: taking a gradient away empties the tensor that it was.
    before = [(p, p.stop_gradient, None if p.grad is None else p.grad.clone()) for p in model.parameters()]
    dropouts = [network.dropout for network in networks]
    model.eval()
    for parameter, _, _ in before:
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
