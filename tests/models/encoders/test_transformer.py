"""The from-scratch Transformer against numpy, and its positions against the paper's formula."""

from __future__ import annotations

import math

import numpy as np
import paddle
import pytest

from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.transformer import sinusoids

from ..conftest import LENGTHS, PAD, VOCABULARY, batch, make_encoder


def test_sinusoids_are_the_papers():
    table = sinusoids(40, 6).numpy()
    for position in range(40):
        for pair in range(3):
            angle = position / 10000 ** (2 * pair / 6)
            assert table[position, 2 * pair] == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[position, 2 * pair + 1] == pytest.approx(math.cos(angle), abs=1e-6)
    assert table.dtype == np.float32


def test_far_positions_are_exact_too():
    assert sinusoids(5001, 4).numpy()[5000].tolist() == pytest.approx(
        [math.sin(5000), math.cos(5000), math.sin(50), math.cos(50)], abs=1e-6
    )


def linear(layer, inputs):
    return inputs @ layer.weight.numpy().astype(np.float64) + layer.bias.numpy()


def normalise(layer, inputs):
    centred = inputs - inputs.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + layer._epsilon)
    return scaled * layer.weight.numpy() + layer.bias.numpy()


def attend(layer, inputs, n_heads):
    """Multi-head attention over one text <float64>[length, size]."""
    parts = (linear(part, inputs) for part in (layer.q_proj, layer.k_proj, layer.v_proj))
    heads = []
    for query, key, value in zip(*(np.split(part, n_heads, axis=1) for part in parts), strict=True):
        scores = query @ key.T / math.sqrt(query.shape[1])
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        heads.append(chances / chances.sum(axis=1, keepdims=True) @ value)
    return linear(layer.out_proj, np.concatenate(heads, axis=1))


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
}


def encode(encoder, embedded, activation, n_heads=2):
    """The paper's encoder: each part's output is added to its input, then normalised."""
    states = embedded.astype(np.float64)
    for layer in encoder.layers.layers:
        states = normalise(layer.norm1, states + attend(layer.self_attn, states, n_heads))
        inner = linear(layer.linear2, ACTIVATIONS[activation](linear(layer.linear1, states)))
        states = normalise(layer.norm2, states + inner)
    return states


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_states_are_numpys(positions, activation):
    encoder = make_encoder("transformer", positions=positions, activation=activation)
    encoder.eval()
    ids, types, lengths = batch()
    states, first = (found.numpy() for found in encoder(ids, types, lengths))
    table = sinusoids(16, 12).numpy() if positions == "sinusoidal" else encoder.positions.weight.numpy()
    scale = math.sqrt(12) if positions == "sinusoidal" else 1
    for row, length in enumerate(LENGTHS):
        embedded = encoder.embedding.weight.numpy()[ids[row, :length].numpy()] * scale + table[:length]
        expected = encode(encoder, embedded, activation)
        np.testing.assert_allclose(states[row, :length], expected, rtol=0, atol=2e-6)
        np.testing.assert_allclose(first[row], expected[0], rtol=0, atol=2e-6)


def test_it_has_the_size_of_its_section():
    encoder = make_encoder("transformer", n_layers=3)
    assert (encoder.width, encoder.max_length, len(encoder.layers.layers)) == (12, 16, 3)
    assert encoder.layers.layers[0].linear1.weight.shape == [12, 48]
    assert make_encoder("transformer", intermediate_size=20).layers.layers[0].linear1.weight.shape == [12, 20]


def test_the_order_of_the_tokens_counts():
    for positions in ("sinusoidal", "learned"):
        encoder = make_encoder("transformer", positions=positions)
        encoder.eval()
        ids, types, lengths = batch((9,))
        reversed_after_first = paddle.concat([ids[:, :1], ids[:, 1:].flip(1)], axis=1)
        moved = encoder(ids, types, lengths)[1] - encoder(reversed_after_first, types, lengths)[1]
        assert float(moved.abs().max()) > 1e-3, positions


def test_layers_do_not_share_their_weights():
    first, second = (layer.linear1.weight.numpy() for layer in make_encoder("transformer").layers.layers)
    assert np.abs(first - second).max() > 0.01


def test_embeddings_and_positions_have_the_same_scale():
    paddle.seed(1)
    encoder = make_encoder("transformer", hidden_size=256)
    scaled = encoder.embedding.weight.numpy() * encoder.scale
    assert np.delete(scaled, PAD, axis=0).std() == pytest.approx(1, rel=0.05)
    encoder = make_encoder("transformer-learned", hidden_size=256)
    assert encoder.embedding.weight.numpy().std() == pytest.approx(encoder.positions.weight.numpy().std(), rel=0.1)
    assert encoder.embedding.weight.shape == [VOCABULARY, 256]


def test_only_learned_positions_are_saved():
    assert "positions.weight" in make_encoder("transformer-learned").state_dict()
    assert not {"table", "positions.weight"} & set(make_encoder("transformer").state_dict())


def test_computing_only_the_first_position_gives_the_same_vector():
    whole, spared = make_encoder("transformer"), make_encoder("transformer")
    for encoder in (whole, spared):
        encoder.eval()
        cpu.switch_in(encoder)
    spared.keep_first_only()
    states, first = spared(*batch())
    assert states.shape[1] == 1
    np.testing.assert_allclose(first.numpy(), whole(*batch())[1].numpy(), rtol=0, atol=1e-6)
