"""The linear map, and the output layer that shares its weight, against Paddle's own in double precision."""

from __future__ import annotations

import itertools

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paddle.nn import functional

from paddle_tasks.models.cpu.linear import column_sums, linear, tied_output
from paddle_tasks.onednn import precision

from ...helpers import needs_bfloat16
from .oracles import LAYOUTS, assert_same, difference, in_float64, normal, outcome, tensors

FROZEN = [set(frozen) for size in range(3) for frozen in itertools.combinations(range(3), size)]


def inputs(shape: tuple[int, ...], n_out: int) -> list[np.ndarray]:
    return [normal(*shape), normal(shape[-1], n_out, seed=1), normal(n_out, seed=2)]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 6), st.booleans())
@settings(max_examples=40)
def test_result_and_gradients_are_paddles(shape, n_out, weighted):
    arrays = inputs(tuple(shape), n_out)
    assert_same(outcome(linear, arrays, weighted=weighted), in_float64(functional.linear, arrays, weighted=weighted))


def test_many_rows():
    arrays = inputs((3, 700, 40), 30)
    assert_same(outcome(linear, arrays), in_float64(functional.linear, arrays))


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3)])
def test_an_empty_batch(shape):
    assert_same(outcome(linear, inputs(shape, 2)), in_float64(functional.linear, inputs(shape, 2)))


@pytest.mark.parametrize("frozen", FROZEN)
def test_what_is_frozen_gets_no_gradient(frozen):
    arrays = inputs((2, 3, 4), 5)
    ours = outcome(linear, arrays, frozen)
    assert_same(ours, in_float64(functional.linear, arrays, frozen))
    assert {number for number in range(3) if ours[1 + number] is None} == frozen


@pytest.mark.parametrize("after", LAYOUTS)
@pytest.mark.parametrize("before", LAYOUTS)
def test_views_go_in_and_come_out(before, after):
    (enter, shape_in), (leave, _) = LAYOUTS[before], LAYOUTS[after]
    arrays = [normal(*shape_in((2, 3, 4))), *inputs((4,), 5)[1:]]
    ours, theirs = (lambda x, *rest, f=f: leave(f(enter(x), *rest)) for f in (linear, functional.linear))
    assert_same(outcome(ours, arrays), in_float64(theirs, arrays))


def test_a_weight_used_twice():
    arrays = inputs((3, 4), 4)
    ours, theirs = (lambda x, w, b, f=f: f(f(x, w, b), w, b) * x for f in (linear, functional.linear))
    assert_same(outcome(ours, arrays), in_float64(theirs, arrays))


def test_gradients_accumulate_until_they_are_cleared():
    arrays = inputs((3, 4), 2)
    leaves = tensors(arrays)
    _, *once = outcome(linear, arrays, weighted=False)
    for times in (1, 2):
        linear(*leaves).sum().backward()
        assert_same([leaf.grad.numpy() for leaf in leaves], [times * gradient for gradient in once])
    for leaf in leaves:
        leaf.clear_gradient(False)
    linear(*leaves).sum().backward()
    assert_same([leaf.grad.numpy() for leaf in leaves], once)


def test_without_gradients():
    leaves = tensors(inputs((3, 4), 2))
    with paddle.no_grad():
        result = linear(*leaves)
    assert result.stop_gradient
    assert_same([result.numpy()], [linear(*leaves).numpy()])


def test_sums_are_of_the_rows():
    assert column_sums(paddle.to_tensor([[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]])).tolist() == [11.0, 22.0, 33.0]


def test_derivatives_of_derivatives_are_refused():
    leaves = tensors(inputs((3, 4), 2))
    with pytest.raises(Exception, match="derivatives of derivatives"):
        paddle.grad(linear(*leaves).sum(), leaves, create_graph=True)


# ---- the output layer over word vectors


def plain(states: paddle.Tensor, word_vectors: paddle.Tensor, bias: paddle.Tensor) -> paddle.Tensor:
    return paddle.matmul(states, word_vectors, transpose_y=True) + bias


def tied_inputs(n: int, width: int, words: int) -> list[np.ndarray]:
    return [normal(n, width), normal(words, width, seed=1), normal(words, seed=2)]


@given(st.integers(0, 6), st.integers(1, 6), st.integers(1, 9), st.booleans())
@settings(max_examples=40)
def test_words_are_scored_as_by_a_product(n, width, words, weighted):
    arrays = tied_inputs(n, width, words)
    assert_same(outcome(tied_output, arrays, weighted=weighted), in_float64(plain, arrays, weighted=weighted))


@pytest.mark.parametrize("frozen", FROZEN)
def test_what_is_frozen_of_an_output_layer_gets_no_gradient(frozen):
    arrays = tied_inputs(4, 3, 5)
    ours = outcome(tied_output, arrays, frozen)
    assert_same(ours, in_float64(plain, arrays, frozen))
    assert {number for number in range(3) if ours[1 + number] is None} == frozen


@pytest.mark.parametrize("after", LAYOUTS)
@pytest.mark.parametrize("before", LAYOUTS)
def test_views_go_into_an_output_layer_and_come_out(before, after):
    (enter, shape_in), (leave, _) = LAYOUTS[before], LAYOUTS[after]
    arrays = [normal(*shape_in((4, 3))), *tied_inputs(4, 3, 6)[1:]]
    ours, theirs = (lambda x, *rest, f=f: leave(f(enter(x), *rest)) for f in (tied_output, plain))
    assert_same(outcome(ours, arrays), in_float64(theirs, arrays))


def test_word_vectors_learn_as_input_and_as_output():
    arrays = tied_inputs(4, 3, 5)
    ours, theirs = (lambda x, w, b, f=f: f(x + w[:4], w, b) for f in (tied_output, plain))
    assert_same(outcome(ours, arrays), in_float64(theirs, arrays))


def test_scores_without_gradients():
    leaves = tensors(tied_inputs(4, 3, 5))
    with paddle.no_grad():
        result = tied_output(*leaves)
    assert result.stop_gradient
    assert_same([result.numpy()], [tied_output(*leaves).numpy()])


def test_another_precision_is_left_to_paddle(monkeypatch):
    monkeypatch.setattr(paddle, "addmm_", lambda *inputs: pytest.fail("the kernel assumes float32"))
    arrays = [array.astype(np.float64) for array in tied_inputs(4, 3, 5)]
    result = tied_output(*map(paddle.to_tensor, arrays))
    assert result.dtype == paddle.float64
    np.testing.assert_allclose(result.numpy(), arrays[0] @ arrays[1].T + arrays[2], rtol=1e-12)


def test_second_derivatives_of_scores_are_refused():
    leaves = tensors(tied_inputs(4, 3, 5))
    with pytest.raises(Exception, match="derivatives of derivatives"):
        paddle.grad(tied_output(*leaves).sum(), leaves, create_graph=True)


# ---- bfloat16


def in_bfloat16(function, arrays):
    with precision.products_in("bfloat16"):
        return outcome(function, arrays)


@needs_bfloat16
@pytest.mark.parametrize(("function", "weight"), [(linear, (96, 80)), (tied_output, (80, 96))])
def test_large_maps_round_their_factors(function, weight, kernels):
    arrays = [normal(40, 96), normal(*weight, seed=1), normal(80, seed=2)]
    half, full = in_bfloat16(function, arrays), outcome(function, arrays)
    differences = [difference(ours, theirs) for ours, theirs in zip(half, full, strict=True)]
    assert max(differences) < 0.02
    assert (min(differences[:3]) > 1e-5) == (kernels == "onednn")


@pytest.mark.parametrize("sizes", [(96, 63), (63, 96)])
def test_small_maps_stay_in_float32(sizes):
    arrays = [normal(40, sizes[0]), normal(*sizes, seed=1), normal(sizes[1], seed=2)]
    for ours, theirs in zip(in_bfloat16(linear, arrays), outcome(linear, arrays), strict=True):
        np.testing.assert_array_equal(ours, theirs)
