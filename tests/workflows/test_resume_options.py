"""Runs with options that keep something besides weights and moments are resumed exactly too."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from paddle_tasks.errors import Interrupted
from paddle_tasks.tasks.sentiment.task import Task
from paddle_tasks.training import checkpoint as checkpoint_module
from paddle_tasks.workflows import train as workflow
from paddle_tasks.workflows.train import train

from .snapshot import differing, snapshot
from .test_resume import (  # noqa: F401 (the fixture)
    INTERRUPTIONS,
    CrashError,
    Interruption,
    Patch,
    at_call,
    crash,
    in_evaluation,
    interrupt,
    resume,
    settings_in_folders,
)

OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "ema_decay": ("textcnn", {"ema_decay": 0.9}),
    "fgm_epsilon": ("textcnn", {"fgm_epsilon": 0.5}),
    "ema_decay and fgm_epsilon": ("bert", {"ema_decay": 0.9, "fgm_epsilon": 0.5}),
    "recompute": ("bert", {"recompute": True}),
    "cache_frozen": ("textcnn", {"freeze": ["encoder.*"]}),
    "freeze and ema_decay": ("textcnn", {"freeze": ["encoder.*"], "cache_frozen": False, "ema_decay": 0.9}),
}


@pytest.mark.parametrize("name", ["crash in mid-accumulation", "signal in an evaluation"])
@pytest.mark.parametrize("option", OPTIONS)
def test_resuming_with_options(option, name, settings, tmp_path):
    encoder, training = OPTIONS[option]
    train(settings(tmp_path / "whole", encoder, **training))
    config, interruption = settings(tmp_path / "stopped", encoder, **training), INTERRUPTIONS[name]
    if "fgm" in option and "crash" in name:  # each batch is computed twice
        interruption = Interruption(at_call(25, Task, "loss", crash), CrashError, 4)
    if option == "cache_frozen" and "evaluation" in name:  # which computes no batch but the first time
        interruption = Interruption(in_evaluation(1, "dev"), Interrupted, 3)
    interrupt(config, interruption)
    found, notes = resume(config)
    assert f"after step {interruption.restored} of 9" in "".join(notes)
    assert differing(found, snapshot(tmp_path / "whole/run")) == set()


def leave_out_average(patch: Patch) -> None:
    """Let the average begin with the weights that the process begins with, and not anew with those restored."""
    restart, calls = workflow.WeightAverage.restart, itertools.count()
    patch.setattr(workflow.WeightAverage, "restart", lambda average: None if next(calls) else restart(average))


def leave_out_own_weights(patch: Patch) -> None:
    """Train on from the average, which the model's folder holds."""
    patch.setattr(checkpoint_module, "TRAINED_SUFFIX", "nobody's")


@pytest.mark.parametrize("leave_out", [leave_out_average, leave_out_own_weights])
def test_leaving_out_a_part_of_the_average_shows(leave_out, settings, tmp_path):
    train(settings(tmp_path / "whole", ema_decay=0.9))
    config = settings(tmp_path / "stopped", ema_decay=0.9)
    interrupt(config, INTERRUPTIONS["signal in the last epoch"])
    with pytest.MonkeyPatch.context() as patch:
        leave_out(patch)
        found, _ = resume(config)
    assert {"weights", "metrics"} <= differing(found, snapshot(tmp_path / "whole/run"))


def test_the_average_is_restored_beside_the_optimiser(settings, tmp_path):
    """In half precision, where the model's folder holds it rounded, which a CPU does not show."""
    config, given = settings(tmp_path, ema_decay=0.9), []
    interrupt(config, INTERRUPTIONS["signal in mid-epoch"])
    with pytest.MonkeyPatch.context() as patch:
        load = workflow.load_optimizer_state
        patch.setattr(
            workflow, "load_optimizer_state", lambda *arguments: (given.append(arguments[3:]), load(*arguments))
        )
        resume(config)
    ((average,),) = given
    assert isinstance(average, workflow.WeightAverage)
