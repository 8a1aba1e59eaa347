"""Long texts: windows are encoded as separate texts and pooled; the course's head begins with the pooler."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.models.heads import COURSE_SIZE, CourseHead
from paddle_tasks.models.long_text import LongTextClassifier, WindowSettings
from paddle_tasks.models.pretrained.saving import load_encoder, load_state, save_pretrained
from paddle_tasks.models.sentiment import SentimentClassifier

from .conftest import WITH_POOLER, batch, make_encoder

SIZE = 4
LENGTHS = (11, 4, 1, 8)


def long_text(name="transformer", window_pooling="mean", pooling="mean", head="linear") -> LongTextClassifier:
    common = {"n_classes": 3, "pooling": pooling, "head": head, "output": "softmax", "dropout": 0.0}
    paddle.seed(6)
    model = LongTextClassifier(make_encoder(name), windows=WindowSettings(SIZE, window_pooling), **common)
    model.eval()
    return model


def one_window(model: LongTextClassifier, ids: paddle.Tensor) -> np.ndarray:
    """Return the vector of a window, encoded as a short text."""
    length = paddle.to_tensor([ids.shape[1]])
    return SentimentClassifier.text_vectors(model, ids, paddle.zeros_like(ids), length).numpy()[0]


@pytest.mark.parametrize("window_pooling", ["mean", "max"])
@pytest.mark.parametrize(("name", "pooling"), [("transformer", "mean"), ("golden/bert", "cls"), ("bilstm", "max")])
def test_a_text_vector_is_pooled_over_windows(name, pooling, window_pooling):
    model = long_text(name, window_pooling, pooling)
    ids, _, lengths = batch(LENGTHS, padding=7)
    with paddle.no_grad():
        found = model.text_vectors(ids, paddle.zeros_like(ids), lengths).numpy()
        for row, length in enumerate(LENGTHS):
            starts = range(0, length, SIZE)
            vectors = [one_window(model, ids[row : row + 1, at : min(at + SIZE, length)]) for at in starts]
            expected = np.mean(vectors, axis=0) if window_pooling == "mean" else np.max(vectors, axis=0)
            np.testing.assert_allclose(found[row], expected, rtol=0, atol=5e-6)


def test_windows_and_their_order_matter():
    model = long_text()
    ids, types, lengths = batch((8, 8))
    ids = paddle.concat([ids[:1], paddle.concat([ids[:1, :SIZE], ids[1:, SIZE:]], axis=1)])
    first, second = model(ids, types, lengths).numpy()
    assert abs(first - second).max() > 1e-3, "the second window is read"


def test_every_real_token_gets_a_gradient_and_no_other():
    model = long_text()
    embedding = model.encoder.embedding
    ids, types, lengths = batch(LENGTHS)
    ids[0, :11] = paddle.arange(10, 21)
    ids[1, :4] = paddle.arange(21, 25)
    ids[2, 0], ids[2, 1:] = 25, 40
    model(ids, types, lengths)[:3].sum().backward()
    touched = abs(embedding.weight.grad.numpy()).sum(axis=1) > 1e-9  # the softmax leaves 1e-28 to what is masked
    assert touched[10:26].all()
    assert not touched[40]


# ---- the course's head


def test_the_head_is_numpys():
    head = CourseHead(6, 5, 0.0)
    states = np.random.default_rng(1).normal(size=(4, 6)).astype(np.float32)

    def mapped(values, layer):
        return values @ layer.weight.numpy() + layer.bias.numpy()

    hidden = np.maximum(mapped(np.tanh(mapped(states, head.pooler)), head.hidden), 0)
    assert hidden.shape == (4, COURSE_SIZE) == (4, 200)
    np.testing.assert_allclose(head(paddle.to_tensor(states)).numpy(), mapped(hidden, head.output), atol=1e-5)


@pytest.mark.parametrize("name", WITH_POOLER)
def test_the_pooler_is_the_encoders_own(name):
    encoder, ids_types_lengths = make_encoder(name), batch()
    encoder.eval()
    with paddle.no_grad():
        own = encoder(*ids_types_lengths)[1].numpy()
        model = SentimentClassifier(
            make_encoder(name), n_classes=2, pooling="cls", head="course", output="softmax", dropout=0.0
        )
        model.eval()
        vectors = model.text_vectors(*ids_types_lengths)
        np.testing.assert_allclose(paddle.tanh(model.head.pooler(vectors)).numpy(), own, rtol=0, atol=5e-6)
    assert abs(vectors.numpy() - own).max() > 1e-2
    assert not [key for key, _ in model.encoder.named_parameters() if "pooler" in key]


def test_an_encoder_without_a_pooler_gets_a_new_one():
    assert make_encoder("paddlenlp/electra").take_pooler() is None
    assert make_encoder("bilstm").take_pooler() is None
    model = long_text("bilstm", head="course", pooling="cls")
    assert model.head.pooler.weight.shape == [model.encoder.width] * 2


@pytest.mark.parametrize("name", ["golden/bert", "paddlenlp/albert", "bilstm"])
def test_a_saved_model_is_the_same(tmp_path, name):
    model, inputs = long_text(name, head="course", pooling="cls"), batch(LENGTHS)
    save_pretrained(model, tmp_path)
    common = {"n_classes": 3, "pooling": "cls", "head": "course", "output": "softmax", "dropout": 0.0}
    loaded = LongTextClassifier(load_encoder(tmp_path), windows=WindowSettings(SIZE, "mean"), **common)
    loaded.eval()
    assert abs(loaded(*inputs).numpy() - model(*inputs).numpy()).max() > 1e-3
    load_state(loaded, tmp_path)
    np.testing.assert_array_equal(loaded(*inputs).numpy(), model(*inputs).numpy())
