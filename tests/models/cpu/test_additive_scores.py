"""The scores of additive attention against the formula in double precision."""

from __future__ import annotations

import paddle
import pytest

from paddle_tasks.models.cpu import additive_scores
from tests.models.cpu.oracles import assert_same, in_float64, normal, outcome


def formula(queries, keys, vector):
    return paddle.matmul(paddle.tanh(queries.unsqueeze(2) + keys.unsqueeze(1)), vector)


@pytest.mark.parametrize("frozen", [(), (0,), (1, 2)], ids=str)
@pytest.mark.parametrize("shape", [(3, 5, 4, 20), (1, 1, 1, 1), (2, 7, 1, 3)], ids=str)
def test_results_and_gradients_are_those_of_the_formula(shape, frozen):
    batch, n_queries, n_keys, size = shape
    arrays = [normal(batch, n_queries, size), normal(batch, n_keys, size, seed=1), normal(size, seed=2)]
    assert_same(outcome(additive_scores, arrays, frozen), in_float64(formula, arrays, frozen))
