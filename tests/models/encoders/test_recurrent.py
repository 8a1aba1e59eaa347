"""The recurrent encoders against numpy, their directions, and the names under which their weights are saved."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest

from paddle_tasks.models.pretrained.saving import load_encoder, save_pretrained

from ..conftest import LENGTHS, RECURRENT, VOCABULARY, batch, make_encoder


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step_gru(state, inputs, recurrent):
    """Cho et al. (2014), with the reset gate after the product as in cuDNN."""
    (reset_in, update_in, new_in), (reset, update, new) = np.split(inputs, 3), np.split(recurrent, 3)
    update_gate = sigmoid(update_in + update)
    candidate = np.tanh(new_in + sigmoid(reset_in + reset) * new)
    return update_gate * state + (1 - update_gate) * candidate


def run(kind: str, network: paddle.nn.Layer, inputs: np.ndarray, suffix: str) -> np.ndarray:
    """One direction of one layer over one text <float32>[length, size], in float64."""
    weights = {part: getattr(network, f"{part}_{suffix}").numpy().astype(np.float64) for part in PARTS}
    hidden = cell = np.zeros(weights["weight_hh"].shape[1])
    states = []
    for vector in inputs:
        given = weights["weight_ih"] @ vector + weights["bias_ih"]
        kept = weights["weight_hh"] @ hidden + weights["bias_hh"]
        if kind == "rnn":
            hidden = np.tanh(given + kept)
        elif kind == "gru":
            hidden = step_gru(hidden, given, kept)
        else:
            enter, forget, new, leave = np.split(given + kept, 4)
            cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
            hidden = sigmoid(leave) * np.tanh(cell)
        states.append(hidden)
    return np.array(states)


PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


@pytest.mark.parametrize("name", RECURRENT)
def test_states_are_numpys(name):
    encoder = make_encoder(name)  # of two layers
    encoder.eval()
    ids, types, lengths = batch()
    states, first = (found.numpy() for found in encoder(ids, types, lengths))
    network = getattr(encoder, name.removeprefix("bi"))
    for row, length in enumerate(LENGTHS):
        expected = encoder.embedding(ids[row, :length]).numpy().astype(np.float64)
        for layer in ("l0", "l1"):
            onward = run(name, network, expected, layer)
            back = [run(name, network, expected[::-1], f"{layer}_reverse")[::-1]] if name == "bilstm" else []
            expected = np.concatenate([onward, *back], axis=1)
        np.testing.assert_allclose(states[row, :length], expected, rtol=0, atol=1e-6)
        own = np.concatenate([expected[-1, :6], expected[0, 6:]]) if name == "bilstm" else expected[-1]
        np.testing.assert_allclose(first[row], own, rtol=0, atol=1e-6)


def test_bilstm_reads_in_both_directions():
    encoder = make_encoder("bilstm", n_layers=1)
    encoder.eval()
    ids, types, lengths = batch((9,))
    changed = ids.clone()
    changed[0, 4] = changed[0, 4] % (VOCABULARY - 1) + 1
    moved = np.abs(encoder(ids, types, lengths)[0].numpy() - encoder(changed, types, lengths)[0].numpy())[0] > 0
    forward, backward = moved[:, :6].any(axis=1), moved[:, 6:].any(axis=1)
    assert forward.tolist() == [False] * 4 + [True] * 5
    assert backward.tolist() == [True] * 5 + [False] * 4


def test_a_bilstm_text_vector_is_the_last_state_of_each_direction():
    encoder = make_encoder("bilstm")
    encoder.eval()
    states, first = (found.numpy() for found in encoder(*batch()))
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(first[row], np.concatenate([states[row, length - 1, :6], states[row, 0, 6:]]))


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_the_others_read_forward_only(name):
    encoder = make_encoder(name)
    encoder.eval()
    ids, types, lengths = batch((9,))
    changed = ids.clone()
    changed[0, 4] = changed[0, 4] % (VOCABULARY - 1) + 1
    moved = np.abs(encoder(ids, types, lengths)[0].numpy() - encoder(changed, types, lengths)[0].numpy())[0].any(axis=1)
    assert moved.tolist() == [False] * 4 + [True] * 5


@pytest.mark.parametrize("name", RECURRENT)
@pytest.mark.parametrize("n_layers", [1, 2])
def test_dropout_is_between_layers(name, n_layers):
    encoder = make_encoder(name, n_layers=n_layers, dropout=0.5)
    encoder.dropout.p = 0.0  # that of the embeddings
    first, second = encoder(*batch())[0].numpy(), encoder(*batch())[0].numpy()
    assert np.array_equal(first, second) == (n_layers == 1)


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_the_number_of_weights(name, gates):
    # Two bias vectors, of which a textbook has one.
    weights = sum(parameter.size for parameter in getattr(make_encoder(name, n_layers=1), name).parameters())
    assert weights == gates * ((8 + 12) * 12 + 2 * 12)


def test_a_saved_bilstm_keeps_its_names(tmp_path):
    encoder = make_encoder("bilstm", n_layers=1)
    # Paddle's networks have two names for each of their parameters.
    ends, cells = ("l0", "l0_reverse"), ("lstm.0.cell_fw", "lstm.0.cell_bw")
    names = {f"lstm.{part}_{end}" for part in PARTS for end in ends} | {f"{c}.{part}" for part in PARTS for c in cells}
    assert set(encoder.state_dict()) == {"embedding.weight", *names}
    save_pretrained(encoder, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for newer in ("activation", "positions"):  # a folder that an earlier version wrote lacks them
        del config[newer]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_encoder(tmp_path).describe() == encoder.describe()
