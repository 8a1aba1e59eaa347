"""Poolings and heads against numpy, and the sentiment Layer that puts them together."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.errors import ConfigError
from paddle_tasks.models.heads import MLP_SIZE, build_head, two_class_logits
from paddle_tasks.models.pooling import pool
from paddle_tasks.models.sentiment import SentimentClassifier

from .conftest import ENCODERS, LENGTHS, WITH_POOLER, batch, make_encoder

POOLINGS, HEADS = ("cls", "mean", "max", "attention"), ("linear", "mlp")


def classifier(name="bilstm", pooling="mean", head="linear", output="softmax", dropout=0.1):
    encoder = make_encoder(name)
    n_classes = 2 if output == "sigmoid" else 3
    return SentimentClassifier(encoder, n_classes=n_classes, pooling=pooling, head=head, output=output, dropout=dropout)


@pytest.mark.parametrize("filler", [0.0, 1e4, float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_poolings_are_numpys_over_real_positions(dtype, filler):
    numbers = np.random.default_rng(1)
    lengths = np.array([4, 1, 3])
    states = numbers.normal(-2, 1, (3, 4, 5)).astype(dtype)  # mostly negative: a zero of padding would win a maximum
    for row, length in enumerate(lengths):
        states[row, length:] = filler
    first = numbers.normal(size=(3, 5)).astype(dtype)
    arguments = (paddle.to_tensor(states), paddle.to_tensor(first), paddle.to_tensor(lengths))
    for pooling, reduce in (("mean", np.mean), ("max", np.max)):
        expected = [reduce(states[row, :length].astype(np.float64), axis=0) for row, length in enumerate(lengths)]
        found = pool(pooling, *arguments)
        assert found.dtype == arguments[0].dtype
        np.testing.assert_allclose(found.numpy(), np.array(expected, dtype), rtol=2e-3 if dtype == "float16" else 1e-6)
    np.testing.assert_array_equal(pool("cls", *arguments).numpy(), first)


def test_a_mean_of_half_precision_does_not_overflow():
    states = paddle.full([1, 512, 2], 1000.0, dtype="float16")
    found = pool("mean", states, states[:, 0], paddle.to_tensor([512]))
    np.testing.assert_array_equal(found.numpy(), np.full((1, 2), 1000, np.float16))


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_padding_gets_no_gradient_from_pooling(pooling):
    states = paddle.full([1, 3, 2], float("nan"))
    states[:, :2] = paddle.to_tensor([[[1.0, 5.0], [3.0, 2.0]]])
    states.stop_gradient = False
    pool(pooling, states, states[:, 0], paddle.to_tensor([2])).sum().backward()
    expected = [[0.5, 0.5], [0.5, 0.5]] if pooling == "mean" else [[0, 1], [1, 0]]
    np.testing.assert_array_equal(states.grad.numpy()[0], [*expected, [0, 0]])


def test_heads_are_numpys():
    states = np.random.default_rng(2).normal(size=(4, 6)).astype(np.float32)
    linear, mlp = (build_head(head, 6, 3, 0.5) for head in HEADS)
    linear.eval()
    mlp.eval()
    expected = states @ linear.output.weight.numpy() + linear.output.bias.numpy()
    np.testing.assert_allclose(linear(paddle.to_tensor(states)).numpy(), expected, rtol=0, atol=1e-6)
    assert mlp.hidden.weight.shape == [6, MLP_SIZE] == [6, 256]
    hidden = np.maximum(states @ mlp.hidden.weight.numpy() + mlp.hidden.bias.numpy(), 0)
    expected = hidden @ mlp.output.weight.numpy() + mlp.output.bias.numpy()
    np.testing.assert_allclose(mlp(paddle.to_tensor(states)).numpy(), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("head", HEADS)
def test_heads_drop_out_in_training(head):
    layer = build_head(head, 6, 3, 0.5)
    states = paddle.ones([2, 6])
    assert not np.array_equal(layer(states).numpy(), layer(states).numpy())


def test_two_class_logits_are_a_sigmoid_and_its_binary_cross_entropy():
    units = np.array([-30.0, -1.5, 0.0, 0.3, 40.0], np.float32)
    labels = np.array([0, 1, 1, 0, 1])
    logits = two_class_logits(paddle.to_tensor(units[:, None]))
    probabilities = paddle.nn.functional.softmax(logits, axis=1).numpy()
    sigmoid = 1 / (1 + np.exp(-units.astype(np.float64)))
    np.testing.assert_allclose(probabilities, np.stack([1 - sigmoid, sigmoid], axis=1), rtol=1e-5, atol=1e-7)
    loss = paddle.nn.functional.cross_entropy(logits, paddle.to_tensor(labels), reduction="none").numpy()
    expected = np.logaddexp(0, np.where(labels, -1, 1) * units.astype(np.float64))
    np.testing.assert_allclose(loss.ravel(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("name", ENCODERS)
def test_a_batch_equals_its_rows(name, pooling):
    model = classifier(name, pooling, head="mlp")
    model.eval()
    ids, types, lengths = batch()
    together = model(ids, types, lengths).numpy()
    for row, length in enumerate(LENGTHS):
        alone = model(ids[row : row + 1, :length], types[row : row + 1, :length], lengths[row : row + 1]).numpy()
        np.testing.assert_allclose(together[row], alone[0], rtol=0, atol=1e-6)
    assert np.abs(together - together[0]).max() > 1e-3, "rows that are all alike would prove nothing"


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@pytest.mark.parametrize("name", ENCODERS)
def test_every_trained_parameter_gets_a_gradient(name, output, pooling):
    model = classifier(name, pooling, "mlp", output, dropout=0.0)
    logits = model(*batch())
    assert logits.shape == [len(LENGTHS), 2 if output == "sigmoid" else 3]
    paddle.nn.functional.cross_entropy(logits, paddle.to_tensor([0, 1, 1, 0])).backward()
    frozen = set()
    for parameter_name, parameter in model.named_parameters():
        if parameter.stop_gradient:
            frozen.add(parameter_name)
            continue
        assert parameter.grad is not None, parameter_name
        gradient = parameter.grad.numpy()
        assert np.isfinite(gradient).all(), parameter_name
        assert parameter_name.endswith(("k_proj.bias", "key.bias")) or gradient.any(), parameter_name
    assert bool(frozen) == (name in WITH_POOLER and pooling != "cls")
    assert all(parameter_name.startswith("encoder.model.pooler.") for parameter_name in frozen)


def test_a_sigmoid_is_for_two_classes():
    with pytest.raises(ConfigError, match="two classes, the data has 3"):
        SentimentClassifier(
            make_encoder("bilstm"), n_classes=3, pooling="cls", head="linear", output="sigmoid", dropout=0.1
        )
    assert classifier(output="sigmoid").head.output.weight.shape[1] == 1


@pytest.mark.parametrize("pooling", ["max", "attention"])
@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "bilstm", "textcnn", "transformer", "bert"])
def test_it_can_learn(name, pooling):
    model = classifier(name, pooling, "mlp", dropout=0.0)
    optimizer = paddle.optimizer.AdamW(0.01, parameters=model.parameters())
    labels = paddle.to_tensor([0, 1, 2, 0])
    for _ in range(60):
        loss = paddle.nn.functional.cross_entropy(model(*batch()), labels)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
    model.eval()
    assert float(paddle.nn.functional.cross_entropy(model(*batch()), labels)) < 0.05
    np.testing.assert_array_equal(model(*batch()).argmax(axis=1).numpy(), labels.numpy())
