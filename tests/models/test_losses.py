"""Losses of a classifier, against numpy and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paddle import nn
from sklearn.metrics import log_loss
from sklearn.utils.class_weight import compute_class_weight

from paddle_tasks.models.heads import two_class_logits
from paddle_tasks.models.losses import ClassificationLoss, balanced_weights, symmetric_divergence

LOGITS = np.array([[2.0, -1.0, 0.5], [0.1, 0.2, 0.3], [-3.0, 4.0, 0.0], [1.0, 1.0, -2.0]], dtype=np.float32)
LABELS = np.array([0, 2, 0, 1])
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "smoothing": {"label_smoothing": 0.1},
    "weights": {"class_weights": [0.5, 2.0, 3.0]},
    "focal": {"focal_gamma": 2.0},
    "flat focal": {"focal_gamma": 0.3},
    "all": {"label_smoothing": 0.2, "class_weights": [0.5, 2.0, 3.0], "focal_gamma": 1.5},
}
each_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def expected_rows(logits, labels, label_smoothing=0.0, class_weights=None, focal_gamma=0.0) -> np.ndarray:
    """Return each row's loss by the definition, one class after another."""
    probs, n_classes = softmax(logits), logits.shape[1]
    rows = []
    for p, y in zip(probs, labels, strict=True):
        q = [(1 - label_smoothing) * (c == y) + label_smoothing / n_classes for c in range(n_classes)]
        terms = [q[c] * (1 - p[c]) ** focal_gamma * -np.log(p[c]) for c in range(n_classes)]
        rows.append(sum(terms) * (1.0 if class_weights is None else class_weights[y]))
    return np.array(rows)


def summed(options: dict[str, Any], logits=LOGITS, labels=LABELS) -> float:
    return float(ClassificationLoss(**options).sum_loss(paddle.to_tensor(logits), paddle.to_tensor(labels)))


@each_option
def test_it_is_the_sum_of_its_definition(options):
    assert summed(options) == pytest.approx(expected_rows(LOGITS, LABELS, **options).sum(), rel=1e-5)


@each_option
def test_answers_of_teachers_are_mixed_into_the_labels(options):
    """With certain teachers, the loss is a weighted mean of the losses of both labels."""
    teacher_labels = np.array([2, 0, 1, 1])
    answers = paddle.to_tensor(np.eye(3, dtype=np.float32)[teacher_labels])
    inputs = paddle.to_tensor(LOGITS), paddle.to_tensor(LABELS), answers
    found = float(ClassificationLoss(**options, teacher_weight=0.3).sum_loss(*inputs))
    plain, weights = {**options, "class_weights": None}, np.array(options.get("class_weights") or [1.0] * 3)[LABELS]
    by_label = expected_rows(LOGITS, LABELS, **plain)
    by_teacher = expected_rows(LOGITS, teacher_labels, **{**plain, "label_smoothing": 0.0})
    assert found == pytest.approx((weights * (0.7 * by_label + 0.3 * by_teacher)).sum(), rel=1e-5)


def test_r_drop_uses_the_teachers_too():
    answers = paddle.to_tensor(softmax(LOGITS[::-1]).astype(np.float32))
    inputs, labels = (paddle.to_tensor(LOGITS),), paddle.to_tensor(LABELS)
    without_noise = ClassificationLoss(r_drop=1.0)(lambda logits: logits, inputs, labels, answers)
    assert float(without_noise) == pytest.approx(
        float(ClassificationLoss().sum_loss(*inputs, labels, answers)), rel=1e-5
    )


def test_every_option_does_something():
    values = [summed(options) for options in OPTIONS.values()]
    assert min(abs(a - b) for i, a in enumerate(values) for b in values[:i]) > 0.05


def test_the_default_is_the_cross_entropy_and_weights_are_per_row():
    probs = softmax(LOGITS)
    assert summed({}) == pytest.approx(log_loss(LABELS, probs, labels=[0, 1, 2], normalize=False), rel=1e-5)
    weights = np.array([0.5, 2.0, 3.0])
    oracle = log_loss(LABELS, probs, labels=[0, 1, 2], normalize=False, sample_weight=weights[LABELS])
    assert summed({"class_weights": list(weights)}) == pytest.approx(oracle, rel=1e-5)


def test_smoothing_matches_paddles():
    smooth = nn.functional.cross_entropy(
        paddle.to_tensor(LOGITS), paddle.to_tensor(LABELS), reduction="sum", label_smoothing=0.1
    )
    assert summed({"label_smoothing": 0.1}) == pytest.approx(float(smooth), rel=1e-5)


@each_option
def test_a_batch_is_the_sum_of_its_rows(options):
    alone = sum(summed(options, LOGITS[row : row + 1], LABELS[row : row + 1]) for row in range(len(LABELS)))
    assert summed(options) == pytest.approx(alone, rel=1e-5)


@each_option
@pytest.mark.parametrize("scale", [1.0, 100.0, 3e4])
def test_gradients_are_finite_however_sure_the_model_is(options, scale):
    logits = paddle.to_tensor(LOGITS * np.float32(scale), stop_gradient=False)
    loss = ClassificationLoss(**options).sum_loss(logits, paddle.to_tensor(LABELS))
    loss.backward()
    assert np.isfinite(float(loss))
    assert np.isfinite(logits.grad.numpy()).all()


@each_option
def test_gradients_match_finite_differences(options):
    logits = paddle.to_tensor(LOGITS, stop_gradient=False)
    ClassificationLoss(**options).sum_loss(logits, paddle.to_tensor(LABELS)).backward()
    step = 1e-5
    for row, column in np.ndindex(*LOGITS.shape):
        moved = [LOGITS.astype(np.float64) for _ in range(2)]
        moved[0][row, column] -= step
        moved[1][row, column] += step
        low, high = (expected_rows(at, LABELS, **options).sum() for at in moved)
        assert float(logits.grad[row, column]) == pytest.approx((high - low) / (2 * step), abs=2e-4)


@each_option
def test_a_sigmoid_output_has_the_losses_of_its_two_classes(options):
    options = {**options, **({"class_weights": [0.5, 2.0]} if "class_weights" in options else {})}
    unit, labels = np.array([[-2.0], [0.3], [4.0]], dtype=np.float32), np.array([1, 0, 1])
    two = two_class_logits(paddle.to_tensor(unit))
    found = float(ClassificationLoss(**options).sum_loss(two, paddle.to_tensor(labels)))
    assert found == pytest.approx(expected_rows(two.numpy(), labels, **options).sum(), rel=1e-5)


def test_half_precision_is_computed_in_single():
    logits = paddle.to_tensor(LOGITS).astype("bfloat16")
    loss = ClassificationLoss(focal_gamma=2.0).sum_loss(logits, paddle.to_tensor(LABELS))
    assert loss.dtype == paddle.float32
    rounded = logits.astype("float32").numpy()
    assert float(loss) == pytest.approx(expected_rows(rounded, LABELS, focal_gamma=2.0).sum(), rel=1e-5)


# ---- R-Drop


class Dropped(nn.Layer):
    """Dropout and a linear map; keeps its inputs and logits."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        paddle.seed(5)
        self.dropout, self.linear = nn.Dropout(dropout), nn.Linear(4, 3)

    def forward(self, inputs, lengths):
        self.given = inputs.numpy(), lengths.numpy()
        self.logits = self.linear(self.dropout(inputs)) * lengths.unsqueeze(1).astype("float32")
        return self.logits


def inputs() -> list[paddle.Tensor]:
    numbers = np.random.default_rng(3).normal(size=(4, 4)).astype(np.float32)
    return [paddle.to_tensor(numbers), paddle.to_tensor(np.array([1, 2, 3, 4]))]


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    return float((p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()) / 2


@each_option
@pytest.mark.parametrize("alpha", [0.5, 4.0])
def test_r_drop_is_the_mean_loss_of_two_passes_and_their_divergence(options, alpha):
    model = Dropped(0.5)
    found = ClassificationLoss(**options, r_drop=alpha)(model, inputs(), paddle.to_tensor(LABELS))
    first, second = np.split(model.logits.numpy(), 2)
    assert abs(first - second).max() > 0.1
    losses = [expected_rows(half, LABELS, **options).sum() for half in (first, second)]
    apart = divergence(softmax(first), softmax(second))
    assert apart > 0.1
    assert float(found) == pytest.approx(sum(losses) / 2 + alpha * apart, rel=1e-4)
    for doubled, once in zip(model.given, inputs(), strict=True):
        np.testing.assert_array_equal(doubled, np.concatenate([once.numpy()] * 2))


@each_option
def test_without_dropout_r_drop_is_the_loss_itself(options):
    once = ClassificationLoss(**options)(Dropped(0.0), inputs(), paddle.to_tensor(LABELS))
    twice = ClassificationLoss(**options, r_drop=3.0)(Dropped(0.0), inputs(), paddle.to_tensor(LABELS))
    assert float(twice) == pytest.approx(float(once), rel=1e-5)


def test_without_r_drop_a_batch_is_computed_once():
    model = Dropped(0.5)
    ClassificationLoss()(model, inputs(), paddle.to_tensor(LABELS))
    assert len(model.logits) == len(LABELS)


@settings(max_examples=30)
@given(st.lists(st.lists(st.floats(-20, 20, width=32), min_size=6, max_size=6), min_size=1, max_size=4))
def test_the_divergence_is_symmetric_and_never_negative(rows):
    both = paddle.to_tensor(np.array(rows, dtype=np.float32))
    first, second = both[:, :3], both[:, 3:]
    found = float(symmetric_divergence(first, second))
    assert found == pytest.approx(float(symmetric_divergence(second, first)), rel=1e-5, abs=1e-6)
    assert found >= -1e-5
    assert float(symmetric_divergence(first, first)) == 0


# ---- balanced weights


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60))
def test_balanced_weights_are_scikit_learns_and_1_on_average(labels):
    weights = balanced_weights(labels, 4)
    present = sorted(set(labels))
    oracle = compute_class_weight("balanced", classes=np.array(present), y=np.array(labels))
    assert [weights[label] for label in present] == pytest.approx(oracle)
    assert np.mean([weights[label] for label in labels]) == pytest.approx(1)
    assert all(weights[label] == 1 for label in set(range(4)) - set(present))
