"""Calls of Paddle's mixed precision; master weights of O2 on a CPU; real half precision on a GPU."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn
from safetensors.numpy import load_file, save_file

from paddle_tasks.training.averaging import WeightAverage
from paddle_tasks.training.checkpoint import load_optimizer_state, optimizer_state
from paddle_tasks.training.loop import Loop
from paddle_tasks.training.optimizer import build_optimizer
from paddle_tasks.training.precision import Precision
from paddle_tasks.training.settings import OptimizerSection

from .toy import Toy, make_loop, make_toy, same, summed_loss, weights

SETTINGS = OptimizerSection(learning_rate=0.05, warmup_fraction=0.0, schedule="constant")


@pytest.fixture
def asked(monkeypatch) -> list[tuple[str, dict[str, Any]]]:
    """Pretend that the device is a GPU, and record the calls of `paddle.amp`."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def note(name: str, result: Any):
        def noted(**options: Any) -> Any:
            calls.append((name, options))
            return result

        return noted

    monkeypatch.setattr(paddle.device, "get_device", lambda: "gpu:0")
    monkeypatch.setattr(paddle.amp, "decorate", note("decorate", None))
    monkeypatch.setattr(paddle.amp, "auto_cast", note("auto_cast", contextlib.nullcontext()))
    monkeypatch.setattr(paddle.amp, "GradScaler", note("scaler", "a scaler"))
    return calls


@pytest.mark.parametrize("level", ["O1", "O2"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_calls_on_a_gpu(dtype, level, asked):
    precision = Precision.prepare(dtype, level)
    assert (precision.dtype, precision.level) == (dtype, level)
    assert precision.scaler == ("a scaler" if dtype == "float16" else None)
    with precision.autocast():
        pass
    assert ("auto_cast", {"level": level, "dtype": dtype}) in asked
    precision.decorate("the model", "the optimizer")
    decorated = [options for name, options in asked if name == "decorate"]
    expected = {"models": "the model", "optimizers": "the optimizer", "level": "O2", "dtype": dtype}
    assert decorated == ([{**expected, "master_weight": True}] if level == "O2" else [])


@pytest.mark.parametrize("level", ["O1", "O2"])
def test_float32_calls_nothing(level, asked):
    precision = Precision.prepare("float32", level)
    for one in (precision, Precision(level=level)):
        with one.autocast(), one.autocast_evaluation():
            one.decorate("the model", "the optimizer")
    assert (precision, asked) == (Precision(), [])


@pytest.mark.parametrize("level", ["O1", "O2"])
def test_evaluation_is_in_float32_if_the_weights_are(level, asked):
    with Precision("bfloat16", level).autocast_evaluation():
        pass
    assert asked == ([("auto_cast", {"level": "O2", "dtype": "bfloat16"})] if level == "O2" else [])


def test_the_loop_autocasts_the_forward_pass_but_not_the_backward_pass(asked, monkeypatch):
    inside: list[bool] = []

    @contextlib.contextmanager
    def auto_cast(**options: Any):
        inside.append(True)
        yield
        inside.append(False)

    monkeypatch.setattr(paddle.amp, "auto_cast", auto_cast)
    monkeypatch.setattr(paddle.device, "get_device", lambda: "cpu")
    seen: list[list[bool]] = []

    def loss(model: nn.Layer, batch: Any) -> tuple[paddle.Tensor, int]:
        seen.append(list(inside))
        value, count = summed_loss(model, batch)
        value.register_hook(lambda gradient: seen.append(list(inside)))
        return value, count

    model = make_toy()
    loop = make_loop(model, build_optimizer(model, SETTINGS), loss=loss, precision=Precision("bfloat16"), max_steps=1)
    list(loop.steps())
    assert seen == [[True], [True, False]]


# ---- O2 without a GPU: bfloat16 weights (a CPU supports all operations but products) and AdamW on float32 copies


needs_bfloat16_weights = pytest.mark.skipif(
    not paddle.amp.is_bfloat16_supported(), reason="Paddle has no bfloat16 weights on this CPU"
)


class HalfToy(Toy):
    """A toy with bfloat16 weights and float32 products, because a CPU has no bfloat16 products."""

    def forward(self, inputs: paddle.Tensor) -> paddle.Tensor:
        first, norm, last = (
            [value.astype("float32") for value in layer.parameters()] for layer in (self.first, self.norm, self.last)
        )
        hidden = nn.functional.layer_norm(inputs @ first[0] + first[1], [8], *norm)
        return nn.functional.relu(hidden) @ last[0] + last[1]


def half_toy(seed: int = 7) -> HalfToy:
    paddle.seed(seed)
    model = HalfToy()
    model.bfloat16()
    return model


@pytest.fixture
def adamw_of_master_weights(monkeypatch) -> None:
    """Make the CPU kernel do what the GPU kernel does: update the float32 copy and round it to the weight."""
    module = paddle.optimizer.adamw
    kernels = module._C_ops

    class Kernels:
        def __getattr__(self, name: str) -> Any:
            return getattr(kernels, name)

        @staticmethod
        def adamw_(weight: paddle.Tensor, gradient: paddle.Tensor, *rest: Any) -> Any:
            rest = list(rest)
            master = rest[6]
            assert master.dtype == paddle.float32
            rest[6], rest[-3] = None, False
            done = kernels.adamw_(master, gradient.astype("float32"), *rest)
            weight.copy_(master.astype(weight.dtype), True)
            return done

    monkeypatch.setattr(module, "_C_ops", Kernels())


def half_loop(model: HalfToy, *, averaged: bool) -> Loop:
    average = WeightAverage(model, 0.9) if averaged else None
    return make_loop(model, build_optimizer(model, SETTINGS), average=average, settings=SETTINGS, epochs=2)


def half_weights(model: nn.Layer) -> dict[str, np.ndarray]:
    """Return the bits of the weights, which is how Paddle converts bfloat16 to numpy."""
    found = weights(model)
    assert {value.dtype for value in found.values()} == {np.dtype(np.uint16)}
    return found


def take(loop: Loop, steps: int) -> None:
    for _, _ in zip(range(steps), loop.steps(), strict=False):
        pass


@needs_bfloat16_weights
@pytest.mark.parametrize("averaged", [False, True])
@pytest.mark.parametrize("left_out", [None, "master", "average", "own", "moment1"])
def test_training_with_master_weights_resumes_exactly(averaged, left_out, adamw_of_master_weights, tmp_path):
    model = half_toy()
    loop = half_loop(model, averaged=averaged)
    take(loop, 3)
    state = optimizer_state(loop.optimizer, model, loop.average)
    assert {key.split("::")[1] for key in state} >= {"master", "fp32_master_0_moment1", "fp32_master_0_beta1_pow_acc"}
    assert len([key for key in state if key.endswith("::master")]) == 6
    assert all(value.dtype == np.float32 for key, value in state.items() if key.endswith("::master"))
    save_file({key: value for key, value in state.items() if not key.endswith(str(left_out))}, tmp_path / "state")
    with loop.average.applied() if loop.average else contextlib.nullcontext():
        folder = {name: paddle.to_tensor(value) for name, value in half_weights(model).items()}
    take(loop, 3)

    other = half_toy(seed=11)
    other.set_state_dict(folder)
    resumed = half_loop(other, averaged=averaged)
    load_optimizer_state(resumed.optimizer, other, tmp_path / "state", resumed.average)
    resumed.progress.step, resumed.progress.epoch = 3, 1
    if left_out == "moment1":
        with pytest.raises(AssertionError, match="moment1"):  # Paddle requires all accumulators or none
            take(resumed, 3)
        return
    take(resumed, 3)
    found = optimizer_state(resumed.optimizer, other, resumed.average)
    expected = optimizer_state(loop.optimizer, model, loop.average)
    is_missed = left_out == "master" or (averaged and left_out in {"average", "own"})
    assert (same(half_weights(other), half_weights(model)) and same(found, expected)) == (not is_missed)


@needs_bfloat16_weights
def test_the_file_holds_master_weights_in_full_precision(adamw_of_master_weights, tmp_path):
    model = half_toy()
    loop = half_loop(model, averaged=False)
    take(loop, 3)
    save_file(optimizer_state(loop.optimizer, model), tmp_path / "state")
    master = load_file(tmp_path / "state")["first.weight::master"]
    rounded = model.first.weight.astype("float32").numpy()
    assert 0 < np.abs(master - rounded).max() < 0.01
    np.testing.assert_array_equal(paddle.to_tensor(master).astype("bfloat16").astype("float32").numpy(), rounded)


# ---- on a GPU

on_gpu = pytest.mark.skipif(
    not (paddle.is_compiled_with_cuda() and paddle.device.cuda.device_count()), reason="needs a CUDA device"
)


@pytest.fixture
def gpu():
    before = paddle.device.get_device()
    paddle.device.set_device("gpu:0")
    yield
    paddle.device.set_device(before)


@pytest.mark.gpu
@on_gpu
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(
    ("dtype", "level"), [("float16", "O1"), ("float16", "O2"), ("bfloat16", "O1"), ("bfloat16", "O2")]
)
def test_a_few_steps_are_finite_and_can_be_resumed(dtype, level, tmp_path):
    def prepared(seed: int) -> tuple[Toy, Loop]:
        model = make_toy(dropout=0.1, seed=seed)
        loop = make_loop(model, build_optimizer(model, SETTINGS), settings=SETTINGS, epochs=2)
        loop.precision = Precision.prepare(dtype, level)
        loop.precision.decorate(model, loop.optimizer)
        return model, loop

    model, loop = prepared(7)
    take(loop, 3)
    save_file(optimizer_state(loop.optimizer, model), tmp_path / "state")
    folder = {name: value.clone() for name, value in model.state_dict().items()}
    scaler = loop.precision.scaler.state_dict() if loop.precision.scaler else {}
    reports = list(loop.steps())
    assert all(math.isfinite(report.loss) for report in reports)
    other, resumed = prepared(11)
    other.set_state_dict(folder)
    load_optimizer_state(resumed.optimizer, other, tmp_path / "state")
    if scaler:
        resumed.precision.scaler.load_state_dict(scaler)
    resumed.progress.step, resumed.progress.epoch = 3, 1
    assert [report.loss for report in resumed.steps()] == pytest.approx([r.loss for r in reports], rel=1e-3)
