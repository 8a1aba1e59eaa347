"""Attention maps against the weights that Paddle's attention returns on request."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks.models.cpu import switch_in
from paddle_tasks.models.encoders.attention_map import attention_map

from ..conftest import batch, make_encoder

TRANSFORMERS = ("transformer", "transformer-learned", "bert", "ernie", "golden/ernie", "paddlenlp/electra")
LENGTHS = (7, 4)


def read(name: str, *, switched: bool = False):
    encoder = make_encoder(name)
    encoder.eval()
    if switched:
        switch_in(encoder)
    inputs = batch(LENGTHS)
    return encoder, inputs, attention_map(encoder, lambda: encoder(*inputs))


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_it_has_the_weights_of_the_last_layer(name, monkeypatch):
    encoder, (ids, types, lengths), found = read(name)
    last = [layer for layer in encoder.sublayers() if isinstance(layer, nn.MultiHeadAttention)][-1]
    given = []
    hook = last.register_forward_pre_hook(lambda _, inputs: given.append(inputs[0]))
    encoder(ids[:1, : LENGTHS[0]], types[:1, : LENGTHS[0]], lengths[:1])
    hook.remove()
    monkeypatch.setattr(last, "need_weights", True)
    _, weights = last(given[0], given[0], given[0])
    np.testing.assert_allclose(found.weights, weights[0].numpy(), atol=1e-5)
    assert found.input_ids.tolist() == ids[0, : LENGTHS[0]].tolist()


@pytest.mark.parametrize("name", ["transformer", "bert", "golden/ernie"])
def test_faster_kernels_give_the_same_map(name):
    plain, switched = read(name)[2], read(name, switched=True)[2]
    np.testing.assert_allclose(switched.weights, plain.weights, atol=1e-5)
    np.testing.assert_allclose(plain.weights.sum(axis=2), 1, atol=1e-5)
    assert plain.weights.shape[1:] == (LENGTHS[0], LENGTHS[0])
    assert np.abs(plain.weights - plain.weights.mean()).max() > 0.001


def test_it_leaves_no_hook_and_no_gradient_behind():
    encoder, inputs, _ = read("transformer")
    assert not any(layer._forward_pre_hooks for layer in encoder.sublayers(include_self=True))
    with pytest.raises(RuntimeError, match="no text"):
        attention_map(encoder, lambda: (_ for _ in ()).throw(RuntimeError("no text")))
    assert not any(layer._forward_pre_hooks for layer in encoder.sublayers(include_self=True))
    assert paddle.is_grad_enabled()
    assert not encoder(*inputs)[0].stop_gradient


@pytest.mark.parametrize("name", ["lstm", "textcnn", "paddlenlp/albert"])
def test_other_encoders_have_none(name):
    assert read(name)[2] is None
