"""Where the figures of a run go: metrics.jsonl, which is the truth, and a VisualDL log to look at.

Both are files that only grow, so a checkpoint notes how long they were, and resuming cuts them back to that
length: the curves go on without doubled or missing points.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol


class Writer(Protocol):
    """Takes scalars, knows how long its file is, and can be closed."""

    def scalar(self, step: int, epoch: int, tag: str, value: float) -> None:
        """Write one value of one tag."""

    def text(self, step: int, tag: str, text: str) -> None:
        """Write one text of one tag, where texts are shown."""

    def position(self) -> int:
        """Return the length of the file in bytes, with all that was written so far."""

    def close(self) -> None:
        """Write what is left and let go of the file."""


class MetricsWriter:
    """Writes ``{"step", "epoch", "tag", "value", "time"}`` lines."""

    def __init__(self, path: Path, position: int = 0) -> None:
        _cut(path, position)
        self._file = path.open("a", encoding="utf-8", newline="\n")

    def scalar(self, step: int, epoch: int, tag: str, value: float) -> None:
        """Write one line, visible to readers at once."""
        record = {"step": step, "epoch": epoch, "tag": tag, "value": value, "time": round(time.time(), 3)}
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def text(self, step: int, tag: str, text: str) -> None:
        """Write nothing: texts are no figures, and those of the best model stand in predictions/."""

    def position(self) -> int:
        """Return the length of the file in bytes."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class VisualDLWriter:
    """Writes VisualDL records, always to the same file of a run: the server shows one file for each folder."""

    def __init__(self, folder: Path, position: int = 0) -> None:
        from visualdl import LogWriter

        existing = sorted(folder.glob("vdlrecords.*.log"))
        name = existing[-1].name if existing else f"vdlrecords.{int(time.time())}.log"
        self._path = folder / name
        _cut(self._path, position)
        folder.mkdir(parents=True, exist_ok=True)
        # VisualDL 2.5.3 swaps its two queue settings: max_queue is the seconds between flushes.
        with contextlib.redirect_stdout(io.StringIO()):
            self._writer = LogWriter(logdir=str(folder), file_name=name, max_queue=1, flush_secs=1000)

    def scalar(self, step: int, epoch: int, tag: str, value: float) -> None:  # noqa: ARG002
        """Write one point; values that are not finite would break the page and are left to metrics.jsonl."""
        if math.isfinite(value):
            self._writer.add_scalar(tag=tag.replace("%", "percent"), value=value, step=step)

    def text(self, step: int, tag: str, text: str) -> None:
        """Write one text."""
        self._writer.add_text(tag=tag.replace("%", "percent"), text_string=text, step=step)

    def position(self) -> int:
        """Return the length of the file in bytes once the queue has been written."""
        self._writer._get_file_writer().flush()
        return self._path.stat().st_size

    def close(self) -> None:
        """Write what is queued and stop VisualDL's thread."""
        self._writer.close()


def _cut(path: Path, position: int) -> None:
    if path.exists():
        os.truncate(path, min(position, path.stat().st_size))  # a longer one would be filled with zeros


class Tracker:
    """Hands every figure to all writers, and notes their positions for a checkpoint."""

    def __init__(self, writers: dict[str, Writer]) -> None:
        self._writers = writers

    def scalars(self, step: int, epoch: int, values: dict[str, float]) -> None:
        """Write tags in order."""
        for tag, value in values.items():
            for writer in self._writers.values():
                writer.scalar(step, epoch, tag, value)

    def texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Write texts by their tags in order."""
        for tag, text in texts.items():
            for writer in self._writers.values():
                writer.text(step, tag, text)

    def positions(self) -> dict[str, int]:
        """Return each writer's position by name."""
        return {name: writer.position() for name, writer in self._writers.items()}

    def close(self) -> None:
        """Close every writer."""
        for writer in self._writers.values():
            writer.close()


@contextlib.contextmanager
def open_tracker(folder: Path, *, visualdl: bool, positions: dict[str, int] | None = None) -> Iterator[Tracker]:
    """Open the writers of a run folder, cut back to the positions of a checkpoint (to nothing without one)."""
    at = positions or {}
    writers: dict[str, Writer] = {"metrics": MetricsWriter(folder / "metrics.jsonl", at.get("metrics", 0))}
    if visualdl:
        writers["visualdl"] = VisualDLWriter(folder / "vdl", at.get("visualdl", 0))
    tracker = Tracker(writers)
    try:
        yield tracker
    finally:
        tracker.close()


def read_metrics(path: Path) -> Sequence[dict[str, Any]]:
    """Return the records of a metrics.jsonl."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
