"""Which Layers are replaced, and what stays the same: results, names, copies, hooks, static graphs."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks.models import cpu

from .oracles import TOLERANCE, difference, normal


def model(width: int = 6) -> nn.Sequential:
    """Return Layers of every kind that is replaced."""
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(width, 2, 8, dropout=0.1), 2)
    return nn.Sequential(nn.Linear(4, width), nn.LayerNorm(width), nn.Dropout(0.2), encoder)


def switched(layer: nn.Layer) -> list[str]:
    return [type(part).__name__ for part in layer.sublayers(include_self=True) if cpu.is_switched_in(part)]


def states(*shape: int) -> paddle.Tensor:
    return paddle.to_tensor(normal(*(shape or (2, 5, 4))))


def test_in_and_out():
    layers = model()
    names, values = list(layers.state_dict()), [p.numpy() for p in layers.parameters()]
    cpu.switch_in(layers)
    assert set(switched(layers)) == {"Linear", "LayerNorm", "Dropout", "TransformerEncoderLayer"}
    assert switched(layers).count("TransformerEncoderLayer") == 2
    assert list(layers.state_dict()) == names
    assert all(map(np.array_equal, values, [p.numpy() for p in layers.parameters()]))
    cpu.switch_in(layers)  # once more changes nothing
    cpu.switch_out(layers)
    assert not switched(layers)
    assert not any("forward" in vars(part) for part in layers.sublayers(include_self=True))
    cpu.switch_out(layers)


@pytest.mark.parametrize("make", [lambda: nn.Linear(4, 3), lambda: nn.LayerNorm(4), lambda: nn.Dropout(0.5)])
def test_a_layer_by_itself(make):
    layer = make()
    layer.eval()
    before = layer(states()).numpy()
    cpu.switch_in(layer)
    assert cpu.is_switched_in(layer)
    assert difference(layer(states()).numpy(), before) < 1e-6


class OwnLinear(nn.Linear):
    """A subclass of Linear that computes something else, as LoRA does."""

    def forward(self, inputs):
        return super().forward(inputs) + 1


LEFT = {
    "no bias": lambda: nn.Linear(4, 4, bias_attr=False),
    "a subclass": lambda: OwnLinear(4, 4),
    "norm without weight": lambda: nn.LayerNorm(4, weight_attr=False),
    "norm without bias": lambda: nn.LayerNorm(4, bias_attr=False),
    "norm of two axes": lambda: nn.LayerNorm([5, 4]),
    "dropout of channels": lambda: nn.Dropout(0.5, axis=1),
    "dropout that scales down": lambda: nn.Dropout(0.5, mode="downscale_in_infer"),
    "normalised before": lambda: nn.TransformerEncoderLayer(4, 2, 8, normalize_before=True),
    "layer without biases": lambda: nn.TransformerEncoderLayer(4, 2, 8, bias_attr=False),
    "another class": nn.ReLU,
}


@pytest.mark.parametrize("make", LEFT.values(), ids=LEFT)
def test_unsupported_layers_are_left_unchanged(make):
    paddle.seed(1)
    layer = make()
    layer.eval()
    before = layer(states()).numpy()
    cpu.switch_in(layer)
    assert not cpu.is_switched_in(layer)
    assert difference(layer(states()).numpy(), before) <= TOLERANCE


def test_other_types_stay():
    layers = model()
    layers.to(dtype="float64")
    cpu.switch_in(layers)
    assert not switched(layers)
    assert layers(states().astype("float64")).dtype == paddle.float64


def test_other_devices_stay(monkeypatch):
    monkeypatch.setattr(paddle.device, "get_device", lambda: "gpu:0")
    layers = model()
    cpu.switch_in(layers)
    assert not switched(layers)


def test_an_input_of_another_type_is_refused():
    layer = nn.LayerNorm(4)
    cpu.switch_in(layer)
    with pytest.raises(ValueError, match=r"found paddle.float64 \[2, 5, 4\]"):
        layer(states().astype("float64"))


def test_a_forward_that_is_already_set_is_kept():
    layers = model()
    vars(layers[0])["forward"] = lambda inputs: states(2, 5, 6)
    cpu.switch_in(layers)
    cpu.switch_out(layers)
    assert np.array_equal(layers[0](states()).numpy(), normal(2, 5, 6))


# ---- changed parts of a Transformer layer


def encoder_layer() -> nn.TransformerEncoderLayer:
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0)
    layer.eval()
    return layer


CHANGES = {
    "subclass of linear": lambda layer: setattr(layer.self_attn, "q_proj", OwnLinear(4, 4)),
    "hook on linear": lambda layer: layer.linear1.register_forward_post_hook(lambda part, inputs, result: result + 1),
    "hook before attention": lambda layer: layer.self_attn.register_forward_pre_hook(
        lambda part, inputs: tuple(value if number else 2 * value for number, value in enumerate(inputs))
    ),
    "another norm": lambda layer: setattr(layer, "norm1", nn.Identity()),
    "another dropout": lambda layer: setattr(layer, "dropout2", nn.Dropout(0.5, mode="downscale_in_infer")),
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_replaced_or_hooked_part_is_called(change, when):
    layer = encoder_layer()
    plain = layer(states()).numpy()
    if when == "after":
        cpu.switch_in(layer)
    change(layer)
    layer.eval()
    if when == "before":
        cpu.switch_in(layer)
    result = layer(states()).numpy()
    cpu.switch_out(layer)
    assert difference(result, layer(states()).numpy()) <= TOLERANCE
    assert difference(result, plain) > 1e-3


def test_hooks_on_the_layer_itself_are_called():
    layer, seen = encoder_layer(), []
    cpu.switch_in(layer)
    layer.register_forward_post_hook(lambda part, inputs, result: seen.append(result.shape))
    layer(states())
    assert seen == [[2, 5, 4]]


# ---- copies


def changed(layers: nn.Layer) -> nn.Layer:
    """Change every parameter and the mode."""
    for parameter in layers.parameters():
        parameter.set_value(parameter.numpy() * 1.5 + 0.1)
    return layers


COPIES = {"deep copy": copy.deepcopy, "pickle": lambda layers: pickle.loads(pickle.dumps(layers))}


@pytest.mark.parametrize("duplicate", COPIES.values(), ids=COPIES)
@pytest.mark.long
def test_a_copy_computes_with_its_own_parameters(duplicate):
    layers = model()
    cpu.switch_in(layers)
    layers.eval()
    before, copied = layers(states()).numpy(), duplicate(layers)
    assert switched(copied) == switched(layers)
    assert difference(copied(states()).numpy(), before) == 0
    changed(copied)
    assert np.array_equal(layers(states()).numpy(), before)
    after = copied(states()).numpy()
    assert difference(after, before) > 1e-2
    del layers
    gc.collect()
    assert np.array_equal(copied(states()).numpy(), after)
    cpu.switch_out(copied)
    assert difference(copied(states()).numpy(), after) <= TOLERANCE


def test_a_copy_trains_by_itself():
    layers = model()
    cpu.switch_in(layers)
    copied = copy.deepcopy(layers)
    copied(states()).sum().backward()
    assert all(parameter.grad is not None for parameter in copied.parameters())
    assert all(parameter.grad is None for parameter in layers.parameters())
    copied.eval()
    assert layers[2].training


def test_a_model_is_freed_without_a_search_for_cycles():
    layers = model()
    cpu.switch_in(layers)
    parts = [weakref.ref(part) for part in layers.sublayers(include_self=True) if cpu.is_switched_in(part)]
    gc.disable()
    try:
        del layers
        assert [part() for part in parts] == [None] * len(parts)
    finally:
        gc.enable()


def test_a_forward_without_its_layer_is_an_error():
    forward = (lambda layer: (cpu.switch_in(layer), layer.forward)[1])(nn.Linear(4, 4))
    gc.collect()
    with pytest.raises(ReferenceError, match="is gone"):
        forward(states())


# ---- static graphs


def test_a_saved_graph_has_paddles_operators(tmp_path):
    layers = model()
    layers.eval()
    cpu.switch_in(layers)
    paddle.jit.save(layers, str(tmp_path / "model"), [paddle.static.InputSpec([None, None, 4], "float32")])
    loaded = paddle.jit.load(str(tmp_path / "model"))
    for shape in [(2, 5, 4), (3, 2, 4)]:
        assert difference(loaded(states(*shape)).numpy(), layers(states(*shape)).numpy()) <= TOLERANCE
    assert set(switched(layers)) == {"Linear", "LayerNorm", "Dropout", "TransformerEncoderLayer"}


@pytest.mark.parametrize("full_graph", [True, False])
@pytest.mark.long
def test_to_static(full_graph):
    layers = model()
    layers.eval()
    cpu.switch_in(layers)
    expected = layers(states()).numpy()
    if not full_graph:
        cpu.switch_out(layers)
    static = paddle.jit.to_static(layers, full_graph=full_graph)
    assert difference(static(states()).numpy(), expected) <= TOLERANCE
