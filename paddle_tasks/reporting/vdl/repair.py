"""Repair damaged VisualDL logs: keep whole records, take scalars from metrics.jsonl, and rename the original."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from paddle_tasks.errors import CheckpointError, DataError
from paddle_tasks.files import atomic_file
from paddle_tasks.language import _, plural
from paddle_tasks.reporting.vdl.log import SCALAR, Damage, LogContent, LogRecord, encode_log, read_log
from paddle_tasks.reporting.vdl.scalars import MetricsFile, has_same_scalars, read_metrics_file, replace_scalars
from paddle_tasks.training.folder_lock import FolderLock
from paddle_tasks.training.result import RunResult

LOG_NAME_PART = "vdlrecords"
"""VisualDL takes each file with this in its name for a log."""


@dataclass(frozen=True)
class RepairedLog:
    """The records of a log after repair, and what was wrong with it.

    Attributes:
        damages: the damaged parts; none when only the scalars differed from metrics.jsonl.
        n_kept: the number of whole records in the log.
        n_rebuilt: the number of scalars taken from metrics.jsonl; 0 when the log's scalars were right, or when
            metrics.jsonl has none or is damaged.
        bad_lines: the numbers of damaged lines of metrics.jsonl; when there are any, it is not used.
    """

    records: tuple[LogRecord, ...]
    damages: tuple[Damage, ...]
    n_kept: int
    n_rebuilt: int
    bad_lines: tuple[int, ...]

    @property
    def n_lost_bytes(self) -> int:
        """The number of bytes of the log that belong to no whole record."""
        return sum(damage.n_bytes for damage in self.damages)


@dataclass(frozen=True)
class RepairReport:
    """What was found in one log, and what was done about it.

    Attributes:
        backup: the new path of the original; None when the original was left as it is.
        left_because: why a damaged log was left as it is; the dashboard then shows a repaired copy. Empty otherwise.
    """

    path: Path
    repaired: RepairedLog
    backup: Path | None = None
    left_because: str = ""

    @property
    def is_intact(self) -> bool:
        """Whether there was nothing to repair."""
        return not self.repaired.damages and not self.repaired.n_rebuilt

    def lines(self) -> list[str]:
        """Return the report as text, empty for an intact log."""
        if self.is_intact:
            return []
        if self.backup:
            outcome = _("the original is now {backup}").format(backup=self.backup.name)
        else:
            outcome = _("repaired in a copy only, because {reason}").format(reason=self.left_because)
        return [f"{self.path}: {self._problem()}", "  " + _("; ").join([self._losses(), outcome])]

    def _problem(self) -> str:
        if not self.repaired.damages:
            return _("its scalars differ from those in metrics.jsonl")
        first = self.repaired.damages[0]
        return _("damaged at byte {start:,}: {reason}").format(start=first.start, reason=first.reason)

    def _losses(self) -> str:
        repaired = self.repaired
        parts = [
            plural("{count} record kept", "{count} records kept", repaired.n_kept),
            plural("{count} byte lost", "{count} bytes lost", repaired.n_lost_bytes),
        ]
        if repaired.n_rebuilt:
            n_rebuilt = repaired.n_rebuilt
            parts.append(
                plural(
                    "{count} scalar rebuilt from metrics.jsonl", "{count} scalars rebuilt from metrics.jsonl", n_rebuilt
                )
            )
        if repaired.bad_lines:
            problem = _("metrics.jsonl:{line} is damaged too and was not used")
            parts.append(problem.format(line=repaired.bad_lines[0]))
        return _(", ").join(parts)


def repair_records(log: LogContent, metrics: MetricsFile) -> RepairedLog:
    """Return the whole records of a log, with the scalars of metrics.jsonl where they differ from the log's scalars."""
    n_kept = len(log.records)
    if metrics.bad_lines or not metrics.scalars or has_same_scalars(log.records, metrics):
        return RepairedLog(log.records, log.damages, n_kept, 0, metrics.bad_lines)
    records = tuple(replace_scalars(log.records, metrics))
    n_others = sum(record.kind != SCALAR for record in records)
    return RepairedLog(records, log.damages, n_kept, len(records) - n_others, ())


def metrics_path(log: Path) -> Path:
    """Return the path of the metrics.jsonl that belongs to a log: the run folder holds it and ``vdl/``."""
    return run_folder(log) / "metrics.jsonl"


def run_folder(log: Path) -> Path:
    """Return the run folder of a log."""
    return log.parent.parent if log.parent.name == "vdl" else log.parent


def find_shown_log(folder: Path) -> Path | None:
    """Return the log of a folder that VisualDL shows, which is the last one by name; None if there is none."""
    try:
        logs = [path for path in folder.iterdir() if LOG_NAME_PART in path.name and path.is_file()]
    except OSError:  # training removes checkpoints
        return None
    return max((path for path in logs if not path.name.startswith(".")), default=None)


def repair_logs(logs: Iterable[Path]) -> list[RepairReport]:
    """Repair the damaged logs among ``logs``, and return a report for each of them."""
    return [report for report in map(repair_log, logs) if not report.is_intact]


def repair_log(path: Path) -> RepairReport:
    """Repair a log when it is damaged or its scalars differ from metrics.jsonl; an intact log is not touched.

    The log of an unfinished run is left as it is. Its checkpoints hold the length of the log, and while training writes
    it, it may end inside a record for a moment.
    """
    with _lock_run(path) as reason:
        before = path.stat()
        repaired = repair_records(read_log(path), read_metrics_file(metrics_path(path)))
        report = RepairReport(path, repaired, left_because=reason)
        if report.is_intact or reason:
            return report
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            return replace(report, left_because="it is being written")
        try:
            return replace(report, backup=_replace_content(path, encode_log(repaired.records)))
        except OSError as error:
            return replace(report, left_because=_("it cannot be written ({reason})").format(reason=error.strerror))


@contextlib.contextmanager
def _lock_run(log: Path) -> Iterator[str]:
    """Keep training out of a log's run until the block ends; yield why the log must be left as it is, or ``""``."""
    run = run_folder(log)
    if not (run / "config.yaml").is_file():  # a log of another program
        yield ""
        return
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(FolderLock(run)).lock_content()
        except CheckpointError:
            yield _("its run is being trained")
            return
        except OSError as error:
            yield _("its folder cannot be written ({reason})").format(reason=error.strerror)
            return
        yield _("its run is not finished, and training would continue it") if _can_continue(run) else ""


def _can_continue(run: Path) -> bool:
    """Return whether training would continue a run: it is not finished, and there are checkpoints."""
    try:
        result = RunResult.read(run)
    except (DataError, OSError, ValueError):
        result = None
    return not result.is_finished if result else (run / "checkpoints").is_dir()


def _replace_content(path: Path, data: bytes) -> Path:
    """Give a file new content, and return the path of a copy with the old content."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)
        shutil.copymode(path, temporary)
        return _keep_original(path)


def _keep_original(path: Path) -> Path:
    """Link or copy a file to the first free ``damaged-N-…`` beside it, a name that VisualDL does not take for a log."""
    number = 1
    while True:
        target = path.with_name(f"damaged-{number}-{path.name.replace(LOG_NAME_PART, 'records')}")
        try:
            os.link(path, target)
        except FileExistsError:
            number += 1
        except OSError:  # a file system without links
            if not target.exists():
                shutil.copy2(path, target)
                return target
            number += 1
        else:
            return target
