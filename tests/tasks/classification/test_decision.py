"""How labels are chosen from probabilities: the most probable one, or a threshold that may be learnt from dev."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paddle_tasks.tasks.classification.decision import Decision, MostProbable
from paddle_tasks.tasks.similarity.decision import Threshold

GOLD = np.array([0, 0, 0, 1, 1])


def pairs(*similar: float) -> np.ndarray:
    """Return probabilities <float32>[rows, 2] from those of the second label."""
    second = np.array(similar, dtype=np.float32)
    return np.stack([1 - second, second], axis=1)


DEV = pairs(0.1, 0.2, 0.4, 0.4, 0.8)


def count(predicted: np.ndarray) -> dict[str, Any]:
    """Return the accuracy for `GOLD`, and as F1 the number of rows with the second label."""
    return {"accuracy": float((predicted == GOLD).mean()), "f1": int(predicted.sum())}


# ---- the most probable label


def test_the_most_probable_label_is_chosen_and_the_first_of_equal_ones():
    probabilities = np.array([[0.2, 0.5, 0.3], [0.4, 0.4, 0.2], [0.1, 0.2, 0.7]])
    assert MostProbable().choose(probabilities).tolist() == [1, 0, 2]


def test_the_most_probable_label_needs_nothing_learnt():
    decision = MostProbable()
    decision.start_learning()
    decision.learn("dev", GOLD, DEV)
    assert decision.settings() == {}
    decision.restore({"labels": ["0", "1"]})
    assert decision.metrics(DEV, count) == {"accuracy": 0.8, "f1": 1}


# ---- a threshold


def learnt(setting: Any, split: Any = "dev") -> Threshold:
    decision = Threshold(setting)
    decision.start_learning()
    decision.learn(split, GOLD, DEV)
    return decision


@pytest.mark.parametrize(("setting", "value"), [("accuracy", 0.5), ("f1", 0.3), (0.9, 0.9)])
def test_dev_chooses_the_threshold_of_the_best_metric(setting, value):
    assert learnt(setting).value == pytest.approx(value)


@pytest.mark.parametrize("split", ["train", "test"])
def test_other_splits_choose_nothing(split):
    assert learnt("f1", split).value == 0.5


def test_a_loaded_threshold_does_not_learn():
    decision = Threshold("f1")
    decision.restore(learnt("f1").settings())
    assert decision.value == pytest.approx(0.3)
    decision.learn("dev", 1 - GOLD, DEV)
    assert decision.value == pytest.approx(0.3)


def test_the_threshold_itself_is_enough():
    decision = Threshold(0.25)
    assert decision.choose(pairs(0.24, 0.25, 0.26)).tolist() == [0, 1, 1]


def test_a_threshold_between_two_float32_numbers_separates_them():
    low = np.float32(0.3)
    high = np.nextafter(low, np.float32(1))
    decision = Threshold((float(low) + float(high)) / 2)
    assert decision.choose(pairs(low, high)).tolist() == [0, 1]


def test_metrics_are_those_at_the_threshold_beside_those_at_one_half():
    assert learnt("f1").metrics(DEV, count) == {
        "accuracy": 0.8,
        "f1": 3,
        "threshold": pytest.approx(0.3),
        "accuracy_at_half": 0.8,
        "f1_at_half": 1,
    }


@pytest.mark.parametrize("decision", [MostProbable(), Threshold()])
def test_without_settings_a_half_is_the_boundary_of_two_labels(decision: Decision):
    assert decision.choose(pairs(0.2, 0.49, 0.51, 0.9)).tolist() == [0, 0, 1, 1]
