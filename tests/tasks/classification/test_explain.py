"""Integrated gradients against functions whose attributions are known, and on every kind of encoder."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paddle import nn
from paddle.nn.layer.rnn import RNNBase

from paddle_tasks import load, train
from paddle_tasks.errors import CheckpointError
from paddle_tasks.inference.pipelines import Predictor
from paddle_tasks.tasks.classification import explain as explaining
from paddle_tasks.tasks.classification.explain import explain, integrate_until_complete, integrated_gradients
from paddle_tasks.training.adversarial import word_vectors

LENGTH, WIDTH = 5, 3
NUMBERS = np.random.default_rng(7)
X, BASE, WEIGHT = (NUMBERS.normal(size=(LENGTH, WIDTH)).astype(np.float32) for _ in range(3))
KINDS = ("textcnn", "rnn", "gru", "bilstm", "transformer", "bert")
SMOOTH = ("rnn", "gru", "bilstm", "bert")  # no kinks: neither ReLU nor a maximum over the text
TEXTS = ["服务冷淡味道很差", "画面真美，会再来 [SEP] 好", "房间"]


def attribute(score, n_steps: int = explaining.N_STEPS, base: np.ndarray = BASE):
    return integrated_gradients(score, paddle.to_tensor(X), paddle.to_tensor(base), n_steps)


# ---- functions whose attributions are known


@pytest.mark.parametrize("n_steps", [1, 2, 33])
def test_a_linear_score_is_attributed_by_its_weights(n_steps):
    weight = paddle.to_tensor(WEIGHT)
    result = attribute(lambda vectors: (vectors * weight).sum(axis=[1, 2]) + 5.0, n_steps)
    np.testing.assert_allclose(result.values, (WEIGHT * (X - BASE)).sum(axis=1), rtol=0, atol=1e-5)
    assert result.difference == pytest.approx(float((WEIGHT * (X - BASE)).sum()), abs=1e-5)
    assert result.completeness_error < 1e-5


@given(st.integers(2, 5), st.integers(1, 12))
def test_quadrature_is_exact_up_to_its_degree(power, n_steps):
    """A sum of powers gives each token its own difference, from n points for a gradient of degree 2n - 1 on."""
    result = attribute(lambda vectors: (vectors**power).sum(axis=[1, 2]), n_steps)
    expected = (X.astype(np.float64) ** power - BASE.astype(np.float64) ** power).sum(axis=1)
    if power - 1 <= 2 * n_steps - 1:
        np.testing.assert_allclose(result.values, expected, rtol=1e-3, atol=1e-3)
    else:
        assert np.abs(result.values - expected).max() > 1e-2


def test_a_product_of_two_tokens_is_attributed_to_both_equally():
    result = attribute(lambda vectors: vectors[:, 0, 0] * vectors[:, 1, 0], base=np.zeros_like(BASE))
    np.testing.assert_allclose(result.values, [X[0, 0] * X[1, 0] / 2] * 2 + [0] * 3, atol=1e-6)


def test_one_gradient_at_the_text_is_not_enough():
    weight = paddle.to_tensor(WEIGHT)

    def score(vectors):
        return paddle.tanh((vectors * weight).sum(axis=[1, 2]))

    leaf = paddle.to_tensor(X[None], stop_gradient=False)
    score(leaf).sum().backward()
    result = attribute(score)
    plain = float((leaf.grad.numpy()[0] * (X - BASE)).sum())
    assert result.completeness_error < 1e-5 * abs(result.difference)
    assert abs(plain - result.difference) > 0.1 * abs(result.difference)


def test_points_can_be_computed_in_several_passes(monkeypatch):
    shapes = []

    def score(vectors):
        shapes.append(vectors.shape[0])
        return (vectors**3).sum(axis=[1, 2])

    together = attribute(score, 7).values
    monkeypatch.setattr(explaining, "TOKENS_PER_PASS", 3 * LENGTH + 1)
    np.testing.assert_allclose(attribute(score, 7).values, together, rtol=1e-5)
    assert shapes == [7, 2, 3, 3, 1, 2]


def test_it_works_inside_no_grad():
    with paddle.no_grad():
        assert attribute(lambda vectors: vectors.sum(axis=[1, 2])).completeness_error < 1e-5


# ---- classifiers


@pytest.fixture(scope="module", params=KINDS)
def predictor(request, small_config, tmp_path_factory) -> Predictor:
    """A small run of each kind of encoder."""
    model: dict[str, Any] = {"encoder": request.param, "dropout": 0.3, "n_layers": 2, "n_heads": 2, "max_positions": 16}
    output = "sigmoid" if request.param == "gru" else "softmax"
    config = small_config(
        tmp_path_factory.mktemp(request.param), model={**model, "output": output}, logging={"visualdl": False}
    )
    predictor = load(train(config).folder)
    weight = word_vectors(predictor.model)
    weight.set_value(weight * 5)  # so short a training leaves models that are nearly linear
    return predictor


def encoder_of(predictor: Predictor) -> str:
    return predictor.task.config.model.encoder


def log_odds(predictor: Predictor, ids: list[int], label: str) -> float:
    """Return a label's log-odds for token ids, from the logits of the whole model."""
    input_ids = paddle.to_tensor([ids])
    logits = (
        predictor.model(input_ids, paddle.zeros_like(input_ids), paddle.to_tensor([len(ids)]))
        .numpy()[0]
        .astype(np.float64)
    )
    index = predictor.task.labels.index(label)
    return logits[index] - np.logaddexp.reduce(np.delete(logits, index))


def difference(predictor: Predictor, text: str, label: str) -> float:
    """Return the log-odds of a text less those of its baseline, whose token ids are written out here."""
    tokenizer = predictor.task.tokenizer
    ids = tokenizer.encode([text], max_length=16)[0].input_ids.tolist()
    neutral = tokenizer.mask_id if encoder_of(predictor) == "bert" else tokenizer.pad_id
    return log_odds(predictor, ids, label) - log_odds(predictor, [ids[0], *[neutral] * (len(ids) - 2), ids[-1]], label)


def test_attributions_sum_to_the_difference(predictor):
    for record in predictor(TEXTS, explain=True):
        expected = difference(predictor, record["input"], record["label"])
        gap = abs(sum(value for _, _, value in record["attributions"]) - expected)
        assert gap < 1e-2 * abs(expected) + 1e-5
        assert record["completeness_error"] == pytest.approx(gap, abs=2e-5)


def test_more_points_give_a_smaller_error(predictor, monkeypatch):
    errors = []
    for n_steps in (1, 256):
        monkeypatch.setattr(explaining, "N_STEPS", n_steps)
        monkeypatch.setattr(explaining, "MAX_STEPS", n_steps)
        errors.append(max(record["completeness_error"] for record in predictor(TEXTS, explain=True)))
    assert errors[0] > 1e-4
    assert errors[1] < errors[0] / 10
    assert errors[1] < 1e-5 or encoder_of(predictor) not in SMOOTH


def test_points_are_doubled_until_the_sum_is_right():
    n_points = []

    def kinked(vectors):
        n_points.append(vectors.shape[0])
        return nn.functional.relu(vectors.sum(axis=[1, 2]) - 0.37)

    ones = paddle.ones([2, 3])
    result = integrate_until_complete(kinked, ones, paddle.zeros([2, 3]))
    assert result.completeness_error <= 0.01 * abs(result.difference)
    n_points.clear()
    integrate_until_complete(lambda vectors: kinked(vectors) * 0 + vectors.sum(axis=[1, 2]), ones, ones * 0)
    assert n_points == [32, 2]  # exact with the first points
    n_points.clear()
    integrate_until_complete(lambda vectors: kinked(vectors) * 0 + paddle.sign(kinked(vectors)), ones, ones * 0)
    assert [n for n in n_points[::2] if n != 2] == [32, 64, 128, 256]  # no number of points finds a jump


def test_explaining_changes_nothing_else_in_a_prediction(predictor):
    plain, explained = predictor(TEXTS), predictor(TEXTS, explain=True)
    assert [{key: record[key] for key in one} for one, record in zip(plain, explained, strict=True)] == plain
    assert predictor(TEXTS) == plain
    assert json.loads(json.dumps(explained)) == explained
    for text, record in zip(TEXTS, explained, strict=True):
        alone = predictor(text, explain=True)["attributions"]
        np.testing.assert_allclose(alone, record["attributions"], rtol=0, atol=1e-6)


def test_the_model_is_unchanged_afterwards(predictor):
    parameters = predictor.model.parameters()
    parameters[-1].stop_gradient = True
    gradients = [paddle.full_like(parameter, 2.0) for parameter in parameters]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    try:
        predictor(TEXTS[0], explain=True)
        assert all(bool((parameter.grad == 2).all()) for parameter in parameters)
        assert [parameter.stop_gradient for parameter in parameters] == [False] * (len(parameters) - 1) + [True]
    finally:
        parameters[-1].stop_gradient = False
        predictor.model.clear_gradients()
    assert all(layer.dropout == 0.3 for layer in predictor.model.sublayers() if isinstance(layer, RNNBase))
    assert not any(layer.training for layer in predictor.model.sublayers(include_self=True))
    assert not word_vectors(predictor.model).stop_gradient


def test_an_error_leaves_no_hook(predictor, monkeypatch):
    monkeypatch.setattr(
        explaining, "integrate_until_complete", lambda score, vectors, base: score(vectors.unsqueeze(0)) / None
    )
    with pytest.raises(TypeError):
        predictor(TEXTS[0], explain=True)
    monkeypatch.undo()
    embedding = next(layer for layer in predictor.model.sublayers() if isinstance(layer, nn.Embedding))
    assert not embedding._forward_post_hooks
    assert not word_vectors(predictor.model).stop_gradient


# ---- characters


@pytest.fixture(scope="module")
def plain(small_config, tmp_path_factory) -> Predictor:
    return load(train(small_config(tmp_path_factory.mktemp("plain"), logging={"visualdl": False})).folder)


def test_values_belong_to_ranges_of_characters(plain):
    text = "好  iPhone，\u200b[SEP]差"
    spans = [(start, end) for start, end, _ in plain(text, explain=True)["attributions"]]
    assert spans[0] == (0, 1)
    assert "".join(text[start:end] for start, end in spans) == "好iPhone，[SEP]差"
    assert text[slice(*spans[-2])] == "[SEP]"


def test_a_text_is_truncated_as_for_prediction(plain):
    long = "味道" * 40
    record = plain(long, explain=True)
    assert [span[:2] for span in record["attributions"]] == [[start, start + 1] for start in range(14)]
    cut = plain(long[:14], explain=True)
    assert record["attributions"] == cut["attributions"]


def test_a_text_without_tokens_has_no_attributions(plain):
    record = plain("\u200b", explain=True)
    assert (record["attributions"], record["completeness_error"]) == ([], 0.0)
    assert plain([], explain=True) == []


def test_attributions_are_those_of_the_label(plain):
    """What supports one of two labels opposes the other."""
    record = plain(TEXTS[0])
    other = next(label for label in plain.task.labels if label != record["label"])
    for_it, against = explain(plain.task, plain.model, [record, {**record, "label": other}])
    values = np.array([value for _, _, value in for_it["attributions"]])
    np.testing.assert_allclose([value for _, _, value in against["attributions"]], -values, rtol=0, atol=1e-6)
    assert np.abs(values).max() > 1e-3


def test_a_model_without_word_vectors_is_refused(plain):
    with pytest.raises(CheckpointError, match="no word vectors"):
        explain(plain.task, nn.Linear(2, 2), [plain(TEXTS[0])])
