"""Pairs of texts: split and encoded by segment ids, or encoded separately and compared by their cosine."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.errors import ConfigError
from paddle_tasks.models.heads import CosineHead
from paddle_tasks.models.sentiment import SentimentClassifier
from paddle_tasks.models.similarity import Alignment, PairClassifier, split_pairs

from .conftest import PRETRAINED, batch, make_encoder

LENGTHS = (9, 5, 2, 7)


def pairs(kind="cross", name="bert", pooling="mean", ngrams=False) -> PairClassifier:
    paddle.seed(6)
    common = {"pooling": pooling, "head": "linear", "output": "softmax", "dropout": 0.0}
    model = PairClassifier(make_encoder(name), kind=kind, ngrams=ngrams, **common)
    model.eval()
    return model


def halves(lengths: tuple[int, ...]) -> list[int]:
    """Return the start of the second text in each row of `batch`."""
    return [length // 2 for length in lengths]


@pytest.mark.parametrize("padding", [0, 7])
def test_pairs_are_split_by_their_segments(padding):
    ids, types, lengths = batch(LENGTHS, padding)
    found, own = split_pairs(ids, types, lengths)
    starts, n = halves(LENGTHS), len(LENGTHS)
    assert own.tolist() == starts + [length - start for length, start in zip(LENGTHS, starts, strict=True)]
    for row, (start, length) in enumerate(zip(starts, LENGTHS, strict=True)):
        assert found[row, :start].tolist() == ids[row, :start].tolist()
        assert found[n + row, : length - start].tolist() == ids[row, start:length].tolist()


@pytest.mark.parametrize("name", [name for name in PRETRAINED if name != "paddlenlp/roberta"])
def test_segments_change_the_logits_of_an_encoder_with_segments(name):
    model, (ids, types, lengths) = pairs(name=name), batch(LENGTHS)
    with_types, without = (model(ids, kinds, lengths).numpy() for kinds in (types, paddle.zeros_like(types)))
    assert abs(with_types - without).max(axis=1).min() > 1e-4


def vector(model: PairClassifier, ids: paddle.Tensor) -> np.ndarray:
    lengths = paddle.to_tensor([ids.shape[1]])
    return SentimentClassifier.text_vectors(model, ids, paddle.zeros_like(ids), lengths).numpy()[0].astype(np.float64)


@pytest.mark.parametrize(("name", "pooling"), [("bert", "mean"), ("textcnn", "max"), ("bilstm", "cls")])
def test_two_encodings_are_compared_by_their_cosine(name, pooling):
    model, (ids, types, lengths) = pairs("bi", name, pooling), batch(LENGTHS, padding=7)
    scale, middle = 3.0, 0.25
    model.head.scale.set_value(paddle.to_tensor([scale]))
    model.head.middle.set_value(paddle.to_tensor([middle]))
    logits = model(ids, types, lengths).numpy()
    for row, (start, length) in enumerate(zip(halves(LENGTHS), LENGTHS, strict=True)):
        first, second = vector(model, ids[row : row + 1, :start]), vector(model, ids[row : row + 1, start:length])
        cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
        np.testing.assert_allclose(logits[row], [0, scale * (cosine - middle)], rtol=0, atol=1e-5)


def test_the_order_of_a_pair_matters_only_when_encoded_together():
    ids, types, lengths = batch((8,))
    turned = paddle.concat([ids[:, 4:], ids[:, :4]], axis=1)
    together, apart = pairs(), pairs("bi")
    assert abs(together(ids, types, lengths) - together(turned, types, lengths)).max() > 1e-4
    np.testing.assert_allclose(apart(ids, types, lengths), apart(turned, types, lengths), rtol=0, atol=1e-5)


@pytest.mark.parametrize("padding", [0, float("nan")])
def test_each_token_is_compared_with_what_it_attends_to_in_the_other_text(padding):
    paddle.seed(3)
    layer, width = Alignment(6, 0.0), 6
    _, types, lengths = batch(LENGTHS)
    states = paddle.randn([len(LENGTHS), max(LENGTHS), width])
    for row, length in enumerate(LENGTHS):
        states[row, length:] = padding
    found = layer(states, types, lengths).numpy()
    weight, bias = layer.compare.weight.numpy(), layer.compare.bias.numpy()
    for row, (start, length) in enumerate(zip(halves(LENGTHS), LENGTHS, strict=True)):
        own = states[row, :length].numpy().astype(np.float64)
        for place in range(length):
            others = own[start:] if place < start else own[:start]
            chances = np.exp(others @ own[place] / np.sqrt(width))
            met = chances @ others / chances.sum()
            expected = np.concatenate([own[place], met, abs(own[place] - met), own[place] * met]) @ weight + bias
            np.testing.assert_allclose(found[row, place], np.maximum(expected, 0), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["bert", "bilstm", "textcnn"])
def test_alignments_are_pooled_and_trained(name):
    model, (ids, types, lengths) = pairs("aligned", name), batch(LENGTHS, padding=7)
    logits = model(ids, types, lengths)
    for row, length in enumerate(LENGTHS):
        alone = model(ids[row : row + 1, :length], types[row : row + 1, :length], lengths[row : row + 1])
        np.testing.assert_allclose(logits[row].numpy(), alone[0].numpy(), rtol=0, atol=1e-5)
    assert abs(logits - model(ids, paddle.zeros_like(types), lengths)).max() > 1e-3
    model.train()
    model(ids, types, lengths)[:, 1].sum().backward()
    assert float(abs(model.align.compare.weight.grad).max()) > 0
    with pytest.raises(ConfigError, match="aligned tokens are pooled by mean, max or attention"):
        pairs("aligned", name, "cls")


def test_equal_texts_have_the_largest_similarity():
    head, vectors = CosineHead(), paddle.randn([3, 4])
    np.testing.assert_allclose(head(paddle.concat([vectors, 2 * vectors], axis=1)).numpy(), 20 * (1 - 0.5), atol=1e-4)
    np.testing.assert_allclose(head(paddle.concat([vectors, -vectors], axis=1)).numpy(), 20 * (-1 - 0.5), atol=1e-4)


def test_both_texts_and_the_head_get_gradients():
    model, (ids, types, lengths) = pairs("bi", "textcnn", "max"), batch((6,))
    model.train()
    ids[0, :3], ids[0, 3:6] = paddle.to_tensor([10, 11, 12]), paddle.to_tensor([20, 21, 22])
    model(ids, types, lengths)[:, 1].sum().backward()
    touched = abs(model.encoder.embedding.weight.grad.numpy()).sum(axis=1) > 0
    assert np.flatnonzero(touched).tolist() == [10, 11, 12, 20, 21, 22]
    assert float(abs(model.head.scale.grad)) > 0
    assert float(model.head.middle.grad) == pytest.approx(-20)
