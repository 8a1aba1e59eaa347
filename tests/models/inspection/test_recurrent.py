"""What recurrent networks return, against loops over time."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks.models.inspection.outputs import Findings
from paddle_tasks.models.inspection.recurrent import inspect_network

IDS = np.array([3, 1, 4, 1, 5])


def findings(kind: type[nn.Layer], **options: object) -> tuple[Findings, nn.Embedding, nn.Layer]:
    paddle.seed(3)
    embedding, network = nn.Embedding(9, 4), kind(4, 6, **options)
    return inspect_network(embedding, network, IDS), embedding, network


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def test_an_lstm_by_hand():
    found, embedding, network = findings(nn.LSTM)
    parts = {name: parameter.numpy() for name, parameter in network.named_parameters()}
    hidden, cell, outputs = np.zeros(6), np.zeros(6), []
    for vector in embedding.weight.numpy()[IDS]:
        gates = parts["weight_ih_l0"] @ vector + parts["bias_ih_l0"]
        gates = gates + parts["weight_hh_l0"] @ hidden + parts["bias_hh_l0"]
        enter, forget, candidate, out = np.split(gates, 4)
        assert 0 < sigmoid(forget).min() < sigmoid(forget).max() < 1
        cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(candidate)
        hidden = sigmoid(out) * np.tanh(cell)
        outputs.append(hidden)
    assert np.allclose(found["outputs"][0], outputs, atol=1e-6)
    assert np.allclose(found["h_n"][0, 0], hidden, atol=1e-6)
    assert np.allclose(found["c_n"][0, 0], cell, atol=1e-6)


@pytest.mark.parametrize("kind", [nn.SimpleRNN, nn.GRU, nn.LSTM])
def test_shapes_of_two_layers_in_both_directions(kind):
    found, _embedding, network = findings(kind, num_layers=2, direction="bidirect")
    assert found["outputs"].shape == (1, 5, 12)
    assert found["outputs_time_major"].shape == (5, 1, 12)
    assert found["h_n"].shape == (4, 1, 6)
    assert ("c_n" in found) == (kind is nn.LSTM)
    assert max(check.difference for check in found.checks) < 1e-6
    assert not network.time_major
