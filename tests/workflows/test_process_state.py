"""Trainings in a process with other threads and with settings that other code has changed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import numpy as np
import paddle
import pytest

from paddle_tasks import load, train
from paddle_tasks.errors import SetupError
from paddle_tasks.tasks.classification.task import ClassifierTask
from paddle_tasks.training.loop import StepReport
from paddle_tasks.workflows.baseline import baseline
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.sweep import sweep
from paddle_tasks.workflows.train import Run

WAIT = 120
"""Seconds after which a test fails instead of hanging."""


@pytest.fixture(scope="module")
def usual(small_config, tmp_path_factory) -> Run:
    """Return a run that trained alone, whose folder no test may change."""
    return train(small_config(tmp_path_factory.mktemp("usual")))


def scores(run: Run) -> dict[str, Any]:
    return {name: run.result[name] for name in ("dev", "test")}


def at_step(step: int, action: Callable[[], None]) -> Callable[[object], None]:
    """Return an observer that acts once, after this step."""

    def observe(event: object) -> None:
        if isinstance(event, StepReport) and event.step == step:
            action()

    return observe


def in_a_thread(function: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(timeout=WAIT)


# ---- beside a training


def test_a_second_training_is_refused_and_the_first_is_unchanged(small_config, tmp_path, usual):
    second, refused = small_config(tmp_path / "second"), []

    def attempt() -> None:
        message = r"second.*: a training is running in this process already \(.*first"
        for start in (
            lambda: train(second),
            lambda: in_a_thread(lambda: train(second)),
            lambda: sweep(second, seeds=[1]),
            lambda: in_a_thread(lambda: sweep(second, seeds=[1])),
        ):
            with pytest.raises(SetupError, match=message):
                start()
            refused.append(start)

    first = train(small_config(tmp_path / "first"), observe=at_step(2, attempt))
    assert len(refused) == 4
    assert scores(first) == scores(usual)
    assert not (tmp_path / "second").exists()
    assert train(second).result["status"] == "finished"


def test_no_training_gets_between_two_runs_of_a_sweep(small_config, tmp_path):
    second, refused = small_config(tmp_path / "second"), []

    def observe(event: object) -> None:
        with pytest.raises(SetupError, match="a training is running in this process already"):
            in_a_thread(lambda: train(second))
        refused.append(event)

    done = sweep(small_config(tmp_path), seeds=[1, 2], observe=observe)
    assert done.summary["status"] == "finished"
    assert len(refused) > 2
    assert not (tmp_path / "second").exists()


def test_a_training_that_fails_frees_the_place(small_config, tmp_path):
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(small_config(tmp_path), observe=at_step(1, fail))
    assert train(small_config(tmp_path)).result["status"] == "finished"


def test_predictors_and_evaluations_work_beside_a_training(small_config, tmp_path, usual):
    texts, metrics = ["房间干净", "味道很差"], evaluate(usual.folder)["metrics"]
    predictor, answers = load(usual.folder), []
    expected = predictor(texts, explain=True)

    def predict() -> None:
        answers.append(predictor(texts, explain=True))
        answers.append(in_a_thread(lambda: load(usual.folder)(texts, explain=True)))
        assert evaluate(usual.folder)["metrics"] == metrics

    run = train(small_config(tmp_path), observe=at_step(2, predict))
    assert answers == [expected, expected]
    assert scores(run) == scores(usual)


def test_a_model_that_is_loaded_during_a_step_changes_nothing(small_config, tmp_path, usual, monkeypatch):
    """Loading draws from the generator that the step draws its dropout from."""
    original, loads = ClassifierTask.loss, []
    with ThreadPoolExecutor(1) as pool:

        def loss(task: Any, model: Any, batch: Any) -> Any:
            if not loads:
                loads.append(pool.submit(load, usual.folder))
                wait(loads, timeout=1)  # if loading did not wait for the step, it would be done by now
            return original(task, model, batch)

        monkeypatch.setattr(ClassifierTask, "loss", loss)
        run = train(small_config(tmp_path))
        assert loads[0].result(WAIT)("房间干净") == load(usual.folder)("房间干净")
    assert scores(run) == scores(usual)


# ---- settings that other code has changed


SETTINGS = ("default dtype", "numpy errors", "gradients")


@contextlib.contextmanager
def changed(setting: str) -> Iterator[None]:
    """Change a setting within the block, and check that it is still changed at the end."""
    errors = np.geterr()
    if setting == "default dtype":
        paddle.set_default_dtype("float64")
    if setting == "numpy errors":
        np.seterr(all="raise")
    try:
        with paddle.set_grad_enabled(setting != "gradients"):
            before = (paddle.get_default_dtype(), np.geterr(), paddle.is_grad_enabled())
            yield
            assert (paddle.get_default_dtype(), np.geterr(), paddle.is_grad_enabled()) == before
    finally:
        paddle.set_default_dtype("float32")
        np.seterr(**errors)


@pytest.mark.long
def test_a_run_does_not_depend_on_settings_of_others(small_config, tmp_path):
    """An encoder with attention, whose softmax underflows."""
    model = {"encoder": "bert", "hidden_size": 8, "n_heads": 2, "n_layers": 1}

    def everything(folder: Path) -> list[Any]:
        config = small_config(folder)
        config["model"] = model
        run = train(config)
        predictor = load(run.folder)
        answers = [predictor("房间干净"), predictor(["味道很差"], explain=True)]
        summary = sweep(config, seeds=[2]).summary["points"][0]["runs"]
        return [scores(run), answers, evaluate(run.folder)["metrics"], summary, scores(baseline(config))]

    expected = everything(tmp_path / "usual")
    for setting in SETTINGS:
        with changed(setting):
            assert everything(tmp_path / setting) == expected


def test_static_mode_is_refused_before_anything_is_written(small_config, tmp_path, usual):
    predictor = load(usual.folder)
    actions: list[Callable[[], Any]] = [
        lambda: train(small_config(tmp_path)),
        lambda: sweep(small_config(tmp_path), seeds=[1]),
        lambda: evaluate(usual.folder),
        lambda: load(usual.folder),
        lambda: predictor("好"),
        lambda: predictor("好", explain=True),
    ]
    paddle.enable_static()
    try:
        for action in actions:
            with pytest.raises(SetupError, match="Paddle is in static mode"):
                action()
    finally:
        paddle.disable_static()
    assert list(tmp_path.iterdir()) == []
    assert predictor("好")["input"] == "好"
