"""An output layer over a large vocabulary: all words at once, or frequent words first and rare ones by need."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import Tensor, nn

from paddle_tasks.arrays import Array
from paddle_tasks.models import cpu

_INITIAL_STD = 0.02


class TiedOutput(nn.Layer):  # type: ignore[misc]
    """Rates every word by the product of a state and the word's vector.

    With ``n_frequent`` the softmax has two levels, as in class-based models (Goodman, 2001; Grave et al., 2017,
    https://arxiv.org/abs/1609.04309, with one cluster of the full width). The first is over the frequent words, which
    have the first ids, and an entry for all rare ones; the second, over the rare words, is only computed for rare
    targets. If 4 % of the targets are among 6,500 of 8,500 words, a quarter of the products is left.

    Attributes:
        n_words: the number of words.
        width: of the states.
        n_frequent: the number of frequent ones; None for a single softmax.
    """

    def __init__(self, n_words: int, width: int, n_frequent: int | None = None) -> None:
        super().__init__()
        self.n_words, self.width = n_words, width
        self.n_frequent = n_frequent if n_frequent is not None and n_frequent < n_words else None
        self.bias = self.create_parameter([n_words], is_bias=True)
        if self.n_frequent is not None:
            initial = paddle.ParamAttr(initializer=nn.initializer.Normal(std=_INITIAL_STD))
            self.rare_vector = self.create_parameter([1, width], attr=initial)
            self.rare_bias = self.create_parameter([1], is_bias=True)

    def loss(self, states: Tensor, vectors: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        """Return the cross-entropy <float32>[] in nats, summed over the rows.

        Args:
            states: <float32>[rows, width].
            vectors: <float32>[at least n_words, width]; only the first ones are used.
            targets: <int64>[rows].
            smoothing: the share of each target that is spread evenly over the words of its level.
        """
        n = self.n_frequent
        if n is None:
            return cpu.tied_cross_entropy(states, vectors, self.bias, targets, smoothing)
        loss = cpu.tied_cross_entropy(states, *self._first_level(vectors), targets.clip(max=n), smoothing)
        rare = paddle.nonzero(targets >= n).flatten()
        if not rare.shape[0]:
            return loss
        rows, words = paddle.gather(states, rare), vectors[n : self.n_words]
        return loss + cpu.tied_cross_entropy(rows, words, self.bias[n:], paddle.gather(targets, rare) - n, smoothing)

    def score(self, states: Tensor, vectors: Tensor, targets: Tensor) -> cpu.Scores:
        """Return the cross-entropy of each target and the most probable word; the arguments are those of `loss`."""
        n = self.n_frequent
        if n is None:
            return cpu.tied_scores(states, vectors, self.bias, targets)
        scores = cpu.tied_scores(states, *self._first_level(vectors), targets.clip(max=n))
        rare = np.flatnonzero(targets.numpy() >= n)
        if len(rare):
            rows, words = _take(states, rare), vectors[n : self.n_words]
            scores.losses[rare] += cpu.tied_scores(rows, words, self.bias[n:], _take(targets, rare) - n).losses
        # A rare word may be the most probable one only where all rare words together are.
        likely = np.flatnonzero(scores.predicted == n)
        if len(likely):
            scores.predicted[likely] = self.log_probs(_take(states, likely), vectors).numpy().argmax(axis=1)
        return scores

    def log_probs(self, states: Tensor, vectors: Tensor) -> Tensor:
        """Return the log-probability of every word, <float32>[rows, n_words]."""
        n = self.n_frequent
        if n is None:
            logits = cpu.tied_output(states, vectors[: self.n_words], self.bias)
            return _log_softmax(logits)
        first = _log_softmax(cpu.tied_output(states, *self._first_level(vectors)))
        rare = cpu.tied_output(states, vectors[n : self.n_words], self.bias[n:])
        return paddle.concat([first[:, :n], first[:, n:] + _log_softmax(rare)], axis=1)

    def _first_level(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Return vectors and biases of the frequent words and of the entry for rare ones."""
        n = self.n_frequent
        return paddle.concat([vectors[:n], self.rare_vector]), paddle.concat([self.bias[:n], self.rare_bias])


def _take(tensor: Tensor, rows: Array) -> Tensor:
    return paddle.gather(tensor, paddle.to_tensor(rows))


def _log_softmax(logits: Tensor) -> Tensor:
    """Return the log-probabilities <float32>, as `paddle.nn.functional.log_softmax`.

    That takes 4.4 ms for a row of 6,490 on a CPU, 90 times as long as this (Paddle 3.3.1).
    """
    logits = logits.astype("float32")
    return logits - paddle.logsumexp(logits, axis=-1, keepdim=True)
