"""Losses of a classifier: smoothed labels, weighted classes, focal loss and R-Drop, which all combine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import paddle
from paddle import Tensor
from paddle.nn import functional

_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class ClassificationLoss:
    """The loss of a batch, summed over its rows.

    With y a row's label and p its probabilities, its loss is ``w[y] * sum_c q[c] * (1 - p[c])**gamma * -log p[c]``,
    where q holds ``1 - e`` for y and ``e / classes`` for each class on top. As it comes that is the cross-entropy. With
    the answer t of teachers, q is ``(1 - a) * q + a * t``.

    Attributes:
        label_smoothing: e, the share of a label that goes to all classes alike (Szegedy et al. 2016,
            https://arxiv.org/abs/1512.00567, section 7).
        class_weights: w, what the rows of each class count; None: all 1. A row's weight, not a term's: smoothing
            does not mix the weights of other classes into it.
        focal_gamma: gamma, how much less a row counts that is known already (Lin et al. 2017,
            https://arxiv.org/abs/1708.02002; their alpha is ``class_weights``).
        r_drop: alpha of R-Drop (Liang et al. 2021, https://arxiv.org/abs/2106.14448): two passes with different
            dropout, the mean of their losses, and alpha times the mean of the two Kullback-Leibler divergences
            between their answers. That is the authors' code; their formula adds the two losses up, so its alpha is
            twice this one.
        teacher_weight: a, what teachers' answers count (Hinton et al. 2015, https://arxiv.org/abs/1503.02531, with a
            temperature of 1); without answers it changes nothing.
    """

    label_smoothing: float = 0.0
    class_weights: Sequence[float] | None = None
    focal_gamma: float = 0.0
    r_drop: float = 0.0
    teacher_weight: float = 0.5

    def __call__(
        self, forward: Callable[..., Tensor], inputs: Sequence[Tensor], labels: Tensor, answers: Tensor | None = None
    ) -> Tensor:
        """Return the summed loss of a model on a batch.

        R-Drop's two passes are one over the batch twice, whose two halves get dropout masks of their own.

        Args:
            forward: gives the logits <float>[batch, classes] of its inputs.
            inputs: tensors whose first axis is the batch.
            labels: <int64>[batch].
            answers: the teachers' probabilities <float32>[batch, classes], if there are teachers.

        Returns:
            <float32>[].
        """
        if not self.r_drop:
            return self.of_logits(forward(*inputs), labels, answers)
        logits = forward(*(paddle.concat([tensor, tensor]) for tensor in inputs)).astype("float32")
        first, second = paddle.chunk(logits, 2)
        twice = None if answers is None else paddle.concat([answers, answers])
        both = self.of_logits(logits, paddle.concat([labels, labels]), twice) / 2
        return both + self.r_drop * symmetric_divergence(first, second)

    def of_logits(self, logits: Tensor, labels: Tensor, answers: Tensor | None = None) -> Tensor:
        """Return the summed loss <float32>[] of logits <float>[batch, classes]; the rest is as in a call."""
        logits = logits.astype("float32")
        if self._is_plain and answers is None:
            return functional.cross_entropy(logits, labels, reduction="sum")
        log_probs = functional.log_softmax(logits, axis=-1)
        targets = functional.one_hot(labels, logits.shape[-1])
        if self.label_smoothing:
            targets = functional.label_smooth(targets, epsilon=self.label_smoothing)
        if answers is not None:
            targets = (1 - self.teacher_weight) * targets + self.teacher_weight * answers
        terms = -targets * log_probs
        if self.focal_gamma:
            terms = terms * _unknown(log_probs) ** self.focal_gamma
        rows = terms.sum(axis=-1)
        return (rows if self.class_weights is None else rows * self._weights[labels]).sum()

    @property
    def _is_plain(self) -> bool:
        return not self.label_smoothing and self.class_weights is None and not self.focal_gamma

    @cached_property
    def _weights(self) -> Tensor:
        return paddle.to_tensor(list(self.class_weights or ()), dtype="float32")


def _unknown(log_probs: Tensor) -> Tensor:
    """Return 1 - p, exact near 0; its power has a finite gradient where p is 1 to the last bit, whatever gamma is."""
    return (-paddle.expm1(log_probs)).clip(min=_TINY)


def symmetric_divergence(first: Tensor, second: Tensor) -> Tensor:
    """Return ``(KL(p || q) + KL(q || p)) / 2`` in nats, summed over the rows.

    Args:
        first: the logits of p, <float32>[batch, classes].
        second: the logits of q, <float32>[batch, classes].

    Returns:
        <float32>[].
    """
    log_p, log_q = functional.log_softmax(first, axis=-1), functional.log_softmax(second, axis=-1)
    # Added up, the two divergences are one sum over the classes.
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum() / 2


def balanced_weights(labels: npt.ArrayLike, n_classes: int) -> list[float]:
    """Return ``rows / (classes that are there * rows of the class)`` for each class, as scikit-learn's "balanced".

    Their mean over the rows is 1, so the loss keeps its size. A class without rows has no use for a weight: 1.

    Args:
        labels: <int64>[rows].
        n_classes: how many classes there are, with or without rows.
    """
    counts = np.bincount(np.asarray(labels, dtype=np.int64), minlength=n_classes)
    present = counts > 0
    weights = np.where(present, counts.sum() / (present.sum() * np.maximum(counts, 1)), 1.0)
    return [float(weight) for weight in weights]
