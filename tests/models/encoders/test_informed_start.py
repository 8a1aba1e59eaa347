from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.models.encoders.build import EncoderSection, build_encoder
from paddle_tasks.models.encoders.informed_start import start_informed, word_width

N_WORDS, LENGTH = 60, 40
WIDTH = 48  # of 64, less the 16 of a head


@pytest.fixture
def encoder():
    paddle.seed(0)
    section = EncoderSection(encoder="ernie", hidden_size=64, n_layers=1, n_heads=4, max_positions=64, dropout=0.0)
    return build_encoder(section, N_WORDS, pad_id=0)


@pytest.fixture
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(N_WORDS, WIDTH)).astype(np.float32)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    drawn[:5] = 0
    return drawn


def attention_of(encoder) -> np.ndarray:
    """Return the first layer's attention weights, averaged over random texts: [heads, queries, keys]."""
    own = encoder.model.encoder.layers[0].self_attn
    ids = paddle.to_tensor(np.random.default_rng(1).integers(5, N_WORDS, (16, LENGTH)))
    states = encoder.model.embeddings(ids)
    heads = [
        part(states).reshape([16, LENGTH, own.num_heads, own.head_dim]).transpose([0, 2, 1, 3])
        for part in (own.q_proj, own.k_proj)
    ]
    scores = paddle.matmul(heads[0], heads[1], transpose_y=True) / own.head_dim**0.5
    return paddle.nn.functional.softmax(scores, axis=-1).mean(axis=0).numpy()


def seen(weights: np.ndarray, offset: int) -> float:
    """Return the mean weight of the key at this offset from its query."""
    return float(np.mean([weights[place, place + offset] for place in range(5, LENGTH - 5)]))


def test_each_head_attends_to_its_neighbour(encoder, vectors):
    start_informed(encoder, vectors)
    for weights, offset in zip(attention_of(encoder), (-1, 1, -2, 2), strict=True):
        at = {other: seen(weights, other) for other in range(-5, 6)}
        assert max(at, key=at.get) == offset
        assert at[offset] > 4 / LENGTH


def test_random_heads_attend_everywhere(encoder):
    for weights in attention_of(encoder):
        assert max(seen(weights, offset) for offset in range(-5, 6)) < 1.5 / LENGTH


def test_word_embeddings_are_the_vectors_scaled_like_random_ones(encoder, vectors):
    weight = encoder.model.embeddings.word_embeddings.weight
    before = weight.numpy()
    start_informed(encoder, vectors)
    after = weight.numpy()
    assert word_width(encoder) == WIDTH
    assert not after[:, :16].any()
    np.testing.assert_array_equal(after[:5, 16:], before[:5, 16:])
    np.testing.assert_allclose(after[5:, 16:].std(), before[5:, 16:].std(), rtol=0.05)
    np.testing.assert_allclose(
        after[5:, 16:] / np.linalg.norm(after[5:, 16:], axis=1, keepdims=True), vectors[5:], atol=1e-6
    )


def test_positions_are_sinusoids_where_no_word_is(encoder, vectors):
    weight = encoder.model.embeddings.position_embeddings.weight
    before = weight.numpy()
    start_informed(encoder, vectors)
    table = weight.numpy()
    assert not table[:, 16:].any()
    np.testing.assert_allclose(np.sqrt((table[:, :16] ** 2).mean()), np.sqrt((before**2).mean()), rtol=0.05)
    scale = np.sqrt(2) * encoder.model.config.initializer_range
    np.testing.assert_allclose(table[7, :2], [np.sin(7) * scale, np.cos(7) * scale], rtol=1e-4)
