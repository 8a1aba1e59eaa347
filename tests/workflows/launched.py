"""What each process does in the tests of several processes; started as a script by `paddle.distributed.launch`.

``launched.py play CONFIG FOLDER SCENE…`` plays scenes (functions of `SCENES`) one after another. It writes what each
rank has seen to ``FOLDER/SCENE-RANK.json``, and the arrays that it kept to ``FOLDER/SCENE-RANK.npz``.
``launched.py cli STEP ARGUMENT…`` runs the command line; rank 1 gets a SIGTERM after a step.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_tasks.cli import main
from paddle_tasks.errors import DataError
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.training import loop as loop_module
from paddle_tasks.training.loop import Loop
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.session import Session
from paddle_tasks.training.trainer import Note
from paddle_tasks.workflows.train import train

Seen = dict[str, Any]


class Stage:
    """One rank's view of a scene.

    Attributes:
        config: the configuration of the runs.
        folder: the folder of the run folders.
        patch: undone at the end of the scene.
        rank: the number of this process.
        arrays: the arrays that are kept for the test.
        gradients: by name, for each step; see `keep_gradients`.
        notes: the notes of all runs.
    """

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
        """Keep the model's weights after the last step of a run, before the best ones are loaded."""
        original = Session.run

        def run(session: Session) -> None:
            original(session)
            self.arrays |= {name: value.numpy().copy() for name, value in session.loop.model.named_parameters()}

        self.patch.setattr(Session, "run", run)

    def keep_gradients(self) -> None:
        """Keep the mean gradients of each step, before they are clipped."""
        original = loop_module.scale_gradients

        def scale(parameters: Any, count: float, max_norm: float | None) -> float:
            values = list(parameters)
            norm = original(values, count, None)
            gradients = {
                str(number): value.grad.numpy().copy() for number, value in enumerate(values) if value.grad is not None
            }
            self.gradients.append(gradients)
            return original(values, 1.0, max_norm) if np.isfinite(norm) else norm

        self.patch.setattr(loop_module, "scale_gradients", scale)

    def train_for_gradients(self, name: str, **training: Any) -> Seen:
        """Train as `train` does, and keep the gradients of the first step for the test."""
        self.keep_gradients()
        seen = self.train(name, **training)
        self.arrays |= {f"gradient {number}": value for number, value in self.gradients[0].items()}
        return seen

    def main(self, *arguments: str) -> Seen:
        """Run the command line, and return its exit code and streams."""
        self.patch.setattr(sys, "argv", ["paddle-tasks", *arguments])
        self.patch.setattr(os, "_exit", sys.exit)  # more scenes follow
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
    """Send this process a SIGTERM after a step."""
    original = Session.log_step

    def log(session: Any, report: Any) -> None:
        original(session, report)
        if report.step == step:
            signal.raise_signal(signal.SIGTERM)

    patch.setattr(Session, "log_step", log)


# ---- the scenes


def steps(stage: Stage) -> Seen:
    """Train without dropout, and keep the gradients of the first step and the weights after the last."""
    stage.keep_weights()
    return stage.train_for_gradients("steps")


def without_sums(stage: Stage) -> Seen:
    """Leave out the sum of the gradients over the ranks."""
    stage.patch.setattr(Ranks, "sum_gradients", lambda ranks, parameters: None)
    return stage.train_for_gradients("without-sums", max_steps=2)


def local_count(stage: Stage) -> Seen:
    """Divide the gradients by this rank's count alone."""
    original = Loop.exchange_sums

    def exchange(loop: Any, loss: float, count: int, group: Any) -> Any:
        sums = original(loop, loss, count, group)
        return loop_module.StepSums(sums.loss, count, sums.n_tokens, sums.n_padded_tokens)

    stage.patch.setattr(Loop, "exchange_sums", exchange)
    return stage.train_for_gradients("local-count", max_steps=1)


def evaluation(stage: Stage) -> Seen:
    """Record the rows that this rank scores in a run of one step: those of dev, and of dev and test at the end."""
    rows: list[list[int]] = []
    original = SentimentTask.batches_by_length

    def batches_by_length(task: Any, dataset: Any, ranks: Ranks) -> Iterator[Any]:
        scored: list[int] = []
        rows.append(scored)
        for batch in original(task, dataset, ranks):
            yield batch
            scored.extend(batch.rows)  # the model has computed them

    stage.patch.setattr(SentimentTask, "batches_by_length", batches_by_length)
    return {**stage.train("evaluation", max_steps=1), "rows": rows}


def whole(stage: Stage) -> Seen:
    """Train with dropout, and keep the weights after the last step."""
    stage.config["model"]["dropout"] = 0.3
    stage.keep_weights()
    return stage.train("whole")


def stopped(stage: Stage) -> Seen:
    """Stop three times by a signal to one rank: with a step, in an evaluation, and in the scoring at the end."""
    stage.config["model"]["dropout"] = 0.3
    stage.terminate(rank=1, step=5)
    ends = [stage.train("stopped")]
    stage.patch.undo()
    for rank, split, number in ((0, "dev", 1), (1, "test", 1)):
        with pytest.MonkeyPatch.context() as patch:
            if rank == stage.rank:
                patch.setattr(SentimentTask, "evaluate", terminated_in(split, number))
            ends.append(stage.train("stopped"))
    ends.append(stage.train("stopped"))
    return {"ends": ends, "notes": stage.notes}


def terminated_in(split: str, number: int) -> Callable[..., Any]:
    """Return an `evaluate` in which a signal comes before the first batch of that evaluation of a split."""
    original, calls = SentimentTask.evaluate, iter(range(1, 1000))

    def evaluate(task: Any, model: Any, data: Any, check_interrupt: Callable[[], None]) -> Any:
        if data.name == split and next(calls) == number:
            signal.raise_signal(signal.SIGTERM)
        return original(task, model, data, check_interrupt)

    return evaluate


def finished(stage: Stage) -> Seen:
    """Train, train again when the run is finished, and once more with --fresh."""
    first = stage.train("finished", max_steps=1)
    second = stage.train("finished", max_steps=1)
    third = stage.train("finished", fresh=True, max_steps=2)
    return {"ends": [first, second, third], "notes": stage.notes}


def mistakes(stage: Stage) -> Seen:
    """Make a mistake on all ranks, make one on rank 1 alone, and raise an error there that is not the user's."""
    file = stage.folder / "mistakes.yaml"
    if stage.rank == 0:
        file.write_text(json.dumps({**stage.config, "run_dir": str(stage.folder / "mistakes")}), encoding="utf-8")
    Ranks.from_environment().barrier()
    ends = {"all": stage.main("train", str(file), "training.epoch=3")}
    for name, error in (("one", DataError("no such file here")), ("bug", ValueError("nobody's mistake"))):
        with pytest.MonkeyPatch.context() as patch:
            if stage.rank == 1:
                patch.setattr(SentimentTask, "read", raising(error))
            ends[name] = stage.main("train", str(file))
    return ends


def raising(error: Exception) -> Callable[..., Any]:
    def read(task: Any) -> None:
        raise error

    return read


def memory(stage: Stage) -> Seen:
    """Let the memory of rank 1 hold no more than one row at a time."""
    original = SentimentTask.loss

    def loss(task: Any, model: Any, batch: Any) -> Any:
        if len(batch.rows) > 1:
            raise MemoryError
        return original(task, model, batch)

    if stage.rank == 1:
        stage.patch.setattr(SentimentTask, "loss", loss)
    return stage.train("memory", batch_size=4)


def not_finite(stage: Stage) -> Seen:
    """Let rank 1 compute a loss that is NaN in the second step."""
    original, calls = SentimentTask.loss, iter(range(1000))

    def loss(task: Any, model: Any, batch: Any) -> Any:
        value, count = original(task, model, batch)
        return (value * float("nan"), count) if next(calls) == 1 else (value, count)

    if stage.rank == 1:
        stage.patch.setattr(SentimentTask, "loss", loss)
    seen = {"stop": stage.train("not-finite-stop", batch_size=4)}
    calls = iter(range(1000))
    return {**seen, "skip": stage.train("not-finite-skip", batch_size=4, on_nonfinite="skip")}


Scene = Callable[[Stage], Seen]
BASIC_SCENES: Sequence[Scene] = (steps, without_sums, local_count, evaluation)
LONG_SCENES: Sequence[Scene] = (whole, stopped, finished, mistakes, memory, not_finite)
SCENES = {scene.__name__: scene for scene in (*BASIC_SCENES, *LONG_SCENES)}


@contextlib.contextmanager
def played(scene: Scene, config: Path, folder: Path) -> Iterator[tuple[Stage, Seen]]:
    """Play one scene; a single process plays it in the same way."""
    with pytest.MonkeyPatch.context() as patch:
        stage = Stage(json.loads(config.read_text(encoding="utf-8")), folder, patch)
        yield stage, scene(stage)


def play(config: Path, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        with played(SCENES[name], config, folder) as (stage, seen):
            np.savez(folder / f"{name}-{stage.rank}.npz", **stage.arrays)
            (folder / f"{name}-{stage.rank}.json").write_text(json.dumps(seen), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "play":
        play(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
        os._exit(0)  # as the command line does: gloo's clean-up may abort when the other process has exited before
    else:
        with pytest.MonkeyPatch.context() as patch:
            if Ranks.from_environment().rank == 1:
                terminate_after(int(sys.argv[2]), patch)
            sys.argv = ["paddle-tasks", *sys.argv[3:]]
            main()
