"""Counts by threshold against scikit-learn, and by bin against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import auc, average_precision_score, confusion_matrix, roc_auc_score

from paddle_tasks.metrics.curves import (
    area_under_roc,
    average_precision,
    exact_counts,
    histogram,
    threshold_counts,
    thresholds,
)

RANDOM = np.random.default_rng(3)


def case(n_rows=200):
    truth = RANDOM.random(n_rows) < 0.3
    # Some scores equal a threshold, and some are 0 or 1.
    scores = np.clip(RANDOM.normal(0.4 + 0.2 * truth, 0.3), 0, 1)
    return truth, np.where(RANDOM.random(n_rows) < 0.3, RANDOM.choice(thresholds(), n_rows), scores)


def test_counts_are_those_of_scikit_learn_at_each_threshold():
    truth, scores = case()
    counts = threshold_counts(truth, scores)
    assert len(thresholds()) == 127
    assert (thresholds()[0], thresholds()[-1]) == (0, 1)
    for index, limit in enumerate(thresholds()):
        (tn, fp), (fn, tp) = confusion_matrix(truth, scores >= limit, labels=[False, True])
        parts = (counts.true_positives, counts.false_positives, counts.true_negatives, counts.false_negatives)
        assert [part[index] for part in parts] == [tp, fp, tn, fn]


def test_the_area_under_the_roc_curve_is_that_of_scikit_learn():
    truth = RANDOM.random(300) < 0.4
    scores = RANDOM.choice(thresholds()[:-1], 300)  # the last one takes no row, so the curve ends in (0, 0)
    counts = threshold_counts(truth, scores)
    area = auc(counts.false_positive_rate, counts.recall)
    assert area == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)


def test_shares_of_nothing():
    none = threshold_counts(np.zeros(4, dtype=bool), np.full(4, 0.5))
    assert (none.recall == 0).all()
    assert none.precision[0] == 0
    assert none.precision[-1] == 1  # no row is predicted positive
    everything = threshold_counts(np.ones(4, dtype=bool), np.full(4, 0.5))
    assert (everything.false_positive_rate == 0).all()
    assert everything.precision[0] == everything.recall[0] == 1


def test_rows_without_a_score_are_left_out():
    truth, scores = case(50)
    doubtful = threshold_counts(np.append(truth, [True, False]), np.append(scores, [np.nan, np.nan]))
    known = threshold_counts(truth, scores)
    assert all((vars(doubtful)[name] == part).all() for name, part in vars(known).items())


@pytest.mark.parametrize("bad", [[np.nan], [np.inf, -np.inf], []])
def test_a_histogram_is_numpys_of_the_finite_values(bad):
    values = RANDOM.normal(size=(10, 7)).astype(np.float32)
    counts, edges = histogram(np.append(values, bad))
    expected = np.histogram(values.astype(np.float64), bins=30)
    assert (counts == expected[0]).all()
    assert (edges == expected[1]).all()
    assert counts.sum() == 70


@pytest.mark.parametrize("values", [[], [np.nan], [np.inf, np.nan], [-1.7e308, 1.7e308]])
def test_no_histogram_of_nothing(values):
    assert histogram(np.array(values)) is None


def test_a_histogram_of_one_value():
    counts, edges = histogram(np.full(5, 2.0))
    assert counts.sum() == 5
    assert edges[0] < 2 < edges[-1]


def test_exact_counts_give_the_areas_of_scikit_learn():
    for truth, scores in (case(), case(37), (np.array([True, False, True]), np.array([0.5, 0.5, 0.5]))):
        counts = exact_counts(truth, scores)
        assert average_precision(counts) == pytest.approx(average_precision_score(truth, scores), abs=1e-12)
        assert area_under_roc(counts) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
        assert len(counts.recall) == len(set(scores))
        assert (counts.true_positives + counts.false_negatives == truth.sum()).all()
        assert (counts.false_positives + counts.true_negatives == (~truth).sum()).all()


def test_what_is_never_found_lowers_the_recall_alone():
    counts = exact_counts(np.array([True, False, True]), np.array([0.9, 0.4, -1.0]))
    assert counts.recall.tolist() == [0.5, 0.5]
    assert counts.precision.tolist() == [1.0, 0.5]
    assert average_precision(counts) == 0.5
