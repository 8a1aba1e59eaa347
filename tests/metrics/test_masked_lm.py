"""Metrics of a masked language model against scikit-learn and numpy, over any number of batches and processes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, log_loss

from paddle_tasks.metrics.masked_lm import MaskedLMMetrics

VOCABULARY = ["零", "一", "二", "三", "四"]
NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))


class FakeGatherer:
    """Gives each rank the values of all ranks: what they send when they gather."""

    def __init__(self, ranks):
        self.values, self.is_recording = [], True
        for rank in ranks:
            rank.gather(self)
        self.is_recording = False

    def gather_objects(self, value):
        if self.is_recording:
            self.values.append(value)
        assert any(value is other for other in self.values)
        return self.values


@st.composite
def tokens(draw):
    """Return rows, targets, predicted ids and losses; rows rise, as they do within a batch."""
    drawn = draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
    rows, targets, predicted = np.array(sorted(drawn, key=lambda one: one[0]), np.int64).T
    losses = np.array(draw(st.lists(st.floats(0, 20, width=32), min_size=len(rows), max_size=len(rows))), np.float32)
    return rows, targets, predicted, losses


def metrics_of(*batches):
    found = MaskedLMMetrics()
    for batch in batches:
        found.update(*batch)
    return found


def by_row(batch, rows):
    """Return the tokens of some rows."""
    own = np.isin(batch[0], rows)
    return tuple(values[own] for values in batch)


@given(tokens())
def test_scores_are_scikit_learns_and_numpys(batch):
    _, targets, predicted, losses = batch
    found = metrics_of(batch).result()
    assert list(found) == ["accuracy", "loss", "perplexity"]
    assert found["accuracy"] == pytest.approx(accuracy_score(targets, predicted))
    assert found["loss"] == pytest.approx(float(losses.mean(dtype=np.float64)))
    assert found["perplexity"] == pytest.approx(np.exp(losses.mean(dtype=np.float64)))
    assert {type(value) for value in found.values()} == {float}


def test_the_loss_is_in_nats():
    probs = np.random.default_rng(0).dirichlet(np.ones(5), 200)
    targets = np.arange(200) % 5
    losses = -np.log(probs[np.arange(200), targets])
    found = metrics_of((np.arange(200), targets, probs.argmax(axis=1), losses)).result()
    assert found["loss"] == pytest.approx(log_loss(targets, probs))
    assert found["accuracy"] == pytest.approx(accuracy_score(targets, probs.argmax(axis=1)))


@given(tokens(), st.permutations(range(7)), st.integers(0, 7), st.integers(0, 7))
def test_batches_and_ranks_equal_one_batch(batch, order, first, second):
    whole = metrics_of(batch)
    cuts = sorted([first, second])
    groups = [order[: cuts[0]], order[cuts[0] : cuts[1]], order[cuts[1] :]]
    in_batches = metrics_of(*(by_row(batch, group) for group in groups))
    ranks = [metrics_of(*(by_row(batch, [row]) for row in group)) for group in groups]
    gatherer = FakeGatherer(ranks)
    for found in (in_batches, *(rank.gather(gatherer) for rank in ranks)):
        # Equal to the last bit: the sums are computed in the order of the rows.
        assert found.result() == whole.result()
        assert found.records(VOCABULARY) == whole.records(VOCABULARY)


@given(tokens())
def test_records_are_ordered_by_row(batch):
    rows, targets, predicted, losses = batch
    expected = []
    for row in sorted(set(rows.tolist())):
        own = rows == row
        gold, named = ([VOCABULARY[token] for token in ids[own]] for ids in (targets, predicted))
        expected.append({"row": row, "gold": gold, "predicted": named, "loss": float(losses[own].mean())})
    assert metrics_of(batch).records(VOCABULARY) == expected


def test_records():
    first = (np.array([3, 3]), np.array([1, 2]), np.array([1, 4]), np.array([0.5, 1.5]))
    second = (np.array([0]), np.array([3]), np.array([0]), np.array([2.0]))
    assert metrics_of(first, NOTHING, second).records(VOCABULARY) == [
        {"row": 0, "gold": ["三"], "predicted": ["零"], "loss": 2.0},
        {"row": 3, "gold": ["一", "二"], "predicted": ["一", "四"], "loss": 1.0},
    ]
    assert metrics_of(first, second).result() == {"accuracy": 1 / 3, "loss": 4 / 3, "perplexity": math.exp(4 / 3)}


def test_every_token_has_the_same_weight_whatever_its_batch():
    small = (np.array([0]), np.array([1]), np.array([1]), np.array([0.0]))
    large = (np.array([1] * 3), np.array([1] * 3), np.array([2] * 3), np.array([4.0] * 3))
    found = metrics_of(small, large).result()
    assert (found["accuracy"], found["loss"]) == (0.25, 3.0)


def test_the_perplexity_of_a_huge_loss_is_finite():
    found = metrics_of((np.array([0]), np.array([1]), np.array([1]), np.array([1e6]))).result()
    assert found["loss"] == 1e6
    assert math.isfinite(found["perplexity"])


@pytest.mark.parametrize("batches", [[], [NOTHING], [NOTHING, NOTHING]])
def test_without_tokens_there_are_no_metrics(batches):
    found = metrics_of(*batches)
    assert found.result() == {}
    assert found.records(VOCABULARY) == []
