"""Layer normalisation against Paddle's own in double precision, alone and over a sum."""

from __future__ import annotations

import itertools

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paddle.nn import functional

from paddle_tasks.models.cpu.arrays import Mask
from paddle_tasks.models.cpu.norm import add_norm, layer_norm

from .oracles import LAYOUTS, assert_same, difference, in_float64, normal, outcome, tensors

EPSILON = 1e-5


def ours(x, weight, bias, epsilon=EPSILON):
    return layer_norm(x, weight, bias, epsilon)


def theirs(x, weight, bias, epsilon=EPSILON):
    """Normalise in elementary operators: Paddle 3.3's own gradient on a CPU is wrong when the weight is frozen."""
    centred = x - x.mean(axis=-1, keepdim=True)
    return centred / ((centred**2).mean(axis=-1, keepdim=True) + epsilon).sqrt() * weight + bias


def our_sum(branch, residual, weight, bias, mask=None):
    return add_norm(branch, residual, weight, bias, epsilon=EPSILON, mask=mask)


def their_sum(branch, residual, weight, bias, mask=None):
    if mask is not None:
        branch = branch * paddle.to_tensor(mask.kept * np.float64(mask.scale))
    return theirs(residual + branch, weight, bias)


def inputs(*shape: int, n_states: int = 1) -> list[np.ndarray]:
    states = [normal(*shape, seed=seed) + np.float32(seed) for seed in range(n_states)]
    return [*states, 1 + normal(shape[-1], seed=8), normal(shape[-1], seed=9)]


def test_the_oracle_is_paddles_own():
    arrays = [array.astype(np.float64) for array in inputs(3, 4, 6)]
    own = outcome(lambda x, weight, bias: functional.layer_norm(x, [6], weight, bias, EPSILON), arrays)
    assert all(difference(*parts) < 1e-9 for parts in zip(outcome(theirs, arrays), own, strict=True))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.integers(3, 9), st.sampled_from([1e-12, 1e-5, 0.1]))
@settings(max_examples=40)
def test_result_and_gradients_are_paddles(shape, width, epsilon):
    arrays = inputs(*shape, width)
    assert_same(
        outcome(lambda *x: ours(*x, epsilon), arrays),
        in_float64(lambda *x: theirs(*x, epsilon), arrays),
    )


def test_width_2_has_next_to_no_gradient():
    arrays = inputs(5, 2)
    assert_same(outcome(ours, arrays), in_float64(theirs, arrays), floor=1)  # two numbers become 1 and -1


@pytest.mark.parametrize("shape", [(4, 5, 768), (300, 64), (1, 1, 16), (6,)])
def test_usual_shapes(shape):
    assert_same(outcome(ours, inputs(*shape)), in_float64(theirs, inputs(*shape)))


def test_the_sum_is_an_upstream_gradient_too():
    assert_same(
        outcome(ours, inputs(3, 4, 6), weighted=False)[2:], in_float64(theirs, inputs(3, 4, 6), weighted=False)[2:]
    )


def test_width_1_is_the_bias():
    arrays = inputs(3, 1)
    result, for_states, for_weight, _ = outcome(ours, arrays)
    assert np.array_equal(result, np.broadcast_to(arrays[2], (3, 1)))
    assert not for_states.any()
    assert not for_weight.any()


def test_a_constant_row_gives_no_nan():
    arrays = [np.full((2, 4), 3, np.float32), *inputs(4)[1:]]
    assert_same(outcome(ours, arrays)[:1], in_float64(theirs, arrays)[:1])
    assert all(np.isfinite(gradient).all() for gradient in outcome(ours, arrays))


def test_a_large_mean_costs_few_digits():
    arrays = inputs(4, 64)
    arrays[0] += 1000
    assert_same(outcome(ours, arrays), in_float64(theirs, arrays), tolerance=1e-4)


def test_an_empty_batch():
    assert_same(outcome(ours, inputs(0, 4)), in_float64(theirs, inputs(0, 4)))


@pytest.mark.parametrize("frozen", [set(f) for size in range(4) for f in itertools.combinations(range(4), size)])
@pytest.mark.parametrize("probability", [0.0, 0.5])
def test_what_is_frozen_gets_no_gradient(frozen, probability):
    arrays, mask = inputs(3, 2, 6, n_states=2), Mask.draw((3, 2, 6), probability)
    found = outcome(lambda *x: our_sum(*x, mask), arrays, frozen)
    assert_same(found, in_float64(lambda *x: their_sum(*x, mask), arrays, frozen))
    assert {number for number in range(4) if found[1 + number] is None} == frozen


@pytest.mark.parametrize("frozen", [set(f) for size in range(3) for f in itertools.combinations(range(3), size)])
def test_what_is_frozen_alone(frozen):
    assert_same(outcome(ours, inputs(3, 6), frozen), in_float64(theirs, inputs(3, 6), frozen))


@pytest.mark.parametrize("after", LAYOUTS)
@pytest.mark.parametrize("before", LAYOUTS)
def test_views_go_in_and_come_out(before, after):
    (enter, shape_in), (leave, _) = LAYOUTS[before], LAYOUTS[after]
    arrays = [normal(*shape_in((4, 3, 6)), seed=seed) for seed in (0, 1)] + inputs(6)[1:]
    mask = Mask.draw((4, 3, 6), 0.3)
    mine, other = (lambda a, b, *rest, f=f: leave(f(enter(a), enter(b), *rest, mask)) for f in (our_sum, their_sum))
    assert_same(outcome(mine, arrays), in_float64(other, arrays))


@pytest.mark.parametrize("probability", [0.0, 0.3])
def test_one_tensor_is_branch_and_residual(probability):
    arrays, mask = inputs(3, 6), Mask.draw((3, 6), probability)
    mine, other = (lambda x, *rest, f=f: f(x, x, *rest, mask) for f in (our_sum, their_sum))
    assert_same(outcome(mine, arrays), in_float64(other, arrays))


@pytest.mark.parametrize("probability", [0.0, 0.3])
def test_gradients_accumulate_each_on_its_own(probability):
    """Paddle adds in place: branch and residual must not share the memory of one gradient."""
    arrays, mask = inputs(3, 6, n_states=2), Mask.draw((3, 6), probability)
    leaves = tensors(arrays)
    weights = paddle.to_tensor(normal(3, 6, seed=99))
    _, *once = outcome(lambda *x: our_sum(*x, mask), arrays)
    for times in (1, 2, 3):
        (our_sum(*leaves, mask) * weights).sum().backward()
        assert_same([leaf.grad.numpy() for leaf in leaves], [times * gradient for gradient in once])
    for leaf in leaves:
        leaf.clear_gradient(False)
    (our_sum(*leaves, mask) * weights).sum().backward()
    assert_same([leaf.grad.numpy() for leaf in leaves], once)


def test_a_residual_that_is_used_elsewhere():
    arrays = inputs(3, 6, n_states=2)

    def twice(f):
        def function(branch, residual, weight, bias):
            branch, residual = branch * 2, residual * 3
            return f(branch, residual, weight, bias) + residual * branch + branch

        return function

    assert_same(outcome(twice(our_sum), arrays), in_float64(twice(their_sum), arrays))


def test_without_gradients():
    leaves = tensors(inputs(3, 6))
    with paddle.no_grad():
        result = ours(*leaves)
    assert result.stop_gradient
    assert difference(result.numpy(), ours(*leaves).numpy()) == 0


def test_derivatives_of_derivatives_are_refused():
    leaves = tensors(inputs(3, 6))
    with pytest.raises(Exception, match="derivatives of derivatives"):
        paddle.grad((ours(*leaves) ** 2).sum(), leaves, create_graph=True)
