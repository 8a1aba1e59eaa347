"""Runs with options that keep more than weights and moments are resumed exactly too."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from paddle_tasks.errors import Interrupted
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.training import checkpoint as checkpoint_module
from paddle_tasks.training import trainer as trainer_module
from paddle_tasks.training.averaging import WeightAverage
from paddle_tasks.workflows.train import train

from .interruptions import (
    INTERRUPTIONS,
    CrashError,
    Interruption,
    Patch,
    at_call,
    crash,
    in_evaluation,
    interrupt,
    resume,
)
from .snapshot import differing, snapshot

OPTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "ema_decay": ("textcnn", {"ema_decay": 0.9}),
    "fgm_epsilon": ("textcnn", {"fgm_epsilon": 0.5}),
    "ema_decay and fgm_epsilon": ("bert", {"ema_decay": 0.9, "fgm_epsilon": 0.5}),
    "recompute": ("bert", {"recompute": True}),
    "cache_frozen": ("textcnn", {"freeze": ["encoder.*"]}),
    "freeze and ema_decay": ("textcnn", {"freeze": ["encoder.*"], "cache_frozen": False, "ema_decay": 0.9}),
}


@pytest.mark.parametrize(
    "name", ["crash in mid-accumulation", pytest.param("signal in an evaluation", marks=pytest.mark.long)]
)
@pytest.mark.parametrize(
    "option",
    [
        option if option == "ema_decay and fgm_epsilon" else pytest.param(option, marks=pytest.mark.long)
        for option in OPTIONS
    ],
)
@pytest.mark.long
def test_resuming_with_options(option, name, resumable_config, tmp_path):
    encoder, training = OPTIONS[option]
    train(resumable_config(tmp_path / "whole", encoder, **training))
    config, interruption = resumable_config(tmp_path / "stopped", encoder, **training), INTERRUPTIONS[name]
    if "fgm" in option and "crash" in name:  # each batch is computed twice
        interruption = Interruption(at_call(25, SentimentTask, "loss", crash), CrashError, 4)
    if option == "cache_frozen" and "evaluation" in name:  # only the first evaluation computes batches
        interruption = Interruption(in_evaluation(1, "dev"), Interrupted, 3)
    interrupt(config, interruption)
    resumed, notes = resume(config)
    assert f"after step {interruption.restored} of 9" in "".join(notes)
    assert differing(resumed, snapshot(tmp_path / "whole/run")) == set()


# ---- negative controls


def leave_out_average(patch: Patch) -> None:
    """Let the average start from the weights that the process starts with, not from those that are restored."""
    restart, calls = WeightAverage.restart, itertools.count()
    patch.setattr(WeightAverage, "restart", lambda average: None if next(calls) else restart(average))


def leave_out_trained_weights(patch: Patch) -> None:
    """Continue from the average, which is what the model folder holds."""
    patch.setattr(checkpoint_module, "TRAINED_SUFFIX", "unknown")


@pytest.mark.long
@pytest.mark.parametrize("leave_out", [leave_out_average, leave_out_trained_weights])
def test_leaving_out_a_part_of_the_average_changes_the_run(leave_out, resumable_config, tmp_path):
    train(resumable_config(tmp_path / "whole", ema_decay=0.9))
    config = resumable_config(tmp_path / "stopped", ema_decay=0.9)
    interrupt(config, INTERRUPTIONS["signal in the last epoch"])
    with pytest.MonkeyPatch.context() as patch:
        leave_out(patch)
        resumed, _ = resume(config)
    assert {"weights", "metrics"} <= differing(resumed, snapshot(tmp_path / "whole/run"))


def test_the_average_is_restored_with_the_optimiser_state(resumable_config, tmp_path):
    """In half precision the model folder holds it rounded, which a CPU cannot show."""
    config, averages = resumable_config(tmp_path, ema_decay=0.9), []
    interrupt(config, INTERRUPTIONS["signal in mid-epoch"])
    with pytest.MonkeyPatch.context() as patch:
        load = trainer_module.load_optimizer_state
        patch.setattr(
            trainer_module,
            "load_optimizer_state",
            lambda *arguments: (averages.append(arguments[3:]), load(*arguments)),
        )
        resume(config)
    ((average,),) = averages
    assert isinstance(average, WeightAverage)
