"""Recurrent Layers that start from given states, against Paddle's own in double precision."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.models import cpu

from .oracles import assert_same, normal
from .test_recurrent import LENGTHS, each_kind, in_double, make, texts, weighted_sum


@each_kind
@pytest.mark.parametrize("lengths", [LENGTHS, (1,), (7, 7, 7)], ids=str)
def test_a_layer_may_start_from_given_states(kind, lengths):
    layer = make(kind)
    size = layer.hidden_size
    inputs = [texts(lengths=lengths), normal(len(lengths), size, seed=4)]

    def run(own, arrays):
        given = [paddle.to_tensor(array, stop_gradient=False) for array in arrays]
        own.clear_gradients()
        states, last = cpu.run_recurrent(own, given[0], paddle.to_tensor(lengths), given[1])
        weighted_sum(states, last).backward()
        gradients = [tensor.grad.numpy() for tensor in (*given, *own.parameters())]
        return [states.numpy(), last.numpy(), *gradients]

    assert_same(run(layer, inputs), run(in_double(layer), [array.astype(np.float64) for array in inputs]))
