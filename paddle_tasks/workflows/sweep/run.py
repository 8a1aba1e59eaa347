"""Train every combination of a grid and of seeds, one after another; dev chooses among them."""

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
from paddle_tasks.files import remove_leftovers, write_json
from paddle_tasks.language import _
from paddle_tasks.process_state import default_settings, training_slot
from paddle_tasks.training.display_html import table_to_html
from paddle_tasks.training.display_text import table_to_text
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.result import RunResult
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.stopping import stop_at_once
from paddle_tasks.training.trainer import Note, Observer, encoder_name
from paddle_tasks.workflows.config import assignments
from paddle_tasks.workflows.notebook import ignore_events, observing
from paddle_tasks.workflows.sweep.plan import Grid, Member, Plan, Point, check_folders, plan_sweep, refuse_choice
from paddle_tasks.workflows.sweep.results import choose, describe_point
from paddle_tasks.workflows.sweep.table import sweep_table
from paddle_tasks.workflows.train import run_in_slot

SUMMARY = "sweep.json"
_SEEDS = "the seeds"  # the file is the same in every language


@dataclass(frozen=True, repr=False)
class Sweep:
    """A finished sweep, which a notebook shows as a table: its folder and its sweep.json."""

    folder: Path
    summary: Mapping[str, Any]

    def __repr__(self) -> str:
        return table_to_text(sweep_table(self.summary, self.folder))

    def _repr_html_(self) -> str:
        return table_to_html(sweep_table(self.summary, self.folder))


def sweep(
    config: str | Path | Mapping[str, Any],
    *,
    seeds: Sequence[int],
    grid: Grid | None = None,
    device: str = "auto",
    observe: Observer | None = None,
    progress: bool = True,
    **overrides: Any,
) -> Sweep:
    """Train every grid point with every seed; finished runs are skipped, an unfinished run is continued.

    A notebook shows progress meanwhile. When it is interrupted, the same call goes on.

    >>> grid = {"model.dropout": [0.1, 0.3]}
    >>> done = sweep("configs/quick/sentiment.yaml", seeds=[1], grid=grid, training={"max_steps": 2})
    >>> [point["settings"] for point in done.summary["points"]]
    [{'model.dropout': 0.1}, {'model.dropout': 0.3}]

    Args:
        config: a YAML file or a mapping of its sections.
        seeds: the seeds that each grid point is trained with.
        grid: the values of each dotted key, as in ``{"optimizer.learning_rate": [1e-4, 3e-4]}``.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        observe: is called with every run, step, evaluation and checkpoint; a notebook then shows no progress itself.
        progress: whether a notebook shows progress.
        **overrides: sections or dotted keys; ``run_dir`` is the folder of the sweep.

    Raises:
        UserError: something in the configuration, the data or a folder is wrong, another training is running in this
            process, or a run failed; the message names it.
        Interrupted: SIGINT or SIGTERM; the same call continues.
    """
    with Ranks.from_environment().raise_together():
        plan = plan_sweep(config, assignments(overrides), seeds, grid or {})
    with observing(observe, plan.folder, progress=progress) as observer:
        return run_sweep(plan, device=device, observe=observer)


# ---- running it


def run_sweep(plan: Plan, *, device: str, observe: Observer) -> Sweep:
    """Do what `sweep` does with a plan."""
    ranks = Ranks.from_environment()
    log = _SweepLog(plan, writes=ranks.writes)
    try:
        with training_slot(plan.folder), default_settings(), _owned(plan, ranks), _interruptible() as was_signalled:
            log.write()
            _train_all(plan, log, was_signalled, device=device, observe=observe if ranks.writes else ignore_events)
    except KeyboardInterrupt:  # between two runs
        message = _("{folder}: stopped; give the same command again to continue")
        raise Interrupted(message.format(folder=plan.folder)) from None
    ranks.barrier()  # rank 0 has written the last result
    return Sweep(plan.folder, log.summary())


@contextlib.contextmanager
def _owned(plan: Plan, ranks: Ranks) -> Iterator[None]:
    """Keep other sweeps out of the folder and make it; rank 0 does this for all."""
    with contextlib.ExitStack() as stack:
        with ranks.raise_together():
            lock = stack.enter_context(RunFolder(plan.folder).locked()) if ranks.writes else None
        with ranks.raise_together():
            check_folders(plan)  # another process may have written into them since the plan was made
            if lock:
                plan.folder.mkdir(parents=True, exist_ok=True)
                lock.lock_content()
                remove_leftovers(plan.folder)
        yield


def _train_all(
    plan: Plan, log: _SweepLog, was_signalled: Callable[[], bool], *, device: str, observe: Observer
) -> None:
    for number, member in enumerate(plan.members, start=1):
        heading = _("run {number} of {count}: {name}").format(number=number, count=len(plan.members), name=member.name)
        if member.result():
            observe(Note(_("{run} is finished already, skipped").format(run=heading)))
            continue
        observe(Note(heading))
        _train(member, log, device, observe)
        if was_signalled() and number < len(plan.members):
            message = _("{folder}: stopped between two runs; give the same command again to continue")
            raise Interrupted(message.format(folder=plan.folder))


def _train(member: Member, log: _SweepLog, device: str, observe: Observer) -> None:
    """Train one run and record how it ended.

    Raises:
        UserError: the run's error, with its name before the message.
        RunStopped: likewise.
    """
    try:
        run_in_slot(member.config, device=device, fresh=False, observe=observe)
    except (Interrupted, KeyboardInterrupt) as stop:
        log.record(member, "interrupted")
        message = str(stop) or _("stopped; give the same command again to continue")
        raise Interrupted(f"{member.name}: {message}") from stop
    except (UserError, RunStopped) as error:
        log.record(member, "failed", str(error))
        raise type(error)(f"{_failed(member, str(error))}\n{log.kept()}") from error
    except BaseException as error:
        log.record(member, "failed", f"{type(error).__name__}: {error}")
        observe(Note(_("{run} failed; {rest}").format(run=member.name, rest=log.kept())))
        raise
    log.record(member, "finished")


def _failed(member: Member, reason: str) -> str:
    return _("{run} failed: {reason}").format(run=member.name, reason=reason)


@dataclass
class _SweepLog:
    """Keeps sweep.json: the status of each run, and the scores of those that are finished."""

    plan: Plan
    writes: bool
    endings: dict[str, dict[str, str]] = field(default_factory=dict)

    def record(self, member: Member, status: str, error: str = "") -> None:
        """Record how a run has ended this time, and write."""
        self.endings[member.name] = {"status": status, **({"error": error} if error else {})}
        self.write()

    def write(self) -> None:
        """Write sweep.json, whole or not at all."""
        if self.writes:
            write_json(self.plan.folder / SUMMARY, self.summary())

    def kept(self) -> str:
        """Return a sentence about what a failure leaves unchanged."""
        n_finished = sum(member.result() is not None for member in self.plan.members)
        return _(
            "{finished} of {count} runs are finished and kept ({file}); the same command tries this run again, and "
            "other --seeds or --grid leave it out"
        ).format(finished=n_finished, count=len(self.plan.members), file=self.plan.folder / SUMMARY)

    def summary(self) -> dict[str, Any]:
        """Return the object that sweep.json holds."""
        plan, config = self.plan, self.plan.members[0].config
        results = {member.name: result for member in plan.members if (result := member.result())}
        for result in results.values():  # some data sections cannot be compared before they are read
            _check_choice(result)
        runs = {member.name: self._run(member, member.name in results) for member in plan.members}
        points = [
            describe_point(point.name, point.settings, self._runs_of(point, runs), results, plan.choice)
            for point in plan.points
        ]
        return {
            "schema": 1,
            "status": _overall([run["status"] for run in runs.values()]),
            "task": config.task,
            "encoder": encoder_name(config.model),
            "train": str(getattr(config.data, "train", "")),
            "metric": plan.choice.metric,
            "chosen_by": f"mean dev {plan.choice.metric} over {_SEEDS}",
            "seeds": list(plan.seeds),
            "grid": dict(plan.grid),
            "points": points,
            "best": choose(points, plan.choice),
        }

    def _runs_of(self, point: Point, runs: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [runs[member.name] for member in self.plan.members if member.point.name == point.name]

    def _run(self, member: Member, is_finished: bool) -> dict[str, Any]:
        result = None if is_finished or member.folder.result_damage() else member.folder.result()
        status = {"status": result.status if result else "unfinished"}
        ending = {"status": "finished"} if is_finished else self.endings.get(member.name, status)
        return {"run": member.name, "seed": member.seed, **ending}


def _check_choice(result: RunResult) -> None:
    data = result.data
    if {"dev", "test"} <= data.keys() and data["dev"].sha256 == data["test"].sha256:
        refuse_choice(data["dev"].path, data["test"].path)


def _overall(statuses: Sequence[str]) -> str:
    if set(statuses) == {"finished"}:
        return "finished"
    return next((status for status in ("failed", "interrupted") if status in statuses), "unfinished")


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Let SIGTERM stop the code between training loops as Ctrl-C does; yield a function that tells of a signal.

    A training loop handles signals itself. If one arrives as the loop ends, nothing stops there; the bytes that Python
    writes for every signal tell of it afterwards.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        reader.setblocking(False)
        writer.setblocking(False)
        before = signal.signal(signal.SIGTERM, stop_at_once)
        wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield lambda: _has_signal(reader)
        finally:
            signal.set_wakeup_fd(wakeup)
            signal.signal(signal.SIGTERM, before)


def _has_signal(stream: socket.socket) -> bool:
    try:
        return bool({signal.SIGINT, signal.SIGTERM} & set(stream.recv(4096)))
    except BlockingIOError:
        return False
