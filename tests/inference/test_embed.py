"""Sentence vectors."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks import pipeline
from paddle_tasks.inference.embed import Embedder
from paddle_tasks.models.encoders.build import EncoderSection, build_encoder
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer

TEXTS = ["房间很干净", "好", "味道不错，就是有点贵", "", "房间" * 40]


@pytest.fixture(scope="module")
def parts():
    paddle.seed(3)
    tokenizer = Tokenizer([*SPECIAL_TOKENS, *"房间很干净好味道不错就是有点贵，"])
    section = EncoderSection(
        encoder="transformer", hidden_size=16, n_heads=2, n_layers=2, max_positions=40, dropout=0.1
    )
    return build_encoder(section, len(tokenizer), tokenizer.pad_id), tokenizer


def test_a_vector_is_the_mean_of_the_last_states(parts):
    encoder, tokenizer = parts
    records = Embedder(encoder, tokenizer)(TEXTS)
    for text, record in zip(TEXTS, records, strict=True):
        ids = tokenizer.encode([text], max_length=40)[0].input_ids.astype(np.int64)[None]
        lengths = paddle.to_tensor(np.array([ids.shape[1]]))
        states = encoder(paddle.to_tensor(ids), paddle.zeros(ids.shape, "int64"), lengths)[0].numpy()[0]
        mean = states.mean(axis=0)
        assert record["vector"] == pytest.approx((mean / np.linalg.norm(mean)).tolist(), abs=1e-5)
        assert np.linalg.norm(record["vector"]) == pytest.approx(1)
    assert [record["input"] for record in records] == TEXTS
    assert [record.get("truncated", False) for record in records] == [False] * 4 + [True]


def test_vectors_do_not_depend_on_their_neighbours(parts):
    embed = Embedder(*parts)
    together, alone = embed(TEXTS * 30), embed(TEXTS[:1])[0]
    assert together[5]["vector"] == pytest.approx(alone["vector"], abs=1e-5)
    assert together[0]["vector"] != pytest.approx(together[1]["vector"], abs=1e-2)
    assert embed([]) == []


def test_texts_that_say_the_same_are_nearer_with_the_included_encoder():
    embed = pipeline("embed")
    texts = ["酒店的房间很干净", "宾馆客房非常整洁", "昨晚的球赛输了", "比赛昨天晚上没有赢"]
    vectors = np.array([record["vector"] for record in embed(texts)])
    cosines = vectors @ vectors.T
    assert cosines[0, 1] > cosines[0, 2:].max()
    assert cosines[2, 3] > cosines[2, :2].max()
    assert "酒店的房间很干净: 256 numbers" in embed(texts[0]).to_html()


def test_another_encoder_can_be_named(run):
    own = pipeline("embed", model=run.folder)("很好")["vector"]
    assert own != pytest.approx(pipeline("embed")("很好")["vector"], abs=1e-2) or len(own) != 256
