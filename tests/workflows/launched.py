"""What each process does in the tests of several processes; started as a script by `paddle.distributed.launch`.

``launched.py play CONFIG FOLDER`` plays all `SCENES` one after another and writes what each rank has seen to
``FOLDER/SCENE-RANK.json`` and its arrays beside it. ``launched.py cli STEP ARGUMENT…`` is the command line, in which
rank 1 alone gets a SIGTERM after a step.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_tasks.cli import main
from paddle_tasks.errors import DataError
from paddle_tasks.tasks.sentiment.task import Task
from paddle_tasks.training import loop as loop_module
from paddle_tasks.training.loop import Loop
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.session import Session
from paddle_tasks.workflows import train as workflow
from paddle_tasks.workflows.train import Note, train

Seen = dict[str, Any]


class Stage:
    """One rank's view of a scene: its configuration, its patches and what it has seen."""

    def __init__(self, config: dict[str, Any], folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.config, self.folder, self.patch = config, folder, patch
        self.rank = Ranks.from_environment().rank
        self.arrays: dict[str, np.ndarray] = {}
        self.gradients: list[dict[str, np.ndarray]] = []
        self.notes: list[str] = []

    def train(self, name: str, fresh: bool = False, **training: Any) -> Seen:
        """Train into a folder of that name, and return how it ended."""
        config = {**self.config, "run_dir": str(self.folder / name)}
        config = {**config, "training": {**config["training"], **training}}
        try:
            run = train(config, fresh=fresh, observe=self.observe)
        except Exception as error:
            return {"error": type(error).__name__, "message": str(error)}
        return {"error": None, "result": dict(run.result)}

    def observe(self, event: Any) -> None:
        if isinstance(event, Note):
            self.notes.append(event.text)

    def keep_weights(self) -> None:
        """Keep the model's weights as they are when the loop of a run is done."""
        original = workflow._Training._score_best

        def score(training: Any, tracker: Any) -> None:
            self.arrays |= {name: value.numpy().copy() for name, value in training.model.named_parameters()}
            original(training, tracker)

        self.patch.setattr(workflow._Training, "_score_best", score)

    def keep_gradients(self) -> None:
        """Keep the mean gradients of each step, which are clipped for the update afterwards."""
        original = loop_module.scale_gradients

        def scale(parameters: Any, count: float, max_norm: float | None) -> float:
            values = list(parameters)
            norm = original(values, count, None)
            kept = {
                str(place): value.grad.numpy().copy() for place, value in enumerate(values) if value.grad is not None
            }
            self.gradients.append(kept)
            return original(values, 1.0, max_norm) if np.isfinite(norm) else norm

        self.patch.setattr(loop_module, "scale_gradients", scale)

    def main(self, *arguments: str) -> Seen:
        """Run the command line, and return its exit code and streams."""
        self.patch.setattr(sys, "argv", ["paddle-tasks", *arguments])
        self.patch.setattr(os, "_exit", sys.exit)  # there is more to play
        out, err = io.StringIO(), io.StringIO()
        code = 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as ended:
                code = int(ended.code or 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return {"code": code, "out": out.getvalue(), "err": err.getvalue()}

    def terminate(self, rank: int, step: int) -> None:
        """Send one rank a SIGTERM after a step."""
        if rank == self.rank:
            terminate_after(step, self.patch)


def terminate_after(step: int, patch: pytest.MonkeyPatch) -> None:
    original = Session.log_step

    def log(session: Any, report: Any) -> None:
        original(session, report)
        if report.step == step:
            signal.raise_signal(signal.SIGTERM)

    patch.setattr(Session, "log_step", log)


def steps(stage: Stage) -> Seen:
    """Train without dropout, and keep the gradients of the first step and the weights after the last."""
    stage.keep_gradients()
    stage.keep_weights()
    seen = stage.train("steps")
    stage.arrays |= {f"gradient {place}": value for place, value in stage.gradients[0].items()}
    return seen


def without_sums(stage: Stage) -> Seen:
    stage.patch.setattr(Ranks, "sum_gradients", lambda ranks, parameters: None)
    stage.keep_gradients()
    seen = stage.train("without-sums", max_steps=2)
    stage.arrays |= {f"gradient {place}": value for place, value in stage.gradients[0].items()}
    return seen


def local_count(stage: Stage) -> Seen:
    """Divide by this rank's count alone."""
    original = Loop.exchange_sums

    def exchange(loop: Any, loss: float, count: int, group: Any) -> Any:
        sums = original(loop, loss, count, group)
        return loop_module.StepSums(sums.loss, count, sums.n_tokens, sums.n_padded_tokens)

    stage.patch.setattr(Loop, "exchange_sums", exchange)
    stage.keep_gradients()
    seen = stage.train("local-count", max_steps=1)
    stage.arrays |= {f"gradient {place}": value for place, value in stage.gradients[0].items()}
    return seen


def evaluation(stage: Stage) -> Seen:
    """Count the rows that each rank scores in one run of one step: dev, and dev and test at the end."""
    rows: list[list[int]] = []
    original = Task._own_probabilities

    def probabilities(task: Any, model: Any, dataset: Any, check_interrupt: Callable[[], None]) -> Any:
        chances = original(task, model, dataset, check_interrupt)
        rows.append(np.flatnonzero(chances.any(axis=1)).tolist())
        return chances

    stage.patch.setattr(Task, "_own_probabilities", probabilities)
    return {**stage.train("evaluation", max_steps=1), "rows": rows}


def whole(stage: Stage) -> Seen:
    stage.config["model"]["dropout"] = 0.3
    stage.keep_weights()
    return stage.train("whole")


def stopped(stage: Stage) -> Seen:
    """Stop three times, by a signal to one rank: with a step, in an evaluation, and in the scoring at the end."""
    stage.config["model"]["dropout"] = 0.3
    stage.terminate(rank=1, step=5)
    ends = [stage.train("stopped")]
    stage.patch.undo()
    for rank, split, number in ((0, "dev", 1), (1, "test", 1)):
        with pytest.MonkeyPatch.context() as patch:
            if rank == stage.rank:
                patch.setattr(Task, "evaluate", terminated_in(split, number))
            ends.append(stage.train("stopped"))
    ends.append(stage.train("stopped"))
    return {"ends": ends, "notes": stage.notes}


def terminated_in(split: str, number: int) -> Callable[..., Any]:
    """Return an `evaluate` in which a signal comes before the first batch of that evaluation of a split."""
    original, calls = Task.evaluate, iter(range(1, 1000))

    def evaluate(task: Any, model: Any, data: Any, check_interrupt: Callable[[], None]) -> Any:
        if data.name == split and next(calls) == number:
            signal.raise_signal(signal.SIGTERM)
        return original(task, model, data, check_interrupt)

    return evaluate


def finished(stage: Stage) -> Seen:
    """Give the command again when a run is finished, and once more with --fresh."""
    first = stage.train("finished", max_steps=1)
    second = stage.train("finished", max_steps=1)
    third = stage.train("finished", fresh=True, max_steps=2)
    return {"ends": [first, second, third], "notes": stage.notes}


def mistakes(stage: Stage) -> Seen:
    """Make a mistake on all ranks, on rank 1 alone, and meet an error that is nobody's mistake there."""
    file = stage.folder / "mistakes.yaml"
    if stage.rank == 0:
        file.write_text(json.dumps({**stage.config, "run_dir": str(stage.folder / "mistakes")}), encoding="utf-8")
    Ranks.from_environment().barrier()
    found = {"all": stage.main("train", str(file), "training.epoch=3")}
    for name, error in (("one", DataError("no such file here")), ("bug", ValueError("nobody's mistake"))):
        with pytest.MonkeyPatch.context() as patch:
            if stage.rank == 1:
                patch.setattr(Task, "read", raising(error))
            found[name] = stage.main("train", str(file))
    return found


def raising(error: Exception) -> Callable[..., Any]:
    def read(task: Any) -> None:
        raise error

    return read


def memory(stage: Stage) -> Seen:
    """Let the memory of rank 1 hold no more than one row at a time."""
    original = Task.loss

    def loss(task: Any, model: Any, batch: Any) -> Any:
        if len(batch.rows) > 1:
            raise MemoryError
        return original(task, model, batch)

    if stage.rank == 1:
        stage.patch.setattr(Task, "loss", loss)
    return stage.train("memory", batch_size=4)


def not_finite(stage: Stage) -> Seen:
    """Let rank 1 find a loss that is no number in the second step."""
    original, calls = Task.loss, iter(range(1000))

    def loss(task: Any, model: Any, batch: Any) -> Any:
        value, count = original(task, model, batch)
        return (value * float("nan"), count) if next(calls) == 1 else (value, count)

    if stage.rank == 1:
        stage.patch.setattr(Task, "loss", loss)
    seen = {"stop": stage.train("not-finite-stop", batch_size=4)}
    calls = iter(range(1000))
    return {**seen, "skip": stage.train("not-finite-skip", batch_size=4, on_nonfinite="skip")}


SCENES = (steps, without_sums, local_count, evaluation, whole, stopped, finished, mistakes, memory, not_finite)


@contextlib.contextmanager
def played(scene: Callable[[Stage], Seen], config: Path, folder: Path) -> Iterator[tuple[Stage, Seen]]:
    """Play one scene, which is the same with one process alone."""
    with pytest.MonkeyPatch.context() as patch:
        stage = Stage(json.loads(config.read_text(encoding="utf-8")), folder, patch)
        yield stage, scene(stage)


def play(config: Path, folder: Path) -> None:
    for scene in SCENES:
        with played(scene, config, folder) as (stage, seen):
            np.savez(folder / f"{scene.__name__}-{stage.rank}.npz", **stage.arrays)
            (folder / f"{scene.__name__}-{stage.rank}.json").write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "play":
        play(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        with pytest.MonkeyPatch.context() as patch:
            if Ranks.from_environment().rank == 1:
                terminate_after(int(sys.argv[2]), patch)
            sys.argv = ["paddle-tasks", *sys.argv[3:]]
            main()
