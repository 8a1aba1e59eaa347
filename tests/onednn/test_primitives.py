"""oneDNN's operations against numpy in double precision, with odd shapes and strides."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf

from paddle_tasks.onednn import execution, primitives
from paddle_tasks.onednn.execution import Accumulate, Combine, Scale
from paddle_tasks.onednn.primitives import matmul, to_bfloat16

SIZES = st.integers(1, 20)


def widen(array: np.ndarray) -> np.ndarray:
    """Return bfloat16 numbers as float32."""
    return (array.astype(np.uint32) << 16).view(np.float32)


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """Return equal values with other strides."""
    if layout == "transposed":
        return np.ascontiguousarray(array.T).T
    if layout == "part":
        wide = np.zeros((len(array), array.shape[1] + 3), array.dtype)
        wide[:, 2:-1] = array
        return wide[:, 2:-1]
    return array


LAYOUTS = st.sampled_from(["plain", "transposed", "part"])


@given(SIZES, SIZES, SIZES, LAYOUTS, LAYOUTS, st.booleans())
@settings(max_examples=150)
def test_products(rows, inner, columns, first, second, in_bfloat16):
    generator = np.random.default_rng(rows + 100 * inner + 10_000 * columns)
    left, right = (generator.standard_normal(shape).astype(np.float32) for shape in ((rows, inner), (inner, columns)))
    if in_bfloat16:
        left, right = to_bfloat16(left), to_bfloat16(right)
    result = np.full((rows, columns), np.nan, np.float32)
    matmul(laid_out(left, first), laid_out(right, second), result)
    exact = (widen(left) if in_bfloat16 else left).astype(float) @ (widen(right) if in_bfloat16 else right)
    np.testing.assert_allclose(result, exact, rtol=1e-5, atol=2e-5)


def test_what_follows_a_product(draw):
    left, right, bias, added, before = draw(5, 7), draw(7, 6), draw(6), draw(5, 6), draw(5, 6)
    kept, result = draw(5, 6) > 0, before.copy()
    post = (Combine("mul", kept), Scale(1.25), Combine("add", added), Accumulate())
    matmul(left, right, result, bias=bias, post=post)
    np.testing.assert_allclose(result, (left @ right + bias) * kept * 1.25 + added + before, rtol=1e-5, atol=1e-5)


def test_a_post_operation_ignores_strides_so_they_are_refused(draw):
    with pytest.raises(ValueError, match="contiguous"):
        matmul(draw(2, 3), draw(3, 4), draw(2, 4), post=(Combine("add", draw(4, 2).T),))


@pytest.mark.parametrize("shapes", [((0, 3), (3, 2), (0, 2)), ((2, 0), (0, 3), (2, 3))])
def test_empty_products_are_refused(shapes):
    with pytest.raises(ValueError, match="empty"):
        matmul(*(np.zeros(shape, np.float32) for shape in shapes))


def test_softmax_and_its_gradient(draw):
    scores, gradient = draw(3, 4, 5), draw(3, 4, 5)
    weights, found = np.empty_like(scores), np.empty_like(scores)
    primitives.softmax(scores, weights)
    exact = np.exp(scores - scores.max(-1, keepdims=True))
    exact /= exact.sum(-1, keepdims=True)
    np.testing.assert_allclose(weights, exact, rtol=1e-5)
    primitives.softmax_gradient(weights, gradient, found)
    expected = exact * (gradient - (exact * gradient).sum(-1, keepdims=True))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_layer_norm_and_its_gradient(draw):
    values, weight, bias, gradient = draw(6, 8) * 3 + 1, draw(8), draw(8), draw(6, 8)
    result, found, epsilon = np.empty_like(values), np.empty_like(values), 1e-5
    statistics = primitives.layer_norm(values, weight, bias, epsilon, result)
    normal, inverse = _normal(values, epsilon)
    np.testing.assert_allclose(result, normal * weight + bias, rtol=1e-4, atol=1e-5)
    parameters = weight, bias, epsilon
    for_weight, for_bias = primitives.layer_norm_gradient(values, parameters, statistics, gradient, found)
    inner = gradient * weight
    slope = (inner * normal).mean(-1, keepdims=True)
    expected = (inner - inner.mean(-1, keepdims=True) - normal * slope) * inverse
    for ours, exact in ((found, expected), (for_weight, (gradient * normal).sum(0)), (for_bias, gradient.sum(0))):
        np.testing.assert_allclose(ours, exact, rtol=1e-4, atol=1e-5)


def _normal(values: np.ndarray, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    centred = values - values.mean(-1, keepdims=True, dtype=float)
    inverse = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
    return centred * inverse, inverse


def _gelu(x):
    return x * (1 + erf(x / np.sqrt(2))) / 2


def _gelu_tanh(x):
    return x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) / 2


FORMULAS = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda x: x / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("name", primitives.ACTIVATIONS)
def test_activations_and_their_gradients(name, draw):
    values, gradient = draw(40, 5) * 2, draw(40, 5)
    result, found = np.empty_like(values), np.empty_like(values)
    primitives.activate(name, values, result)
    wide, step, formula = values.astype(float), 1e-6, FORMULAS[name]
    np.testing.assert_allclose(result, formula(wide), rtol=1e-4, atol=1e-5)
    primitives.activation_gradient(name, values, gradient, found)
    slope = (formula(wide + step) - formula(wide - step)) / (2 * step)
    np.testing.assert_allclose(found, gradient * slope, rtol=1e-3, atol=1e-4)


def test_conversion_rounds_to_the_nearest(draw):
    values = np.append(draw(1000), np.float32([0, 1, -1, 1 + 2**-8, 1 + 3 * 2**-8, 1e-30, 1e30]))
    error = np.abs(widen(to_bfloat16(values)) - values)
    assert (error <= np.abs(values) * 2**-8).all()
    assert widen(to_bfloat16(np.float32([1 + 2**-8, 1 + 3 * 2**-8]))).tolist() == [1.0, 1.015625]  # ties to even


def test_masks_of_bytes(draw):
    values, kept = draw(7, 9), draw(7, 9) > 0
    result = np.empty_like(values)
    primitives.multiply(values, kept, result, factor=1.5)
    np.testing.assert_array_equal(result, values * kept * np.float32(1.5))


def test_primitives_are_kept_up_to_a_number(monkeypatch, draw):
    monkeypatch.setattr("paddle_tasks.onednn.execution._MOST_KEPT", 5)
    monkeypatch.setattr("paddle_tasks.onednn.execution._kept", SimpleNamespace(made=OrderedDict()))
    for size in range(1, 20):
        left, right, result = draw(2, 3), draw(3, size), np.empty((2, size), np.float32)
        matmul(left, right, result)
        np.testing.assert_allclose(result, left @ right, rtol=1e-5, atol=1e-5)
    assert len(vars(execution)["_kept"].made) == 5


@pytest.mark.parametrize("n_parts", [2, 3])
@pytest.mark.parametrize("part", ["left", "right", "out"])
def test_strides_that_onednn_takes_for_others(draw, n_parts, part):
    length, n_heads, size = 5, 4, 8
    batch = n_parts * length  # the batch whose stride is that of a head times all heads
    joined = draw(batch, length, n_parts * n_heads * size)
    strided = joined[..., : n_heads * size].reshape(batch, length, n_heads, size).swapaxes(1, 2)
    left = strided if part == "left" else draw(batch, n_heads, length, size if part == "right" else 6)
    right = strided.swapaxes(2, 3) if part == "right" else draw(batch, n_heads, left.shape[-1], size)
    out = strided if part == "out" else np.empty((batch, n_heads, length, right.shape[-1]), np.float32)
    offsets = draw(batch, 1, 1, out.shape[-1])
    post = [Combine("add", offsets)] if part != "out" else []
    expected = left @ right + (offsets if post else 0)
    matmul(left, right, out, post=post)
    np.testing.assert_allclose(out, expected, atol=1e-5)
