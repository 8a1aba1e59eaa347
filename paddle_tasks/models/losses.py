"""The loss of a classifier, with label smoothing, class weights, focal loss and R-Drop in any combination."""

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

    A row with label y and probabilities p has the loss ``w[y] * sum_c q[c] * (1 - p[c])**gamma * -log p[c]``. The
    target q is the one-hot label times ``1 - e``, plus ``e / classes`` for every class. With the default values this is
    the cross-entropy. With the probabilities t of teachers, the target is ``(1 - a) * q + a * t``.

    Attributes:
        label_smoothing: e, the share of a label that is spread evenly over all classes (Szegedy et al. 2016,
            https://arxiv.org/abs/1512.00567, section 7).
        class_weights: w, the weight of the rows of each class; None: all 1. It weighs a row, not a term of its sum:
            smoothing does not mix in the weights of other classes.
        focal_gamma: gamma, how strongly rows that are already classified well are down-weighted (Lin et al. 2017,
            https://arxiv.org/abs/1708.02002; their alpha is ``class_weights``).
        r_drop: alpha of R-Drop (Liang et al. 2021, https://arxiv.org/abs/2106.14448): the loss is the mean over two
            passes with different dropout, plus alpha times the mean of the two Kullback-Leibler divergences between
            their predictions. This follows the authors' code; their formula adds up the two losses, so its alpha is
            twice this one.
        teacher_weight: a, the weight of the teachers' probabilities (Hinton et al. 2015,
            https://arxiv.org/abs/1503.02531, with a temperature of 1); without teachers it has no effect.
    """

    label_smoothing: float = 0.0
    class_weights: Sequence[float] | None = None
    focal_gamma: float = 0.0
    r_drop: float = 0.0
    teacher_weight: float = 0.5

    def __call__(
        self,
        forward: Callable[..., Tensor],
        inputs: Sequence[Tensor],
        labels: Tensor,
        teacher_probs: Tensor | None = None,
    ) -> Tensor:
        """Return the summed loss of a model on a batch.

        The two passes of R-Drop are a single pass over the batch and its copy, which get different dropout masks.

        Args:
            forward: returns the logits <float>[batch, classes] of its inputs.
            inputs: tensors whose first axis is the batch.
            labels: <int64>[batch].
            teacher_probs: the probabilities of the teachers <float32>[batch, classes], if there are any.

        Returns:
            <float32>[].
        """
        if not self.r_drop:
            return self.sum_loss(forward(*inputs), labels, teacher_probs)
        logits = forward(*(paddle.concat([tensor, tensor]) for tensor in inputs)).astype("float32")
        first, second = paddle.chunk(logits, 2)
        doubled_probs = None if teacher_probs is None else paddle.concat([teacher_probs, teacher_probs])
        mean_loss = self.sum_loss(logits, paddle.concat([labels, labels]), doubled_probs) / 2
        return mean_loss + self.r_drop * symmetric_divergence(first, second)

    def sum_loss(self, logits: Tensor, labels: Tensor, teacher_probs: Tensor | None = None) -> Tensor:
        """Return the summed loss <float32>[] of logits <float>[batch, classes], without R-Drop."""
        logits = logits.astype("float32")
        if self._is_plain and teacher_probs is None:
            return functional.cross_entropy(logits, labels, reduction="sum")
        log_probs = functional.log_softmax(logits, axis=-1)
        targets = functional.one_hot(labels, logits.shape[-1])
        if self.label_smoothing:
            targets = functional.label_smooth(targets, epsilon=self.label_smoothing)
        if teacher_probs is not None:
            targets = (1 - self.teacher_weight) * targets + self.teacher_weight * teacher_probs
        terms = -targets * log_probs
        if self.focal_gamma:
            terms = terms * _one_minus_prob(log_probs) ** self.focal_gamma
        rows = terms.sum(axis=-1)
        return (rows if self.class_weights is None else rows * self._weights[labels]).sum()

    @property
    def _is_plain(self) -> bool:
        return not self.label_smoothing and self.class_weights is None and not self.focal_gamma

    @cached_property
    def _weights(self) -> Tensor:
        return paddle.to_tensor(list(self.class_weights or ()), dtype="float32")


def _one_minus_prob(log_probs: Tensor) -> Tensor:
    """Return 1 - p, exact near 0, and never 0: its power then has a finite gradient for every gamma."""
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
    # The two divergences add up to one sum over the classes.
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum() / 2


def balanced_weights(labels: npt.ArrayLike, n_classes: int) -> list[float]:
    """Return ``rows / (classes with rows * rows of the class)`` for each class, as scikit-learn's "balanced".

    Their mean over the rows is 1, so the loss keeps its scale. A class without rows gets 1. Labels [0, 0, 0, 1] of 3
    classes -> [0.67, 2.0, 1.0].

    Args:
        labels: <int64>[rows].
        n_classes: number of classes, including those without rows.
    """
    counts = np.bincount(np.asarray(labels, dtype=np.int64), minlength=n_classes)
    present = counts > 0
    weights = np.where(present, counts.sum() / (present.sum() * np.maximum(counts, 1)), 1.0)
    return [float(weight) for weight in weights]
