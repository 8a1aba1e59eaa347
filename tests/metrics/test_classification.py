"""Metrics of a classifier against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from paddle_tasks.metrics.classification import ClassificationMetrics


@st.composite
def answers(draw) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the number of labels, gold ones and predicted ones; some labels are absent."""
    n_labels = draw(st.integers(2, 5))
    rows = draw(st.lists(st.tuples(*[st.integers(0, n_labels - 1)] * 2), min_size=1, max_size=30))
    gold, predicted = np.array(rows).T
    return n_labels, gold, predicted


def scores(n_labels: int, *batches: tuple[np.ndarray, np.ndarray, np.ndarray]) -> dict:
    found = ClassificationMetrics([f"label {index}" for index in range(n_labels)])
    for batch in batches:
        found.update(*batch)
    return found.result()


def flat(result: dict) -> list[float]:
    inner = [value for row in result["per_label"].values() for value in row.values()]
    return [value for name, value in result.items() if name != "per_label"] + inner


@given(answers())
def test_scores_are_scikit_learns(drawn):
    n_labels, gold, predicted = drawn
    losses = np.linspace(0.1, 2.0, len(gold), dtype=np.float32)
    found = scores(n_labels, (gold, predicted, losses))
    every = list(range(n_labels))
    assert found["accuracy"] == pytest.approx(sklearn.accuracy_score(gold, predicted))
    macro = sklearn.f1_score(gold, predicted, average="macro", zero_division=0)
    assert found["macro_f1"] == pytest.approx(macro)
    assert found["loss"] == pytest.approx(losses.mean())
    chosen = {"pos_label": 1, "average": "binary"} if n_labels == 2 else {"average": "macro"}
    headline = sklearn.precision_recall_fscore_support(gold, predicted, zero_division=0, **chosen)
    assert (found["precision"], found["recall"], found["f1"]) == pytest.approx(headline[:3])
    columns = sklearn.precision_recall_fscore_support(gold, predicted, labels=every, zero_division=0)
    for index, expected in enumerate(zip(*columns, strict=True)):
        assert tuple(found["per_label"][f"label {index}"].values()) == pytest.approx(expected)


@given(answers(), st.data())
def test_batches_add_up(drawn, data):
    n_labels, gold, predicted = drawn
    losses = np.random.default_rng(0).random(len(gold))
    cut = data.draw(st.integers(0, len(gold)))
    whole = scores(n_labels, (gold, predicted, losses))
    parts = scores(n_labels, *((gold[at], predicted[at], losses[at]) for at in (slice(cut), slice(cut, None))))
    assert flat(parts) == pytest.approx(flat(whole))


def test_swapping_gold_and_predicted_swaps_precision_and_recall():
    gold, predicted = np.array([0, 1, 1, 1, 0]), np.array([0, 1, 0, 0, 0])
    losses = np.zeros(5)
    found, swapped = scores(2, (gold, predicted, losses)), scores(2, (predicted, gold, losses))
    assert (found["precision"], found["recall"]) == (1, pytest.approx(1 / 3))
    assert (swapped["precision"], swapped["recall"]) == (pytest.approx(1 / 3), 1)
    assert swapped["f1"] == found["f1"]


def test_swapping_the_labels_changes_the_headline():
    gold, predicted = np.array([0, 1, 1, 1, 0]), np.array([0, 1, 0, 0, 0])
    found = scores(2, (gold, predicted, np.zeros(5)))
    swapped = scores(2, (1 - gold, 1 - predicted, np.zeros(5)))
    assert swapped["accuracy"] == found["accuracy"]
    assert swapped["macro_f1"] == found["macro_f1"]
    assert swapped["f1"] != found["f1"]


def test_a_label_that_never_occurs_is_in_no_average():
    found = scores(3, (np.array([0, 1]), np.array([0, 1]), np.zeros(2)))
    assert found["accuracy"] == found["macro_f1"] == found["precision"] == found["recall"] == found["f1"] == 1
    assert found["per_label"]["label 2"] == {"precision": 0, "recall": 0, "f1": 0, "rows": 0}


def test_a_label_that_is_only_predicted_counts_as_zero():
    found = scores(4, (np.array([0, 1]), np.array([0, 2]), np.zeros(2)))
    assert found["macro_f1"] == pytest.approx(1 / 3)


def test_of_two_labels_an_absent_one_counts_in_no_average():
    found = scores(2, (np.array([0, 0]), np.array([0, 0]), np.zeros(2)))
    assert (found["macro_f1"], found["f1"]) == (1, 0)


def test_without_rows_there_are_no_metrics():
    assert scores(2) == {}
