"""The ways in which the tests of resuming stop a run, and how they continue it."""

from __future__ import annotations

import errno
import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from paddle_tasks.errors import Interrupted
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.training import checkpoint as checkpoint_module
from paddle_tasks.training import trainer as trainer_module
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.session import CheckpointReport, EvaluationReport
from paddle_tasks.training.tracking import MetricsWriter
from paddle_tasks.training.trainer import Note
from paddle_tasks.workflows.train import train

from .snapshot import snapshot

# 22 rows in 8 batches of 3; groups of 3, 3 and 2 batches; 9 steps in 3 epochs. Checkpoints are written after every
# second step and after every evaluation, that is after steps 2, 3, 4, 6, 8 and 9.
TRAINING = {"epochs": 3, "batch_size": 3, "accumulation_steps": 3, "save_every_steps": 2}

Patch = pytest.MonkeyPatch
Observer = Callable[[Any], None]
Arm = Callable[[Patch], Observer]
"""Patches what has to stop the run, and returns the observer that it is trained with."""


class CrashError(Exception):
    """The process crashes."""


@dataclass(frozen=True)
class Interruption:
    """A way to stop a run.

    Attributes:
        arm: prepares the stop.
        error: what training raises.
        restored: the step that the run continues from; 0 if there is no checkpoint.
    """

    arm: Arm
    error: type[BaseException]
    restored: int


def ignore(event: Any) -> None:
    """Ignore an event."""


def after(step: int, act: Callable[[], None], kind: type = StepReport) -> Arm:
    """Act at the event of a kind that reports a step."""

    def observe(event: Any) -> None:
        if isinstance(event, kind) and event.step == step:
            act()

    return lambda patch: observe


def terminate() -> None:
    signal.raise_signal(signal.SIGTERM)


def crash() -> None:
    raise CrashError


def fill_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def ctrl_c_twice() -> None:
    for _ in range(2):
        signal.raise_signal(signal.SIGINT)


def at_call(
    number: int, owner: Any, name: str, act: Callable[[], None], counts: Callable[..., bool] | None = None
) -> Arm:
    """Act before a call of the function ``owner.name``.

    Args:
        number: the number of the call, from 1.
        owner: a class or module.
        name: the name of the function.
        act: what to do.
        counts: decides by the arguments whether a call is counted; None counts all.
    """

    def arm(patch: Patch) -> Observer:
        original, calls = getattr(owner, name), itertools.count(1)

        def replacement(*arguments: Any, **options: Any) -> Any:
            if (counts is None or counts(*arguments, **options)) and next(calls) == number:
                act()
            return original(*arguments, **options)

        patch.setattr(owner, name, replacement)
        return ignore

    return arm


def in_evaluation(number: int, split: str) -> Arm:
    """Send SIGTERM before the second batch of an evaluation of a split; evaluations are counted from 1."""

    def arm(patch: Patch) -> Observer:
        original, calls = SentimentTask.evaluate, itertools.count(1)

        def evaluate(task: Any, model: Any, data: Any, check_interrupt: Callable[[], None]) -> Any:
            batches = itertools.count(1)
            is_interrupted = data.name == split and next(calls) == number

            def terminate_and_check() -> None:
                if next(batches) == 2 and is_interrupted:
                    terminate()
                check_interrupt()

            return original(task, model, data, terminate_and_check)

        patch.setattr(SentimentTask, "evaluate", evaluate)
        return ignore

    return arm


INTERRUPTIONS = {
    "signal in mid-epoch": Interruption(after(5, terminate), Interrupted, 5),
    "signal with the first step": Interruption(after(1, terminate), Interrupted, 1),
    "signal at the end of an epoch": Interruption(after(6, terminate), Interrupted, 6),
    "signal in the last epoch": Interruption(after(8, terminate), Interrupted, 8),
    "signal with the last step": Interruption(after(9, terminate), Interrupted, 9),
    "signal in an evaluation": Interruption(in_evaluation(2, "dev"), Interrupted, 6),
    "signal in the last evaluation": Interruption(in_evaluation(3, "dev"), Interrupted, 9),
    "signal in the scoring of dev at the end": Interruption(in_evaluation(4, "dev"), Interrupted, 9),
    "signal in the scoring of test at the end": Interruption(in_evaluation(1, "test"), Interrupted, 9),
    "crash before the first checkpoint": Interruption(after(1, crash), CrashError, 0),
    # The second group of the second epoch is batches 12, 13 and 14.
    "crash in mid-accumulation": Interruption(at_call(13, SentimentTask, "loss", crash), CrashError, 4),
    "crash in the last epoch": Interruption(at_call(24, SentimentTask, "loss", crash), CrashError, 8),
    "crash after the training": Interruption(after(9, crash, EvaluationReport), CrashError, 9),
    "crash after a checkpoint": Interruption(after(4, crash, CheckpointReport), CrashError, 4),
    "crash in a checkpoint": Interruption(
        at_call(3, checkpoint_module, "sha256", crash, lambda path: "step-00000004" in str(path)), CrashError, 3
    ),
    "full disk in a checkpoint": Interruption(
        at_call(1, checkpoint_module, "save_file", fill_disk, lambda state, path: "step-00000006" in str(path)),
        OSError,
        4,
    ),
    "full disk in metrics.jsonl": Interruption(at_call(40, MetricsWriter, "write_scalar", fill_disk), OSError, 4),
    "crash between a best checkpoint and its pointer": Interruption(
        at_call(1, checkpoint_module, "write_text", crash, lambda path, text: path.name == "best"), CrashError, 3
    ),
    "crash between a best checkpoint and its copy": Interruption(
        at_call(1, trainer_module, "copy_folder", crash), CrashError, 3
    ),
    "crash before the predictions": Interruption(at_call(1, RunFolder, "write_predictions", crash), CrashError, 9),
    "Ctrl-C twice": Interruption(after(5, ctrl_c_twice), KeyboardInterrupt, 4),
}


def interrupt(config: dict[str, Any], interruption: Interruption) -> None:
    """Train until the interruption."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(interruption.error):
        train(config, observe=interruption.arm(patch))


def resume(config: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Train to the end, and return the snapshot and the notes for the user."""
    notes: list[str] = []
    run = train(config, observe=lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    return snapshot(run.folder), notes
