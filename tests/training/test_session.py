"""When a session evaluates, saves, logs and stops, with scripted scores and a toy's loop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from paddle_tasks.errors import Interrupted
from paddle_tasks.training.checkpoint import CheckpointStore
from paddle_tasks.training.loop import Progress, StepReport
from paddle_tasks.training.memory import peak_memory_mb
from paddle_tasks.training.optimizer import build_optimizer
from paddle_tasks.training.session import (
    CheckpointReport,
    EvaluationReport,
    Session,
    flatten_metrics,
)
from paddle_tasks.training.settings import OptimizerSection
from paddle_tasks.training.stopping import StopSignal
from paddle_tasks.training.tracking import Tracker

from .toy import make_loop, make_toy, same, weights

ORDER = (StepReport, EvaluationReport, CheckpointReport)


class Rig:
    """A session of 3 epochs of 3 steps that records everything that happens.

    Args:
        scores: the result of each evaluation; the last one is repeated.
    """

    def __init__(
        self, folder: Path, scores: Sequence[float] = (0.5,), metric: str = "accuracy", **changes: Any
    ) -> None:
        self.model, self.scores, self.given = make_toy(), list(scores), 0
        self.values: list[tuple[int, int, str, float]] = []
        self.events: list[Any] = []
        self.copied: list[int] = []
        loop_changes = {name: changes.pop(name) for name in ("max_steps", "progress", "loss") if name in changes}
        settings: dict[str, Any] = {"evaluate_every": None, "save_every": None, "log_every": 1, "patience": None}
        self.session = Session(
            loop=make_loop(self.model, build_optimizer(self.model, OptimizerSection()), epochs=3, **loop_changes),
            tracker=Tracker({"list": self}),
            store=CheckpointStore(folder, keep=100),
            evaluate=self.evaluate,
            write_model=self.write,
            keep_best=lambda checkpoint: self.copied.append(int(checkpoint.name[5:])),
            observe=self.events.append,
            metric=metric,
            lower_is_better=metric in {"loss", "perplexity"},
            summary_metrics=(metric,),
            **{**settings, **changes},
        )

    def evaluate(self, check_interrupt) -> Mapping[str, Any]:
        check_interrupt()
        value = self.scores[min(self.given, len(self.scores) - 1)]
        self.given += 1
        return {self.session.metric: value, "per_label": {"a": {"f1": 1.0}}}

    def write(self, target: Path) -> None:
        target.mkdir()
        save_file(weights(self.model), target / "weights")

    # The methods of a Writer that the tracker calls.

    def write_scalar(self, step: int, epoch: int, tag: str, value: float) -> None:
        self.values.append((step, epoch, tag, value))

    def position(self) -> int:
        return len(self.values)

    def run(self) -> Rig:
        self.session.run()
        return self

    @property
    def progress(self) -> Progress:
        return self.session.loop.progress

    def steps_of(self, kind: type) -> list[int]:
        return [event.step for event in self.events if isinstance(event, kind)]

    def steps_with(self, tag: str) -> list[int]:
        return [step for step, _, found, _ in self.values if found == tag]


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, [3, 6, 9]),
        ({"evaluate_every": 2}, [2, 4, 6, 8, 9]),
        ({"evaluate_every": 100}, [9]),
        ({"max_steps": 5}, [3, 5]),
        ({"max_steps": 6}, [3, 6]),
    ],
)
def test_evaluations_come_when_due_and_always_at_the_end(tmp_path, settings, steps):
    rig = Rig(tmp_path, **settings).run()
    assert rig.steps_of(EvaluationReport) == rig.steps_with("dev/accuracy") == steps
    assert [epoch for _, epoch, tag, _ in rig.values if tag == "dev/accuracy"] == [-(-step // 3) for step in steps]


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, [3, 6, 9]),
        ({"save_every": 2}, [2, 3, 4, 6, 8, 9]),
        ({"save_every": 3}, [3, 6, 9]),
        ({"save_every": 1, "evaluate_every": 9}, list(range(1, 10))),
    ],
)
def test_checkpoints_come_when_due_and_once_for_a_step(tmp_path, settings, steps):
    rig = Rig(tmp_path, **settings).run()
    assert rig.steps_of(CheckpointReport) == steps
    assert sorted(path.name for path in tmp_path.glob("step-*")) == [f"step-{step:08d}" for step in steps]


def test_a_checkpoint_holds_the_state_after_its_step(tmp_path):
    """It includes the score of that step, if any, because it is written after the evaluation."""
    rig = Rig(tmp_path, scores=[0.7], save_every=2)
    at_step: dict[int, Any] = {}

    def observe(event):
        if isinstance(event, StepReport):
            at_step[event.step] = weights(rig.model)

    rig.session.observe = observe
    rig.run()
    store = rig.session.store
    for step in (2, 3, 9):
        assert same(load_file(store.step_folder(step) / "model/weights"), at_step[step])
    state = store.load_latest().state
    assert (state["progress"]["evaluated_step"], state["progress"]["best_value"]) == (9, 0.7)
    assert state["positions"] == {"list": len(rig.values)}


@pytest.mark.parametrize(
    ("metric", "scores", "best"),
    [
        ("accuracy", [0.5, 0.9, 0.7], 6),
        ("accuracy", [0.5, 0.9, 0.9], 6),
        ("accuracy", [0.9, 0.5, 0.7], 3),
        ("loss", [0.5, 0.3, 0.4], 6),
        ("loss", [0.5, 0.6, 0.7], 3),
        ("perplexity", [9.0, 8.0, 7.0], 9),
        ("loss", [float("nan"), 0.6, 0.7], 6),
        ("loss", [0.5, float("nan"), 0.4], 9),
    ],
)
def test_the_best_model_by_its_metric(tmp_path, metric, scores, best):
    rig = Rig(tmp_path, scores, metric).run()
    assert rig.progress.best_step == rig.copied[-1] == best
    assert rig.progress.best_value == scores[best // 3 - 1]
    assert (tmp_path / "best").read_text() == f"step-{best:08d}\n"
    assert [e.step for e in rig.events if isinstance(e, EvaluationReport) and e.is_best] == rig.copied


@pytest.mark.parametrize(
    ("metric", "scores", "patience", "last"),
    [
        ("accuracy", [0.5, 0.6, 0.6, 0.5, 0.9], 2, 4),
        ("accuracy", [0.5, 0.6, 0.6, 0.7, 0.6], 2, 6),
        ("loss", [0.5, 0.6], 1, 2),
        ("loss", [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1], 1, 9),
        ("accuracy", [0.5], None, 9),
    ],
)
def test_early_stopping(tmp_path, metric, scores, patience, last):
    rig = Rig(tmp_path, scores, metric, evaluate_every=1, patience=patience).run()
    assert rig.progress.step == rig.steps_of(EvaluationReport)[-1] == last
    assert rig.progress.stopped_early == (last < 9)


def test_the_tags_of_the_contract_in_their_order(tmp_path):
    rig = Rig(tmp_path).run()
    step = ["train/loss", "train/learning_rate", "train/gradient_norm"]
    system = ["system/tokens_per_second", "system/memory_mb"]
    assert [tag for number, _, tag, _ in rig.values if number == 3] == [*step, *system, "dev/accuracy", "dev/f1/a"]
    assert [tag for number, _, tag, _ in rig.values if number == 4] == [*step, *system]


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"log_every": 1}, list(range(1, 10))),
        ({"log_every": 2}, [2, 3, 4, 6, 8, 9]),
        ({"log_every": 100}, [3, 6, 9]),
        ({"log_every": 100, "max_steps": 2}, [2]),
    ],
)
def test_steps_are_logged_when_due_and_at_the_end(tmp_path, settings, steps):
    rig = Rig(tmp_path, **settings).run()
    tags = ("train/loss", "train/learning_rate", "train/gradient_norm", "system/tokens_per_second", "system/memory_mb")
    assert {tag: rig.steps_with(tag) for tag in tags} == dict.fromkeys(tags, steps)


def test_the_logged_loss_is_the_mean_over_the_rows_since_the_last(tmp_path):
    rig = Rig(tmp_path, log_every=2).run()
    losses = {event.step: event.loss for event in rig.events if isinstance(event, StepReport)}
    logged = {step: value for step, _, tag, value in rig.values if tag == "train/loss"}
    windows = {2: [1, 2], 3: [3], 4: [4], 6: [5, 6], 8: [7, 8], 9: [9]}
    assert logged == pytest.approx({end: np.mean([losses[step] for step in steps]) for end, steps in windows.items()})


def test_a_skipped_step_leaves_no_gap_in_the_other_curves(tmp_path):
    def spoiled(model, batch):
        loss, count = make_loop(model, None).loss(model, batch)
        return loss * float("nan") if rig.progress.step == 3 else loss, count

    rig = Rig(tmp_path, loss=spoiled)
    rig.session.loop.on_nonfinite = "skip"
    rig.run()
    assert rig.steps_with("train/loss") == rig.steps_with("train/gradient_norm") == [1, 2, 3, 5, 6, 7, 8, 9]
    assert rig.steps_with("train/learning_rate") == list(range(1, 10))
    assert rig.progress.skipped_steps == 1


# ---- stopping and resuming


def test_a_signal_finishes_the_step_and_saves(tmp_path):
    rig = Rig(tmp_path)

    def observe(event):
        rig.events.append(event)
        if isinstance(event, StepReport) and event.step == 4:
            rig.session.loop.stop.received = "SIGTERM"

    rig.session.observe = observe
    with pytest.raises(Interrupted, match="SIGTERM"):
        rig.run()
    assert rig.steps_of(StepReport) == [1, 2, 3, 4]
    assert rig.session.store.load_latest().state["progress"]["step"] == 4


def test_an_evaluation_that_a_signal_interrupts_is_repeated_on_resuming(tmp_path):
    rig = Rig(tmp_path)
    rig.session.observe = lambda event: setattr(rig.session.loop.stop, "received", "SIGINT")
    rig.session.evaluate_every = 1
    with pytest.raises(Interrupted):
        rig.run()
    assert rig.steps_with("dev/accuracy") == []
    state = rig.session.store.load_latest().state["progress"]
    assert (state["step"], state["evaluated_step"]) == (1, 0)
    again = Rig(tmp_path, progress=Progress(**state), evaluate_every=1)
    again.run()
    assert again.steps_with("dev/accuracy") == list(range(1, 10))


def test_a_best_model_that_was_not_copied_before_a_crash_is_copied_on_resuming(tmp_path):
    rig = Rig(tmp_path, [0.5, 0.9], max_steps=6).run()
    (tmp_path / "best").write_text("step-00000003\n")
    again = Rig(tmp_path, [0.1], progress=rig.progress).run()
    assert again.copied == [6]
    assert (tmp_path / "best").read_text() == "step-00000006\n"


class TestStopSignal:
    """Handlers are installed and removed; a second Ctrl-C stops at once, a second SIGTERM does not."""

    @pytest.mark.parametrize(
        ("number", "message"), [(signal.SIGINT, r"stopped \(Ctrl-C\)"), (signal.SIGTERM, "stopped by SIGTERM")]
    )
    def test_the_first_signal_is_recorded(self, number, message):
        before = signal.getsignal(number)
        with StopSignal().listening() as stop:
            stop.check()
            os.kill(os.getpid(), number)
            with pytest.raises(Interrupted, match=message):
                stop.check()
        assert signal.getsignal(number) is before

    @pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
    def test_a_second_ctrl_c_stops_at_once(self, first):
        with StopSignal().listening():
            signal.raise_signal(first)
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)

    def test_a_second_sigterm_changes_nothing(self):
        with StopSignal().listening() as stop:
            for _ in range(3):
                signal.raise_signal(signal.SIGTERM)
            assert stop.received == "SIGTERM"

    def test_outside_the_main_thread_there_is_nothing_to_handle(self):
        found = []

        def listen():
            with StopSignal().listening() as stop:
                found.append(stop.received)

        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
        assert found == [None]


def test_only_numbers_become_scalars():
    assert flatten_metrics({"f1": 0.5, "rows": 3, "errors": {"a": 1}}, "dev") == {"dev/f1": 0.5, "dev/rows": 3.0}


def test_the_f1_of_each_label_becomes_a_scalar():
    per_label = {"a": {"f1": 0.25, "rows": 3}, "b/c": {"f1": 1, "rows": 1}}
    assert flatten_metrics({"f1": 0.5, "per_label": per_label}, "test") == {
        "test/f1": 0.5,
        "test/f1/a": 0.25,
        "test/f1/b/c": 1.0,
    }


def test_peak_memory_is_in_megabytes_and_never_falls():
    before = peak_memory_mb()
    block = np.ones(40_000_000, dtype=np.uint8)
    assert 50 < before <= peak_memory_mb() < 1e6
    assert block.all()
