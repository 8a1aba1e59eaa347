"""Analogies: answers against a plain loop over the definition."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.metrics.analogies import AnalogySolver, analogy_metrics, unit_vectors

WORDS = ["a", "b", "c", "d", "e", "A"]
UNITS = unit_vectors(np.random.default_rng(5).normal(size=(6, 4)).astype(np.float32))


@pytest.mark.parametrize("method", ["add", "multiply"])
def test_the_answer_has_the_best_score_of_the_other_words(method):
    first, second, third = UNITS[[0, 1, 2]].astype(float)
    scores = {}
    for word, unit in zip(WORDS, UNITS.astype(float), strict=True):
        cosines = [unit @ other for other in (first, second, third)]
        ratio = (1 + cosines[1]) * (1 + cosines[2]) / 2 / (1 + cosines[0] + 2e-6)
        scores[word] = cosines[1] - cosines[0] + cosines[2] if method == "add" else ratio
    best = max("de", key=scores.__getitem__)  # neither the words asked for nor A, which is a in capitals
    assert AnalogySolver(WORDS, UNITS).answer([("a", "b", "c", "d"), ("a", "b", "x", "d")], method) == [best, None]


def test_scores_count_answered_and_all_questions():
    metrics = analogy_metrics(["s", "s", "t"], ["d", "d", "d"], ["D", "e", None], ["e", "e", None])
    assert metrics["accuracy"] == pytest.approx(1 / 3)
    assert metrics["accuracy_answered"] == pytest.approx(1 / 2)
    assert metrics["answered"] == pytest.approx(2 / 3)
    assert metrics["multiplied_accuracy"] == 0
    assert metrics["per_section"]["t"]["answered"] == 0
