"""Attention against the formula in double precision, against Paddle's Layer, and against finite differences."""

from __future__ import annotations

import itertools

import numpy as np
import paddle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paddle import nn

from paddle_tasks.models.cpu.arrays import Mask
from paddle_tasks.models.cpu.attention import attention, attention_from_first

from .oracles import assert_same, difference, in_float64, normal, outcome, tensors


def formula(projections, offsets=None, n_heads=2, factors=None):
    """Vaswani et al. (2017), section 3.2, in Paddle's operators; ``factors`` are the factors of dropout."""
    return from_parts(*paddle.chunk(projections, 3, axis=-1), offsets, n_heads, factors)


def formula_from_first(queries, keys_values, offsets=None, n_heads=2, factors=None):
    return from_parts(queries, *paddle.chunk(keys_values, 2, axis=-1), offsets, n_heads, factors)


def from_parts(queries, keys, values, offsets, n_heads, factors):
    def heads(part):
        return part.reshape([*part.shape[:2], n_heads, part.shape[2] // n_heads]).transpose([0, 2, 1, 3])

    queries, keys, values = map(heads, (queries, keys, values))
    scores = queries @ keys.transpose([0, 1, 3, 2]) / np.sqrt(queries.shape[-1])
    if offsets is not None:
        scores = scores + paddle.to_tensor(offsets.astype(np.float64))
    weights = nn.functional.softmax(scores)
    if factors is not None:
        weights = weights * paddle.to_tensor(factors.astype(np.float64))
    merged = (weights @ values).transpose([0, 2, 1, 3])
    return merged.reshape([*merged.shape[:2], -1])


def ours(offsets=None, n_heads=2, dropout=0.0):
    return lambda projections: attention(projections, offsets, n_heads, dropout)


def padding(*lengths: int, length: int = 5) -> np.ndarray:
    """Return offsets <float32>[batch, 1, 1, length]: -1e4 in the padding."""
    return np.where(np.arange(length) < np.array(lengths)[:, None], 0, -1e4).astype(np.float32)[:, None, None]


@given(st.integers(1, 3), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4), st.booleans(), st.integers(0, 2))
@settings(max_examples=40)
def test_result_and_gradient_are_the_formulas(batch, length, n_heads, size, weighted, n_offsets):
    arrays = [normal(batch, length, 3 * n_heads * size)]
    offsets = (None, padding(*[1, 2, 9][:batch], length=length), normal(batch, 1, length, length, seed=5))[n_offsets]
    assert_same(
        outcome(ours(offsets, n_heads), arrays, weighted=weighted),
        in_float64(lambda x: formula(x, offsets, n_heads), arrays, weighted=weighted),
    )


OFFSETS = {
    "none": None,
    "padding": padding(5, 3),
    "each pair": normal(2, 1, 5, 5, seed=3),
    "each pair and head": normal(2, 2, 5, 5, seed=3),
    "causal": np.triu(np.full((5, 5), -1e4, np.float32), 1),
    "minus infinity": np.triu(np.full((5, 5), -np.inf, np.float32), 1),
}


@pytest.mark.parametrize("offsets", OFFSETS.values(), ids=OFFSETS)
def test_offsets(offsets):
    arrays = [normal(2, 5, 3 * 6)]
    assert_same(outcome(ours(offsets), arrays), in_float64(lambda x: formula(x, offsets), arrays))


def test_a_text_that_is_all_padding():
    arrays, offsets = [normal(2, 5, 3 * 6)], padding(5, 0)
    found = outcome(ours(offsets), arrays)
    # Near -1e4 a score in float32 is a multiple of 1/1024, as it is in Paddle's own product.
    assert_same(found, in_float64(lambda x: formula(x, offsets), arrays), tolerance=3e-3)
    assert_same([found[0][:1]], [outcome(ours(), [arrays[0][:1]])[0]])


@pytest.mark.parametrize("offsets", [padding(4, 1), None], ids=["padding", "none"])
@pytest.mark.parametrize("frozen", [set(), {0}, {1}], ids=["none", "queries", "keys and values"])
def test_from_the_first_position(offsets, frozen):
    arrays = [normal(2, 1, 6), normal(2, 5, 12, seed=1)]
    found = outcome(lambda *x: attention_from_first(*x, offsets, 2, 0.0), arrays, frozen)
    assert_same(found, in_float64(lambda *x: formula_from_first(*x, offsets), arrays, frozen))
    assert {number for number in range(2) if found[1 + number] is None} == frozen


def masks(shape: tuple[int, ...], probability: float) -> np.ndarray:
    """Return the factors of the next dropout."""
    paddle.seed(7)
    mask = Mask(shape, probability)
    paddle.seed(7)
    return mask.kept * mask.scale


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.999])
def test_dropout_is_one_mask_forward_and_backward(probability):
    arrays, offsets = [normal(2, 5, 3 * 6)], padding(5, 3)
    factors = masks((2, 2, 5, 5), probability)
    assert_same(
        outcome(ours(offsets, dropout=probability), arrays),
        in_float64(lambda x: formula(x, offsets, 2, factors), arrays),
    )


def test_dropout_from_the_first_position():
    arrays = [normal(2, 1, 6), normal(2, 5, 12, seed=1)]
    factors = masks((2, 2, 1, 5), 0.5)
    assert_same(
        outcome(lambda *x: attention_from_first(*x, None, 2, 0.5), arrays),
        in_float64(lambda *x: formula_from_first(*x, None, 2, factors), arrays),
    )


def test_large_scores_do_not_overflow():
    arrays = [100 * normal(2, 5, 3 * 6)]
    found = outcome(ours(), arrays)
    assert all(np.isfinite(part).all() for part in found)
    assert_same(found[:1], in_float64(formula, arrays)[:1])


def numpy_attention(projections: np.ndarray, offsets: np.ndarray, n_heads: int) -> np.ndarray:
    """The same formula in numpy, head by head and text by text."""
    batch, length, width = projections.shape
    size = width // 3 // n_heads
    result = np.empty((batch, length, width // 3))
    for text, head in itertools.product(range(batch), range(n_heads)):
        start = head * size
        query, key, value = (projections[text, :, at + start : at + start + size] for at in range(0, width, width // 3))
        scores = query @ key.T / size**0.5 + offsets[text, 0]
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        result[text, :, start : start + size] = weights / weights.sum(axis=1, keepdims=True) @ value
    return result


def test_gradient_is_that_of_finite_differences():
    projections, offsets, upstream = normal(2, 3, 12), padding(3, 2, length=3), normal(2, 3, 4, seed=99)
    result, gradient = outcome(ours(offsets), [projections])
    assert difference(result, numpy_attention(projections.astype(np.float64), offsets, 2)) < 1e-6
    expected, step = np.empty(projections.shape), 1e-5
    for place in np.ndindex(projections.shape):
        above, below = (projections.astype(np.float64) for _ in range(2))
        above[place] += step
        below[place] -= step
        slope = (numpy_attention(above, offsets, 2) - numpy_attention(below, offsets, 2)) / (2 * step)
        expected[place] = (slope * upstream).sum()
    assert difference(gradient, expected) < 1e-5


def test_paddles_layer():
    layer = nn.MultiHeadAttention(6, 2)
    states, offsets = paddle.to_tensor(normal(2, 5, 6)), padding(5, 3)
    projections = paddle.concat([part(states) for part in (layer.q_proj, layer.k_proj, layer.v_proj)], axis=-1)
    result = layer.out_proj(attention(projections, offsets, 2, 0.0))
    assert difference(result.numpy(), layer(states, attn_mask=paddle.to_tensor(offsets)).numpy()) < 1e-5


def test_an_empty_batch():
    assert [part.shape for part in outcome(ours(), [normal(0, 3, 12)])] == [(0, 3, 4), (0, 3, 12)]


def test_a_gradient_that_is_not_contiguous():
    arrays = [normal(2, 5, 18)]
    turned, expected = (lambda x, f=f: f(x).transpose([2, 1, 0]) for f in (ours(), formula))
    assert_same(outcome(turned, arrays), in_float64(expected, arrays))


def test_an_input_that_is_not_contiguous_is_refused():
    with pytest.raises(ValueError, match="contiguous"):
        attention(paddle.ones([12, 3, 2]).transpose([2, 1, 0]), None, 2, 0.0)


def test_inputs_and_offsets_stay_as_they_are():
    offsets, arrays = normal(2, 1, 5, 5), [normal(2, 5, 18)]
    before, (leaf,) = offsets.copy(), tensors(arrays)
    attention(leaf, offsets, 2, 0.5).sum().backward()
    assert np.array_equal(offsets, before)
    assert np.array_equal(leaf.numpy(), arrays[0])


def test_gradients_accumulate_until_they_are_cleared():
    arrays = [normal(2, 5, 18)]
    (leaf,) = tensors(arrays)
    _, once = outcome(ours(), arrays, weighted=False)
    for times in (1, 2):
        ours()(leaf).sum().backward()
        assert_same([leaf.grad.numpy()], [times * once])
    leaf.clear_gradient(False)
    ours()(leaf).sum().backward()
    assert_same([leaf.grad.numpy()], [once])


def test_without_gradients():
    (leaf,) = tensors([normal(2, 5, 18)])
    with paddle.no_grad():
        result = ours()(leaf)
    assert result.stop_gradient
    assert difference(result.numpy(), ours()(leaf).numpy()) == 0


def test_derivatives_of_derivatives_are_refused():
    (leaf,) = tensors([normal(2, 5, 18)])
    with pytest.raises(Exception, match="derivatives of derivatives"):
        paddle.grad((ours()(leaf) ** 2).sum(), [leaf], create_graph=True)
