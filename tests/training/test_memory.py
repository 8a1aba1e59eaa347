"""Running out of memory: which errors mean it, and how the step continues."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import paddle
import pytest
from paddle import nn
from paddle.autograd import PyLayer

from paddle_tasks.training import loop as loop_module
from paddle_tasks.training.loop import Loop, Progress
from paddle_tasks.training.memory import is_out_of_memory
from paddle_tasks.training.optimizer import build_optimizer
from paddle_tasks.training.session import CheckpointReport, MemoryReport
from paddle_tasks.training.settings import OptimizerSection

from .test_session import Rig
from .toy import Recorder, Rows, make_loop, make_toy, same, summed_loss, weights

UNCLIPPED = OptimizerSection(learning_rate=0.01, max_gradient_norm=None)
PADDLE = "\n\n--------\nError Message Summary:\n--------\nResourceExhaustedError: \n\nOut of memory error on GPU 0."
TEXTS = {
    "Paddle": RuntimeError(PADDLE),
    "Python": MemoryError(),
    "numpy": MemoryError("Unable to allocate 4.00 TiB for an array with shape (1, 2) and data type float32"),
    "cuDNN": RuntimeError("(External) CUDNN error(4), CUDNN_STATUS_ALLOC_FAILED."),
    "cuBLAS": OSError("(External) CUBLAS error(3). [Hint: 'CUBLAS_STATUS_ALLOC_FAILED'.]"),
    "system": OSError(12, "Cannot allocate memory"),
}
# Each failure collects garbage, which takes a second in a process with the objects of Paddle and of many tests.
FIRST_TEXTS = ["Paddle", *(pytest.param(name, marks=pytest.mark.long) for name in list(TEXTS)[1:])]
Fails = Callable[[Rows], bool]


class _Refusing(PyLayer):
    """The identity, with a backward pass that raises an error."""

    @staticmethod
    def forward(ctx: Any, value: paddle.Tensor, error: BaseException) -> paddle.Tensor:
        ctx.error = error
        return value.clone()

    @staticmethod
    def backward(ctx: Any, gradient: paddle.Tensor) -> paddle.Tensor:
        raise ctx.error


class Memory:
    """A loss that runs out of memory for some batches, in the forward pass or in the middle of the backward pass.

    Args:
        fails: returns whether a batch runs out of memory.
        place: ``forward`` or ``backward``; in the latter the last layer already has its gradient, the first has not.
    """

    def __init__(self, fails: Fails, place: str = "forward", error: BaseException | None = None) -> None:
        self.fails, self.place, self.error = fails, place, error or RuntimeError(PADDLE)
        self.sizes: list[int] = []

    def __call__(self, model: nn.Layer, batch: Rows) -> tuple[paddle.Tensor, int]:
        self.sizes.append(len(batch.rows))
        if not self.fails(batch):
            return summed_loss(model, batch)
        if self.place == "forward":
            raise self.error
        hidden = _Refusing.apply(nn.functional.relu(model.norm(model.first(batch.inputs))), self.error)
        return nn.functional.cross_entropy(model.last(hidden), batch.labels, reduction="sum"), len(batch.rows)


def more_than(rows: int) -> Fails:
    return lambda batch: len(batch.rows) > rows


def at_call(number: int) -> Fails:
    calls = itertools.count(1)
    return lambda batch: next(calls) == number


def recorded(loss: Any, **changes: Any) -> tuple[list[np.ndarray], Loop, list[Any]]:
    """Run 3 steps of two batches of 8 rows; return the gradients of each step, the loop and its reports."""
    model = make_toy()
    recorder = Recorder(model)
    parts = {"n_rows": 48, "accumulation_steps": 2, "settings": UNCLIPPED, **changes}
    loop = make_loop(model, recorder, loss=loss, **parts)
    return recorder.gradients, loop, list(loop.steps())


def distances(found: list[np.ndarray], expected: list[np.ndarray]) -> list[float]:
    return [float(np.linalg.norm(one - two) / np.linalg.norm(two)) for one, two in zip(found, expected, strict=True)]


@pytest.fixture(scope="module")
def whole() -> tuple[list[np.ndarray], Loop, list[Any]]:
    return recorded(summed_loss)


# ---- what is such an error


@pytest.mark.parametrize("error", TEXTS.values(), ids=TEXTS.keys())
def test_out_of_memory_errors_are_recognised(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", TEXTS.values(), ids=TEXTS.keys())
def test_out_of_memory_errors_in_a_backward_pass_are_recognised(error):
    """A PyLayer's backward turns every error into an OSError; system errors lose their number."""
    value = paddle.ones([2])
    value.stop_gradient = False
    with pytest.raises(Exception, match="GradNodePyLayer") as raised:
        _Refusing.apply(value, error).sum().backward()
    assert is_out_of_memory(raised.value)


def test_an_allocation_that_fails_for_real():
    with pytest.raises(MemoryError) as raised:
        paddle.empty([1 << 50])
    assert is_out_of_memory(raised.value)


@pytest.mark.parametrize(
    "error", [RuntimeError("invalid shape"), ValueError("out of memory"), OSError(28, "No space left on device")]
)
def test_other_errors_are_not(error):
    assert not is_out_of_memory(error)


# ---- what becomes of the step


@pytest.mark.parametrize("place", ["forward", "backward"])
@pytest.mark.parametrize(("rows", "n_parts", "tried"), [(4, 2, 4), (3, 4, 8), (2, 4, 8), (1, 8, 16)])
def test_batches_are_split_until_they_fit(place, rows, n_parts, tried, whole):
    loss = Memory(more_than(rows), place)
    gradients, loop, reports = recorded(loss)
    assert max(distances(gradients, whole[0])) < 1e-6
    assert [report.loss for report in reports] == pytest.approx([report.loss for report in whole[2]], rel=1e-6)
    assert [report.n_parts for report in reports] == [n_parts] * 3
    assert loss.sizes[-2 * tried :] == [8 // n_parts] * (2 * tried), "the later steps are cut from the start"
    kept = ("step", "epoch", "batch", "n_tokens", "n_padded_tokens", "window_count", "skipped_steps")
    assert [getattr(loop.progress, name) for name in kept] == [getattr(whole[1].progress, name) for name in kept]
    assert loop.progress.window_loss == pytest.approx(whole[1].progress.window_loss, rel=1e-6)


@pytest.mark.parametrize("place", ["forward", "backward"])
@pytest.mark.parametrize("call", [1, 2, 4])
@pytest.mark.parametrize("name", FIRST_TEXTS)
def test_the_gradients_of_the_failed_attempt_do_not_count(place, call, name, whole):
    """Call 2 is the second batch of step 1, after the first batch has added its gradients."""
    gradients, loop, reports = recorded(Memory(at_call(call), place, TEXTS[name]))
    assert max(distances(gradients, whole[0])) < 1e-6
    assert loop.progress.n_parts == 2
    assert [report.n_parts for report in reports] == ([2, 2, 2] if call < 3 else [1, 2, 2])


@pytest.mark.parametrize(
    ("place", "call", "wrong"), [("forward", 1, False), ("forward", 2, True), ("backward", 1, True)]
)
def test_they_would_count_if_they_were_not_cleared(place, call, wrong, whole, monkeypatch):
    """Negative control: gradients are cleared after the update only, not after a failed attempt."""
    clear = loop_module.Loop.clear_gradients
    monkeypatch.setattr(Loop, "clear_gradients", lambda loop: clear(loop) if loop.progress.n_parts > 1 else None)
    gradients, *_ = recorded(Memory(at_call(call), place), max_steps=1)
    assert (distances(gradients, whole[0][:1])[0] > 1e-2) == wrong


def test_a_batch_that_does_not_divide_evenly():
    """Seven rows in 4 parts are 2, 2, 2 and 1; 5 rows in 4 parts are 2, 2 and 1."""
    expected, *_ = recorded(summed_loss, n_rows=12, batch_size=7, accumulation_steps=2)
    loss = Memory(more_than(3))
    found, *_ = recorded(loss, n_rows=12, batch_size=7, accumulation_steps=2)
    assert loss.sizes == [7, 4, 2, 2, 2, 1, 2, 2, 1]
    assert max(distances(found, expected)) < 1e-6


@pytest.mark.parametrize("name", FIRST_TEXTS)
def test_when_a_single_row_does_not_fit_the_error_is_raised(name):
    error = TEXTS[name]
    loss = Memory(lambda batch: True, error=error)
    with pytest.raises(type(error)) as raised:
        recorded(loss)
    assert raised.value is error
    assert loss.sizes == [8, 4, 2, 1]


def test_any_other_error_is_raised_at_once():
    loss = Memory(at_call(2), error=RuntimeError("invalid shape"))
    with pytest.raises(RuntimeError, match="invalid shape"):
        recorded(loss)
    assert loss.sizes == [8, 8]


def test_an_attempt_draws_the_same_numbers_as_the_first():
    """A step that is split after a late failure equals the step of a loop that splits from the start."""

    def run(loss: Any, n_parts: int) -> dict[str, np.ndarray]:
        model = make_toy(dropout=0.5)
        settings = {"settings": UNCLIPPED, "loss": loss, "progress": Progress(n_parts=n_parts)}
        list(make_loop(model, build_optimizer(model, UNCLIPPED), **settings).steps())
        return weights(model)

    found, expected = run(Memory(at_call(1), "backward"), 1), run(summed_loss, 2)
    assert same(found, expected)
    assert not same(found, run(summed_loss, 1)), "other masks than those of a whole batch"


def test_out_of_memory_in_the_adversarial_pass():
    class Embedded(nn.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.last = nn.Embedding(4, 4), nn.Linear(4, 3)

        def forward(self, inputs: paddle.Tensor) -> paddle.Tensor:
            return self.last(self.words((inputs > 0).sum(axis=1) % 4))

    def run(fails: Fails, n_parts: int) -> dict[str, np.ndarray]:
        paddle.seed(2)
        model = Embedded()
        progress = Progress(n_parts=n_parts)
        loss = Memory(fails)
        optimizer = build_optimizer(model, UNCLIPPED)
        list(make_loop(model, optimizer, loss=loss, fgm_epsilon=0.5, progress=progress, settings=UNCLIPPED).steps())
        return weights(model)

    assert same(run(at_call(2), 1), run(lambda batch: False, 2))


# ---- the session


def memory_events(rig: Rig) -> list[tuple[int, int]]:
    return [(event.step, event.n_parts) for event in rig.events if isinstance(event, MemoryReport)]


def test_the_session_reports_it_once(tmp_path):
    rig = Rig(tmp_path, loss=Memory(at_call(5))).run()
    assert memory_events(rig) == [(5, 2)]
    (event,) = (event for event in rig.events if isinstance(event, MemoryReport))
    assert event.text.startswith("step 5: out of memory; from here on each batch is computed in 2 parts")
    assert "training.batch_size" in event.text


def test_the_session_reports_each_further_split(tmp_path):
    calls = itertools.count(1)
    assert memory_events(Rig(tmp_path, loss=Memory(lambda batch: next(calls) in {2, 8})).run()) == [(2, 2), (4, 4)]


def test_the_number_of_parts_survives_a_checkpoint(tmp_path):
    rig = Rig(tmp_path, loss=Memory(at_call(5)), save_every=1, max_steps=6).run()
    saved = [event.folder for event in rig.events if isinstance(event, CheckpointReport)]
    parts = [json.loads((folder / "state.json").read_text())["progress"]["n_parts"] for folder in saved]
    assert parts == [1, 1, 1, 1, 2, 2]
    state = json.loads((saved[-1] / "state.json").read_text())
    loss = Memory(lambda batch: False)
    resumed = Rig(tmp_path / "resumed", loss=loss, progress=Progress(**state["progress"])).run()
    assert memory_events(resumed) == [], "it was reported before"
    assert loss.sizes == [4] * 6, "three steps of a batch in halves"
