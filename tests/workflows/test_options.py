"""Options of training in whole runs: each has its effect, or is refused before anything is written."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn
from safetensors.numpy import load_file

from paddle_tasks import runtime
from paddle_tasks.errors import ConfigError
from paddle_tasks.models import gpu
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.training.adversarial import word_vectors
from paddle_tasks.training.build import build_model
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.precision import Precision
from paddle_tasks.training.tracking import read_metrics
from paddle_tasks.training.trainer import Note
from paddle_tasks.workflows import train as workflow
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.train import train
from tests.training.toy import same, weights

from .snapshot import differing, snapshot, started

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def settings(small_config, tmp_path) -> Make:
    """Return a function that makes a configuration with its own folder, encoder and options."""

    def make(name: str, encoder: str = "bert", **sections: dict[str, Any]) -> dict[str, Any]:
        model = {"encoder": encoder, "n_layers": 2, "n_heads": 2, "pooling": "mean", **sections.pop("model", {})}
        # With more detail the snapshots would contain the settings, which differ.
        return small_config(tmp_path / name, model=model, logging={"detail": "light"}, **sections)

    return make


def folder_of(config: dict[str, Any]) -> Path:
    return Path(config["run_dir"])


def trained(config: dict[str, Any]) -> dict[str, Any]:
    return snapshot(train(config).folder)


# ---- each option changes what it should, and nothing else


CHANGING = {
    "layer_decay": ("bert", {"optimizer": {"layer_decay": 0.5}}, {"weights", "metrics"}),
    "fgm_epsilon": ("textcnn", {"training": {"fgm_epsilon": 0.5}}, {"weights", "metrics"}),
    "ema_decay": ("textcnn", {"training": {"ema_decay": 0.9}}, {"weights", "metrics"}),
    "recompute": ("bert", {"training": {"recompute": True}}, set()),
    "recompute, from scratch": ("transformer", {"training": {"recompute": True}}, set()),
    "cache_frozen, where nothing is frozen": ("textcnn", {"training": {"cache_frozen": False}}, set()),
    "amp_level on a CPU": ("textcnn", {"training": {"precision": "bfloat16", "amp_level": "O2"}}, set()),
    "deterministic on a CPU": ("textcnn", {"training": {"deterministic": True}}, set()),
    "layer_decay of 1": ("textcnn", {"optimizer": {"layer_decay": 1.0}}, set()),
    "fgm_epsilon of 0": ("textcnn", {"training": {"fgm_epsilon": 0.0}}, set()),
}


@pytest.mark.parametrize("name", CHANGING)
@pytest.mark.long
def test_what_an_option_changes(name, settings):
    encoder, option, changed = CHANGING[name]
    training = {"epochs": 1, "max_steps": 4}
    plain = trained(settings("plain", encoder, training=training))
    other = {**option, "training": {**training, **option.get("training", {})}}
    different = differing(trained(settings("changed", encoder, **other)), plain)
    assert different >= changed
    assert bool(different) == bool(changed)


REFUSED = {
    "layer_decay without layers": ("textcnn", {"optimizer": {"layer_decay": 0.9}}, r"optimizer\.layer_decay"),
    "layer_decay of a bilstm": ("bilstm", {"optimizer": {"layer_decay": 0.9}}, r"optimizer\.layer_decay"),
    "recompute without layers": ("textcnn", {"training": {"recompute": True}}, r"training\.recompute"),
    "fgm_epsilon over frozen vectors": (
        "textcnn",
        {"training": {"fgm_epsilon": 0.1, "freeze": ["encoder.embedding.*"]}},
        r"training\.fgm_epsilon",
    ),
    "fgm_epsilon over a frozen encoder": (
        "bert",
        {"training": {"fgm_epsilon": 0.1, "freeze": ["encoder.*"]}},
        r"training\.fgm_epsilon",
    ),
    "ema_decay of 1": ("textcnn", {"training": {"ema_decay": 1.0}}, r"training\.ema_decay"),
    "layer_decay of 0": ("bert", {"optimizer": {"layer_decay": 0.0}}, r"optimizer\.layer_decay"),
    "amp_level": ("bert", {"training": {"amp_level": "O3"}}, r"training\.amp_level"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_impossible_option_is_refused_before_anything_is_written(name, settings):
    encoder, option, message = REFUSED[name]
    config = settings("refused", encoder, **option)
    with pytest.raises(ConfigError, match=message):
        train(config)
    assert not folder_of(config).exists()


# ---- the moving average


class RecordedRun:
    """A run with its weights before the first and after each step, and its last checkpoint."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.history: list[dict[str, np.ndarray]] = []
        self.model: nn.Layer | None = None
        with pytest.MonkeyPatch.context() as patch:
            build = workflow.build_optimizer
            patch.setattr(workflow, "build_optimizer", lambda model, section: build(self.record(model), section))
            self.folder = train(config, observe=self.observe).folder
        self.checkpoint = self.folder / "checkpoints" / (self.folder / "checkpoints/latest").read_text().strip()

    def record(self, model: nn.Layer) -> nn.Layer:
        self.model = model
        self.history.append(weights(model))
        return model

    def observe(self, event: Any) -> None:
        if isinstance(event, StepReport):
            self.history.append(weights(self.model))


DECAY = 0.3  # below the decay of the first steps from the fourth on: (1 + 4) / (10 + 4) = 0.36


@pytest.fixture
def averaged(settings) -> tuple[RecordedRun, RecordedRun]:
    """Return a run with an average, and the same run without."""
    training = {"epochs": 2, "save_every_steps": 12}
    plain, with_average = (
        RecordedRun(settings(name, "textcnn", training={**training, "ema_decay": decay}))
        for name, decay in (("plain", None), ("averaged", DECAY))
    )
    return with_average, plain


def test_the_average_is_saved_and_scored(averaged):
    run, plain = averaged
    expected = run.history[0]
    for step, now in enumerate(run.history[1:], start=1):
        decay = min(DECAY, (1 + step) / (10 + step))
        expected = {name: decay * value + (1 - decay) * now[name] for name, value in expected.items()}
    saved = load_file(run.checkpoint / "model/model.safetensors")
    assert set(saved) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(saved[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    assert not np.allclose(saved["head.output.weight"], run.history[-1]["head.output.weight"], rtol=1e-3)

    def dev_loss(checkpoint: Path) -> float:
        task, model = SentimentTask.load(checkpoint / "model")
        return float(task.evaluate(model, task.load_split("dev"), lambda: None).metrics["loss"])

    def logged(run: RecordedRun) -> float:
        return [
            record["value"] for record in read_metrics(run.folder / "metrics.jsonl") if record["tag"] == "dev/loss"
        ][-1]

    assert logged(run) == pytest.approx(dev_loss(run.checkpoint), rel=1e-6)
    assert abs(logged(run) - logged(plain)) > 1e-4


def test_training_continues_with_the_trained_weights(averaged):
    run, plain = averaged
    assert len(run.history) == len(plain.history) == 13
    assert all(same(one, two) for one, two in zip(run.history, plain.history, strict=True))
    kept = load_file(run.checkpoint / "optimizer.safetensors")
    trained_weights = {name.removesuffix("::own"): value for name, value in kept.items() if name.endswith("::own")}
    assert same(trained_weights, run.history[-1])
    assert not [name for name in load_file(plain.checkpoint / "optimizer.safetensors") if name.endswith("::own")]


# ---- recomputing layers in the backward pass


def count_call(calls: Counter[str], name: str, *inputs: Any) -> None:
    calls.update([name])


def parameter_gradients(model: nn.Layer) -> dict[str, np.ndarray]:
    return {name: value.grad.numpy() for name, value in model.named_parameters() if value.grad is not None}


@pytest.mark.parametrize("encoder", ["bert", "transformer"])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_recomputing_gives_the_same_gradients_and_calls_each_layer_twice(encoder, pooling, settings):
    gradients, calls = [], []
    for recompute in (False, True):
        config = settings("run", encoder, model={"pooling": pooling}, training={"recompute": recompute})
        task, model = started(config)
        layer_calls: Counter[str] = Counter()
        for name, layer in model.named_sublayers():
            if isinstance(layer, nn.TransformerEncoderLayer):
                layer.register_forward_pre_hook(partial(count_call, layer_calls, name))
        model.train()
        paddle.seed(3)
        task.loss(model, next(iter(task.train_batches(0, 0))))[0].backward()
        gradients.append(parameter_gradients(model))
        calls.append(sorted(layer_calls.values()))
        model.eval()
        layer_calls.clear()
        task.evaluate(model, task.splits["dev"], lambda: None)
        assert set(layer_calls.values()) == {3}, "an evaluation has no backward pass: three batches, each once"
    assert same(*gradients)
    assert any(np.abs(value).max() > 1e-3 for value in gradients[0].values())
    assert calls == [[1, 1], [2, 2]]


def test_the_gradients_differ_with_other_dropout_masks(settings):
    """The negative control of the equality above."""
    task, model = started(settings("run"))
    model.train()
    batch, gradients = next(iter(task.train_batches(0, 0))), []
    for seed in (3, 4):
        paddle.seed(seed)
        model.clear_gradients()
        task.loss(model, batch)[0].backward()
        gradients.append(parameter_gradients(model))
    assert not same(*gradients)


# ---- the adversarial pass


def test_each_step_has_a_second_pass_over_shifted_word_vectors(settings, monkeypatch):
    row_sums: list[list[float]] = []
    original = SentimentTask.loss

    def loss(task: Any, model: nn.Layer, batch: Any) -> Any:
        row_sums.append(word_vectors(model).numpy().sum(axis=1).tolist())
        return original(task, model, batch)

    monkeypatch.setattr(SentimentTask, "loss", loss)
    train(settings("run", "textcnn", training={"epochs": 1, "max_steps": 3, "fgm_epsilon": 1.0}))
    assert len(row_sums) == 6
    assert all(clean != shifted for clean, shifted in zip(row_sums[::2], row_sums[1::2], strict=True))


# ---- options for a GPU, as far as a CPU can test them


def test_deterministic_kernels_are_requested(settings, monkeypatch):
    requests: list[bool] = []
    monkeypatch.setattr(runtime, "make_deterministic", lambda: requests.append(True))
    for deterministic in (False, True):
        started(settings("run", "textcnn", training={"deterministic": deterministic}))
        assert len(requests) == deterministic


@pytest.mark.parametrize(
    ("device", "precision", "is_switched"),
    [("gpu:0", "bfloat16", True), ("gpu:0", "float16", True), ("gpu:0", "float32", False), ("cpu", "bfloat16", False)],
)
def test_attention_is_fused_on_a_gpu_in_half_precision(device, precision, is_switched, settings, monkeypatch):
    config = load_config(settings("run", training={"precision": precision}))
    task, switched = SentimentTask(config), []
    task.read()
    monkeypatch.setattr(gpu, "switch_in", switched.append)
    monkeypatch.setattr(paddle.device, "get_device", lambda: device)
    model = build_model(task, config.training)
    assert switched == ([model] if is_switched else [])


@pytest.mark.parametrize("level", ["O1", "O2"])
def test_scoring_in_half_precision_is_autocast_where_the_weights_are_half(level, settings, monkeypatch):
    entered: list[int] = []

    class RecordingPrecision(Precision):
        def autocast(self) -> Any:
            entered.append(1)
            return contextlib.nullcontext()

        def decorate(self, model: nn.Layer, optimizer: Any) -> None:
            """Leave the weights as they are: a CPU could not multiply others."""

    monkeypatch.setattr(Precision, "prepare", lambda dtype, level: RecordingPrecision("bfloat16", level))
    train(settings("run", "textcnn", training={"epochs": 1, "max_steps": 2, "amp_level": level}))
    assert len(entered) == 2 + (3 if level == "O2" else 0)  # two steps; dev, and dev and test at the end


def test_a_precision_that_a_cpu_does_not_have_is_reported(settings):
    notes: list[str] = []
    config = settings("run", "textcnn", training={"epochs": 1, "max_steps": 1, "precision": "float16"})
    train(config, observe=lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    assert notes == ["training.precision float16 needs a GPU: computing in float32"]
