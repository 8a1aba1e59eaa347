"""Fused attention computes what Paddle's own Layer does, on any device; only a GPU tests the fused kernels."""

from __future__ import annotations

import copy
from typing import Any
from unittest import mock

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.nn import functional

from paddle_tasks.models import gpu
from paddle_tasks.models.gpu.attention import forward, score_offsets

from ..conftest import batch, make_encoder

TRANSFORMERS = ("transformer", "transformer-learned", "bert", "golden/bert", "golden/ernie", "paddlenlp/roberta")
BATCH, LENGTH, WIDTH, HEADS = 3, 5, 8, 2
LENGTHS = (5, 2, 4)


@pytest.fixture
def fused(monkeypatch):
    """Watch the calls of the fused attention."""
    watched = mock.Mock(wraps=functional.scaled_dot_product_attention)
    monkeypatch.setattr(functional, "scaled_dot_product_attention", watched)
    return watched


def results(encoder: nn.Layer, lengths: tuple[int, ...] = LENGTHS) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Return the states at real positions, the text vectors, and the gradients of their weighted sum."""
    inputs = batch(lengths)
    states, first = encoder(*inputs)
    real = (paddle.arange(states.shape[1]) < inputs[2].unsqueeze(1)).astype("float32").unsqueeze(2)
    weighted = (states * real * paddle.linspace(-1, 1, states.size).reshape(states.shape)).sum() + (first**2).sum()
    encoder.clear_gradients()
    weighted.backward()
    gradients = {name: v.grad.numpy() for name, v in encoder.named_parameters() if v.grad is not None}
    return [(states * real).numpy(), first.numpy()], gradients


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("lengths", [LENGTHS, (4, 4), (1,)])
def test_an_encoder_and_its_gradients_are_the_same(name, lengths, fused):
    encoder = make_encoder(name)
    encoder.eval()
    values, gradients = results(encoder, lengths)
    assert fused.call_count == 0
    gpu.switch_in(encoder)
    found, found_gradients = results(encoder, lengths)
    layers = [layer for layer in encoder.sublayers() if isinstance(layer, nn.TransformerEncoderLayer)]
    assert fused.call_count == len(layers) >= 2
    for one, two in zip(found, values, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5)
    assert found_gradients.keys() == gradients.keys()
    for parameter, expected in gradients.items():
        np.testing.assert_allclose(found_gradients[parameter], expected, rtol=1e-4, atol=1e-5, err_msg=parameter)
    gpu.switch_out(encoder)
    for one, two in zip(results(encoder, lengths)[0], values, strict=True):
        np.testing.assert_array_equal(one, two)
    assert fused.call_count == len(layers)


def layer(**options: Any) -> nn.TransformerEncoderLayer:
    paddle.seed(4)
    return nn.TransformerEncoderLayer(WIDTH, HEADS, 16, **{"dropout": 0.0, **options})


def attended() -> paddle.Tensor:
    return (paddle.arange(LENGTH) < paddle.to_tensor(LENGTHS).unsqueeze(1)).unsqueeze([1, 2])


def masks() -> dict[str, paddle.Tensor | None]:
    real = attended()
    offsets = (real.astype("float32") - 1) * 1e9
    return {
        "none": None,
        "bool": real,
        "int": real.astype("int64"),
        "float": offsets,
        "float -1e4": offsets * 1e-5,
        "of each query": offsets.expand([BATCH, 1, LENGTH, LENGTH]) - paddle.arange(25.0).reshape([5, 5]),
        "of each head": offsets - paddle.arange(10.0).reshape([1, HEADS, 1, LENGTH]),
        "two-dimensional": -paddle.arange(25.0).reshape([LENGTH, LENGTH]),
    }


@pytest.mark.parametrize("kind", masks())
def test_every_kind_of_mask(kind, fused):
    own = layer().self_attn
    inputs, mask = paddle.randn([BATCH, LENGTH, WIDTH]), masks()[kind]
    expected = own(inputs, attn_mask=mask).numpy()
    if mask is not None:
        assert not np.allclose(expected, own(inputs).numpy(), rtol=1e-3, atol=1e-3), "the mask matters"
    np.testing.assert_allclose(forward(own, inputs, attn_mask=mask).numpy(), expected, rtol=1e-5, atol=1e-6)
    (arguments,) = fused.call_args_list
    assert [tuple(part.shape) for part in arguments.args] == [(BATCH, LENGTH, HEADS, WIDTH // HEADS)] * 3
    given = arguments.kwargs["attn_mask"]
    assert given is None if mask is None else tuple(given.shape) == (BATCH, HEADS, LENGTH, LENGTH)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", [kind for kind in masks() if kind != "none"])
def test_a_mask_in_half_precision_is_never_nan(dtype, kind):
    """In float16 -1e9 becomes -inf; 0 times that would be NaN."""
    queries = paddle.zeros([BATCH, LENGTH, HEADS, WIDTH // HEADS]).astype(dtype)
    mask = score_offsets(masks()[kind], queries)
    assert mask.dtype == queries.dtype
    values = mask.astype("float32").numpy()
    assert not np.isnan(values).any()
    wide = score_offsets(masks()[kind], queries.astype("float32")).numpy()
    np.testing.assert_array_equal(values < -5e3, wide < -5e3)
    np.testing.assert_allclose(values[wide > -5e3], wide[wide > -5e3], rtol=1e-2)
    assert (values.max(axis=-1) > -5e3).all(), "every query sees a key"


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_that_of_the_layer(training, fused):
    block = layer(dropout=0.1, attn_dropout=0.25)
    gpu.switch_in(block)
    (block.train if training else block.eval)()
    inputs = paddle.ones([BATCH, LENGTH, WIDTH])
    block(inputs)
    assert {name: fused.call_args.kwargs[name] for name in ("dropout_p", "training")} == {
        "dropout_p": 0.25,
        "training": training,
    }
    own, outputs = block.self_attn, []
    for seed in (1, 1, 2):
        paddle.seed(seed)
        outputs.append(own(inputs).numpy())
    assert np.array_equal(outputs[0], outputs[1])
    assert np.array_equal(outputs[0], outputs[2]) != training


def test_unsupported_calls_go_to_the_layers_own_forward(fused):
    own, inputs = layer().self_attn, paddle.randn([BATCH, LENGTH, WIDTH])
    others = paddle.randn([BATCH, 7, WIDTH])
    np.testing.assert_array_equal(forward(own, inputs, others, others).numpy(), own(inputs, others, others).numpy())
    cache = own.gen_cache(inputs)
    one, two = forward(own, inputs, cache=cache)[0], own(inputs, inputs, inputs, None, cache)[0]
    np.testing.assert_array_equal(one.numpy(), two.numpy())
    own.need_weights = True
    assert tuple(forward(own, inputs)[1].shape) == (BATCH, HEADS, LENGTH, LENGTH)
    own.need_weights = False
    mask = paddle.zeros([LENGTH, LENGTH])
    mask.stop_gradient = False
    forward(own, inputs, attn_mask=mask).sum().backward()
    assert mask.grad is not None
    assert fused.call_count == 0
    forward(own, inputs, inputs, inputs)
    assert fused.call_count == 1


def test_only_the_attention_of_encoder_layers_is_replaced():
    class Own(nn.MultiHeadAttention):
        """Somebody's own attention."""

    model = nn.LayerList([layer(), nn.TransformerDecoderLayer(WIDTH, HEADS, 16), nn.MultiHeadAttention(WIDTH, HEADS)])
    other, patched = layer(), layer()
    other.self_attn = Own(WIDTH, HEADS)
    patched.self_attn.forward = lambda *inputs: inputs[0]
    model.extend([other, patched])
    names = list(model.state_dict())
    for _ in range(2):
        gpu.switch_in(model)
        found = [name for name, part in model.named_sublayers() if gpu.is_switched_in(part)]
        assert found == ["0.self_attn"]
    assert list(model.state_dict()) == names


def test_a_copy_computes_with_its_own_weights():
    block = layer()
    gpu.switch_in(block)
    other, inputs = copy.deepcopy(block), paddle.randn([BATCH, LENGTH, WIDTH])
    other.self_attn.out_proj.weight.set_value(paddle.zeros([WIDTH, WIDTH]))
    assert np.abs(block.self_attn(inputs).numpy()).max() > 1e-3
    assert np.abs(other.self_attn(inputs).numpy()).max() == 0


@pytest.mark.gpu
@pytest.mark.skipif(
    not (paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count()), reason="needs a CUDA device"
)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_the_kernels_of_a_gpu_come_close(dtype):
    before = paddle.device.get_device()
    paddle.device.set_device("gpu:0")
    try:
        encoder = make_encoder("bert", dropout=0.0, hidden_size=32)
        expected, gradients = results(encoder)
        gpu.switch_in(encoder)
        with paddle.amp.auto_cast(level="O1", dtype=dtype):
            found, found_gradients = results(encoder)
    finally:
        paddle.device.set_device(before)
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.astype(np.float32), two, rtol=0.05, atol=0.05)
    for name, gradient in gradients.items():
        assert np.isfinite(found_gradients[name]).all(), name
        assert np.linalg.norm(found_gradients[name] - gradient) < 0.1 * np.linalg.norm(gradient) + 1e-2, name
