"""Dropout: one mask forward and backward, scaled, and none outside training."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.models.cpu.dropout import dropout

from .oracles import LAYOUTS, assert_same, normal, outcome, tensors


def dropped(states, probability=0.5):
    return dropout(states, probability, training=True)


def test_the_gradient_goes_through_the_same_mask():
    ones = np.ones((40, 30), np.float32)
    states = normal(40, 30)
    paddle.seed(1)
    mask, upstream = outcome(dropped, [ones])
    assert set(np.unique(mask)) == {0, 2}
    paddle.seed(1)
    result, gradient = outcome(dropped, [states])
    assert np.array_equal(result, states * mask)
    assert np.array_equal(gradient, normal(40, 30, seed=99) * mask)
    assert np.array_equal(upstream, gradient)


@pytest.mark.parametrize("after", LAYOUTS)
@pytest.mark.parametrize("before", LAYOUTS)
def test_views_go_in_and_come_out(before, after):
    (enter, shape_in), (leave, _) = LAYOUTS[before], LAYOUTS[after]
    paddle.seed(2)
    mask = dropped(paddle.ones([4, 3, 6])).astype("float64")
    paddle.seed(2)
    arrays = [normal(*shape_in((4, 3, 6)))]
    theirs = outcome(lambda x: leave(enter(x) * mask), [array.astype(np.float64) for array in arrays])
    assert_same(outcome(lambda x: leave(dropped(enter(x))), arrays), theirs)


def test_nothing_is_dropped_outside_training():
    (states,) = tensors([normal(3, 4)])
    assert dropout(states, 0.5, training=False) is states
    assert dropped(states, 0.0) is states
    assert dropped(states, 0.001) is states


def test_all_may_be_dropped():
    assert not any(part.any() for part in outcome(lambda x: dropped(x, 1.0), [normal(3, 4)]))


def test_an_empty_batch():
    assert [part.shape for part in outcome(dropped, [normal(0, 4)])] == [(0, 4), (0, 4)]


def test_the_expectation_is_the_input():
    paddle.seed(3)
    mean = np.mean([dropped(paddle.ones([500, 100]), 0.1).numpy().mean() for _ in range(10)])
    assert mean == pytest.approx(1, abs=5 * np.sqrt(0.1 / 0.9 / 500_000))
