"""Mending damaged VisualDL logs: what is whole is kept, scalars come from metrics.jsonl, the original is set aside."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from paddle_tasks.files import atomic_file
from paddle_tasks.reporting.vdl.log import SCALAR, Damage, Entry, Salvage, encode, read_log
from paddle_tasks.reporting.vdl.scalars import Truth, agrees, read_truth, with_scalars

MARK = "vdlrecords"
"""What the name of a file holds that VisualDL takes for a log."""


@dataclass(frozen=True)
class Mended:
    """The records that a log should have, and what was wrong with those that it has.

    Attributes:
        damages: where it was damaged; none when its scalars alone were not those of metrics.jsonl.
        n_kept: its records that were whole.
        n_rebuilt: the scalars that come from metrics.jsonl, 0 when its own were right or there are none there.
        bad_lines: the lines of metrics.jsonl that are no records, which is why it was not used.
    """

    entries: tuple[Entry, ...]
    damages: tuple[Damage, ...]
    n_kept: int
    n_rebuilt: int
    bad_lines: tuple[int, ...]

    @property
    def n_lost_bytes(self) -> int:
        """The bytes of the log that belong to no whole record."""
        return sum(damage.n_bytes for damage in self.damages)


@dataclass(frozen=True)
class LogReport:
    """What was found in one log, and what was done about it.

    Attributes:
        aside: where the original is now; None when it is where it was.
        left: why it was left as it is, empty when it was mended or whole. The dashboard shows a mended copy.
    """

    path: Path
    mended: Mended
    aside: Path | None = None
    left: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether there was nothing to mend."""
        return not self.mended.damages and not self.mended.n_rebuilt

    def lines(self) -> list[str]:
        """Return the report for people, nothing when the log was whole."""
        if self.is_whole:
            return []
        mended, what = self.mended, "its scalars are not those of metrics.jsonl"
        if mended.damages:
            what = f"damaged at byte {mended.damages[0].start:,}: {mended.damages[0].reason}"
        kept = f"{mended.n_kept:,} records kept, {mended.n_lost_bytes:,} bytes lost"
        if mended.n_rebuilt:
            kept += f", {mended.n_rebuilt:,} scalars rebuilt from metrics.jsonl"
        if mended.bad_lines:
            kept += f", metrics.jsonl:{mended.bad_lines[0]} is damaged too and was not used"
        done = f"the original is now {self.aside.name}" if self.aside else f"mended in a copy alone: {self.left}"
        return [f"{self.path}: {what}", f"  {kept}; {done}"]


def mend(found: Salvage, truth: Truth) -> Mended:
    """Return the whole records of a log, its scalars from metrics.jsonl where its own are not the same."""
    kept = len(found.entries)
    if truth.bad_lines or not truth.scalars or agrees(found.entries, truth):
        return Mended(found.entries, found.damages, kept, 0, truth.bad_lines)
    entries = tuple(with_scalars(found.entries, truth))
    others = sum(entry.kind != SCALAR for entry in entries)
    return Mended(entries, found.damages, kept, len(entries) - others, ())


def metrics_beside(log: Path) -> Path:
    """Return where the metrics.jsonl of a log's run would be: the run folder holds it and ``vdl/``."""
    return run_of(log) / "metrics.jsonl"


def run_of(log: Path) -> Path:
    """Return the folder of the run that a log is of."""
    return log.parent.parent if log.parent.name == "vdl" else log.parent


def shown_log(folder: Path) -> Path | None:
    """Return the log of a folder that VisualDL shows, which is the one whose name comes last."""
    try:
        found = [path for path in folder.iterdir() if MARK in path.name and path.is_file()]
    except OSError:  # training removes checkpoints
        return None
    return max((path for path in found if not path.name.startswith(".")), default=None)


def repair_log(path: Path) -> LogReport:
    """Mend a log when it is damaged or disagrees with metrics.jsonl; a whole one is not touched.

    A run that is being trained, or that training would go on with, keeps its log as it is: its checkpoints know the
    log by its length, and one that is being written may end inside a record for a moment.
    """
    with _unless_in_use(path) as reason:
        before = path.stat()
        report = LogReport(path, mend(read_log(path), read_truth(metrics_beside(path))), left=reason)
        if report.is_whole or reason:
            return report
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            return replace(report, left="it is being written")
        try:
            return replace(report, aside=_exchange(path, encode(report.mended.entries)))
        except OSError as error:
            return replace(report, left=f"it cannot be written ({error.strerror})")


def repair_logs(logs: Iterable[Path]) -> list[LogReport]:
    """Mend those of some logs that need it, and return the reports of these."""
    return [report for report in map(repair_log, logs) if not report.is_whole]


def _exchange(path: Path, data: bytes) -> Path:
    """Give a file another content, and return the name under which its old one is kept."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)
        shutil.copymode(path, temporary)
        return _set_aside(path)


@contextlib.contextmanager
def _unless_in_use(log: Path) -> Iterator[str]:
    """Yield why a log has to stay as it is, if so; training is kept out of its run until the block ends."""
    run = run_of(log)
    if not (run / "config.yaml").is_file():  # no run of ours
        yield ""
        return
    try:
        file = (run / ".lock").open("a")
    except OSError as error:
        yield f"its folder cannot be written ({error.strerror})"
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield "its run is being trained"
            return
        except OSError:  # a file system that knows no locks, as some mounted ones
            pass
        yield "" if _is_finished(run) else "its run is not finished, and training would go on with it"


def _is_finished(run: Path) -> bool:
    try:
        result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # Without a checkpoint there is nothing to go on with.
        return not (run / "checkpoints").is_dir()
    return isinstance(result, dict) and result.get("status") == "finished"


def _set_aside(path: Path) -> Path:
    """Give a file the first free one of the names ``damaged-N-…``, none of which VisualDL takes for a log, too."""
    number = 1
    while True:
        target = path.with_name(f"damaged-{number}-{path.name.replace(MARK, 'records')}")
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
