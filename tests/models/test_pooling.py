"""Attention pooling against numpy; padding has no weight, whatever it holds."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.models import pooling
from paddle_tasks.models.pooling import AttentionPooling, build_pooling

from .conftest import batch
from .test_sentiment import classifier

LENGTHS = np.array([4, 1, 3])
FILLERS = (0.0, 1e4, float("nan"), float("inf"))


def layer_and_states(filler=0.0, width=5):
    """Return an attention pooling with very different scores, and a batch with ``filler`` in its padding."""
    paddle.seed(2)
    numbers = np.random.default_rng(1)
    layer = AttentionPooling(width)
    layer.context.weight.set_value(4 * numbers.normal(size=(width, 1)).astype(np.float32))
    layer.projection.bias.set_value(numbers.normal(size=width).astype(np.float32))
    states = numbers.normal(size=(3, 4, width)).astype(np.float32)
    for row, length in enumerate(LENGTHS):
        states[row, length:] = filler
    return layer, states


def attention(layer, states):
    """Yang et al. (2016), equations 5 to 7, for one text <float32>[length, width]."""
    hidden = np.tanh(states.astype(np.float64) @ layer.projection.weight.numpy() + layer.projection.bias.numpy())
    scores = np.exp(hidden @ layer.context.weight.numpy()[:, 0])
    weights = scores / scores.sum()
    return weights, weights @ states


@pytest.mark.parametrize("filler", FILLERS)
def test_it_is_numpys_over_real_positions(filler):
    layer, states = layer_and_states(filler)
    given = paddle.to_tensor(states)
    pooled = layer(given, given[:, 0], paddle.to_tensor(LENGTHS)).numpy()
    weights = layer.weights(given, paddle.to_tensor(LENGTHS)).numpy()
    for row, length in enumerate(LENGTHS):
        expected_weights, expected = attention(layer, states[row, :length])
        np.testing.assert_allclose(pooled[row], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(weights[row, :length], expected_weights, rtol=1e-5, atol=1e-7)
        assert not weights[row, length:].any(), "padding has exactly no weight"
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    assert weights[0].max() - weights[0].min() > 0.3, "even weights would be a mean"


@pytest.mark.parametrize("filler", FILLERS)
def test_gradients_are_those_of_the_real_positions(filler):
    gradients = []
    for value in (0.0, filler):
        layer, states = layer_and_states(value)
        given = paddle.to_tensor(states, stop_gradient=False)
        mixed = layer(given, given[:, 0], paddle.to_tensor(LENGTHS)) * paddle.arange(1, 6, dtype="float32")
        mixed.sum().backward()
        for row, length in enumerate(LENGTHS):
            assert not given.grad.numpy()[row, length:].any()
        gradients.append([parameter.grad.numpy() for parameter in layer.parameters()])
        assert all(np.abs(gradient).max() > 1e-3 for gradient in gradients[-1])
    for expected, found in zip(*gradients, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_half_precision_keeps_its_type():
    layer, states = layer_and_states()
    given = paddle.to_tensor(states).astype("float16")
    pooled = layer(given, given[:, 0], paddle.to_tensor(LENGTHS))
    assert pooled.dtype == paddle.float16
    np.testing.assert_allclose(pooled[0].numpy(), attention(layer, states[0])[1], rtol=0, atol=5e-3)


def test_every_pooling_can_be_built():
    states = paddle.to_tensor(layer_and_states()[1])
    found = {}
    for name in ("cls", "mean", "max", "attention"):
        found[name] = build_pooling(name, 5)(states, states[:, 0], paddle.to_tensor(LENGTHS)).numpy()
        assert found[name].shape == (3, 5)
    assert all(np.abs(found[a] - found[b]).max() > 0.01 for a in found for b in found if a < b)


def test_attention_pooling_is_in_a_classifiers_state():
    names = set(classifier("lstm", "attention").state_dict())
    assert {"pool.projection.weight", "pool.projection.bias", "pool.context.weight"} <= names
    assert not any(name.startswith("pool.") for name in classifier("lstm", "mean").state_dict())


@pytest.mark.parametrize("name", ["textcnn", "bilstm"])
def test_the_maximum_is_computed_once(monkeypatch, name):
    calls = []
    whole = pooling.max_pool
    monkeypatch.setattr(pooling, "max_pool", lambda *arguments: calls.append(1) or whole(*arguments))
    model = classifier(name, "max")
    model(*batch())
    assert len(calls) == 1


def test_textcnns_text_vector_is_its_maximum():
    answers = []
    for name in ("cls", "max"):
        model = classifier("textcnn", name)
        model.eval()
        answers.append(model(*batch()).numpy())
    np.testing.assert_array_equal(*answers)
    mean = classifier("textcnn", "mean")
    mean.eval()
    assert np.abs(mean(*batch()).numpy() - answers[0]).max() > 1e-4
