"""Train every combination of a grid and of seeds, one after another, and let dev choose among them."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddle_tasks.errors import Interrupted, RunStopped, UserError
from paddle_tasks.files import write_json
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.stopping import stop_at_once
from paddle_tasks.workflows.run_folder import RunFolder
from paddle_tasks.workflows.sweep_plan import Grid, Member, Plan, Point, plan_sweep, refuse_choice
from paddle_tasks.workflows.sweep_results import choose, describe_point
from paddle_tasks.workflows.train import Note, Observer, assignments, run_training

SUMMARY = "sweep.json"


@dataclass(frozen=True)
class Sweep:
    """A finished sweep: its folder and its sweep.json."""

    folder: Path
    summary: Mapping[str, Any]


def sweep(
    config: str | Path | Mapping[str, Any],
    *,
    seeds: Sequence[int],
    grid: Grid | None = None,
    device: str = "auto",
    observe: Observer = lambda _event: None,
    **overrides: Any,
) -> Sweep:
    """Train every grid point with every seed; finished runs are skipped, an unfinished one is continued.

    Args:
        config: a YAML file or a mapping of its sections.
        seeds: each grid point is trained with all of them.
        grid: the values of each dotted key, as in ``{"optimizer.learning_rate": [1e-4, 3e-4]}``.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        observe: is told of every run, step, evaluation and checkpoint.
        **overrides: sections or dotted keys; ``run_dir`` is the sweep's folder.

    Raises:
        UserError: something in the configuration, the data or a folder; or a run failed so, which the message names.
        Interrupted: SIGINT or SIGTERM; the same call goes on.
    """
    with Ranks.from_environment().raise_together():
        plan = plan_sweep(config, assignments(overrides), seeds, grid or {})
    return run_sweep(plan, device=device, observe=observe)


# ---- doing it


def run_sweep(plan: Plan, *, device: str, observe: Observer) -> Sweep:
    """Do what `sweep` does with a plan."""
    ranks = Ranks.from_environment()
    plan.folder.mkdir(parents=True, exist_ok=True)
    book = _Book(plan, writes=ranks.writes)
    try:
        with book.locked(), _interruptible() as was_told:
            book.write()
            _train_all(plan, book, was_told, device=device, observe=observe if ranks.writes else lambda _event: None)
    except KeyboardInterrupt:  # between two runs
        raise Interrupted(f"{plan.folder}: stopped; give the same command again to go on") from None
    ranks.barrier()  # for rank 0 to have written the last result
    return Sweep(plan.folder, book.summary())


def _train_all(plan: Plan, book: _Book, was_told: Callable[[], bool], *, device: str, observe: Observer) -> None:
    for number, member in enumerate(plan.members, start=1):
        place = f"run {number} of {len(plan.members)}: {member.name}"
        if member.result():
            observe(Note(f"{place} is finished already, skipped"))
            continue
        observe(Note(place))
        _train(member, book, device, observe)
        if was_told() and number < len(plan.members):
            raise Interrupted(f"{plan.folder}: stopped between two runs; give the same command again to go on")


def _train(member: Member, book: _Book, device: str, observe: Observer) -> None:
    """Train one run and take down how it ended.

    Raises:
        UserError: from the run, with its name before the message.
        RunStopped: likewise.
    """
    try:
        run_training(member.config, device=device, fresh=False, observe=observe)
    except (Interrupted, KeyboardInterrupt) as stop:
        book.note(member, "interrupted")
        raise Interrupted(f"{member.name}: {str(stop) or 'stopped; give the same command again to go on'}") from stop
    except (UserError, RunStopped) as error:
        book.note(member, "failed", str(error))
        raise type(error)(f"{member.name} failed: {error}\n{book.kept()}") from error
    except BaseException as error:
        book.note(member, "failed", f"{type(error).__name__}: {error}")
        observe(Note(f"{member.name} failed; {book.kept()}"))
        raise
    book.note(member, "finished")


@dataclass
class _Book:
    """Keeps sweep.json: how each run stands, and what those that are finished come to."""

    plan: Plan
    writes: bool
    endings: dict[str, dict[str, str]] = field(default_factory=dict)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with RunFolder(self.plan.folder).locked() if self.writes else contextlib.nullcontext():
            yield

    def note(self, member: Member, status: str, error: str = "") -> None:
        """Take down how a run has ended this time, and write."""
        self.endings[member.name] = {"status": status, **({"error": error} if error else {})}
        self.write()

    def write(self) -> None:
        """Write sweep.json, whole or not at all."""
        if self.writes:
            write_json(self.plan.folder / SUMMARY, self.summary())

    def kept(self) -> str:
        """Say what a failure has not taken along."""
        done = sum(member.result() is not None for member in self.plan.members)
        return (
            f"{done} of {len(self.plan.members)} runs are finished and kept ({self.plan.folder / SUMMARY}); the same "
            "command tries this one again, and other --seeds or --grid leave it out"
        )

    def summary(self) -> dict[str, Any]:
        """Return what sweep.json holds."""
        plan = self.plan
        results = {member.name: result for member in plan.members if (result := member.result())}
        for result in results.values():  # the last word, for data sections that cannot be compared before they are read
            _check_choice(result)
        runs = {member.name: self._run(member, member.name in results) for member in plan.members}
        points = [
            describe_point(point.name, point.settings, self._runs_of(point, runs), results, plan.metric)
            for point in plan.points
        ]
        return {
            "schema": 1,
            "status": _overall([run["status"] for run in runs.values()]),
            "task": plan.members[0].config.task,
            "encoder": str(getattr(plan.members[0].config.model, "encoder", "")),
            "train": str(getattr(plan.members[0].config.data, "train", "")),
            "metric": plan.metric,
            "chosen_by": f"mean dev {plan.metric} over the seeds",
            "seeds": list(plan.seeds),
            "grid": dict(plan.grid),
            "points": points,
            "best": choose(points, plan.metric),
        }

    def _runs_of(self, point: Point, runs: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [runs[member.name] for member in self.plan.members if member.point.name == point.name]

    def _run(self, member: Member, finished: bool) -> dict[str, Any]:
        result = None if finished else member.folder.result()
        found = {"status": result["status"] if result else "unfinished"}
        ending = {"status": "finished"} if finished else self.endings.get(member.name, found)
        return {"run": member.name, "seed": member.seed, **ending}


def _check_choice(result: Mapping[str, Any]) -> None:
    data = result["data"]
    if {"dev", "test"} <= data.keys() and data["dev"]["sha256"] == data["test"]["sha256"]:
        refuse_choice(str(data["dev"]["path"]), str(data["test"]["path"]))


def _overall(statuses: Sequence[str]) -> str:
    if set(statuses) == {"finished"}:
        return "finished"
    return next((status for status in ("failed", "interrupted") if status in statuses), "unfinished")


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Let SIGTERM stop what runs between the training loops as Ctrl-C does; yield what tells of a signal.

    A loop that trains handles signals itself, and one that comes with its very end stops nothing there: the bytes that
    Python writes for every signal tell of it afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        before = signal.signal(signal.SIGTERM, stop_at_once)
        wakeup = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        try:
            yield lambda: _told(ours)
        finally:
            signal.set_wakeup_fd(wakeup)
            signal.signal(signal.SIGTERM, before)


def _told(stream: socket.socket) -> bool:
    try:
        return bool({signal.SIGINT, signal.SIGTERM} & set(stream.recv(4096)))
    except BlockingIOError:
        return False
