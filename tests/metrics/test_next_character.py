"""Loss, perplexity and accuracy per character."""

from __future__ import annotations

import math

import numpy as np
import pytest

from paddle_tasks.metrics.next_character import next_character_metrics, text_accuracy


def test_an_unknown_character_costs_the_entry_and_its_share_of_the_types():
    targets, predicted, losses = (
        np.array([1, 0, 2, 3]),
        np.array([1, 0, 2, 1]),
        np.array([0.5, 1.0, 0.25, 2.0], np.float32),
    )
    found = next_character_metrics(targets, predicted, losses, unknown_id=0, n_unknown_types=5)
    assert found["loss"] == pytest.approx((3.75 + math.log(5)) / 4)
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    assert found["accuracy"] == 0.5  # an unknown character is never predicted right
    assert found["unknown_share"] == 0.25


def test_without_characters_there_are_no_metrics():
    empty = np.zeros(0, np.int64)
    assert next_character_metrics(empty, empty, empty, unknown_id=0, n_unknown_types=0) == {}


def test_accuracy_of_texts():
    assert text_accuracy(["甲乙", "丙"], ["甲丙", "丙"]) == pytest.approx(2 / 3)
