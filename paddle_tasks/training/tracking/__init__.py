"""Where the figures of a run go: metrics.jsonl, which is the truth, and a VisualDL log to look at.

Both are files that only grow, so a checkpoint notes how long they were, and resuming cuts them back to that
length: the curves go on without doubled or missing points.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from paddle import nn

from paddle_tasks.files import read_json_lines
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.settings import DETAILS, Detail
from paddle_tasks.training.tracking.files import cut


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
        cut(path, position)
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


class Board(Writer, Protocol):
    """A writer that shows more than figures."""

    def show(self, step: int, panels: Panels) -> None:
        """Write panels."""

    def introduce(self, settings: Mapping[str, Any], metrics: Sequence[str], model: nn.Layer) -> None:
        """Write what holds for the whole run, unless an earlier process of it has."""


class Tracker:
    """Hands every figure to all writers, panels to the board, and notes positions for a checkpoint.

    Args:
        writers: take scalars and texts, by name.
        board: that of the writers which takes panels too.
        detail: how much the board is shown.
    """

    def __init__(self, writers: Mapping[str, Writer], board: Board | None = None, detail: Detail = "normal") -> None:
        self._writers, self._board, self._detail = writers, board, detail

    def scalars(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Write tags in order."""
        for tag, value in values.items():
            for writer in self._writers.values():
                writer.scalar(step, epoch, tag, value)

    def texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Write texts by their tags in order."""
        for tag, text in texts.items():
            for writer in self._writers.values():
                writer.text(step, tag, text)

    def shows(self, detail: Detail) -> bool:
        """Tell whether panels of a detail are looked at, and so worth making."""
        return self._board is not None and DETAILS.index(detail) <= DETAILS.index(self._detail)

    def show(self, step: int, panels: Panels) -> None:
        """Write panels, where there is a board."""
        if self._board:
            self._board.show(step, panels)

    def introduce(self, settings: Mapping[str, Any], metrics: Sequence[str], model: nn.Layer) -> None:
        """Show a run's settings beside its scores, by their tags, and the model's graph, at normal detail and above."""
        if self._board and self.shows("normal"):
            self._board.introduce(settings, metrics, model)

    def positions(self) -> dict[str, int]:
        """Return each writer's position by name."""
        return {name: writer.position() for name, writer in self._writers.items()}

    def close(self) -> None:
        """Close every writer."""
        for writer in self._writers.values():
            writer.close()


@contextlib.contextmanager
def open_tracker(
    folder: Path, *, visualdl: bool, detail: Detail = "normal", positions: Mapping[str, int] | None = None
) -> Iterator[Tracker]:
    """Open the writers of a run folder, cut back to the positions of a checkpoint (to nothing without one)."""
    at = positions or {}
    writers: dict[str, Writer] = {"metrics": MetricsWriter(folder / "metrics.jsonl", at.get("metrics", 0))}
    board: Board | None = None
    if visualdl:
        from paddle_tasks.training.tracking.board import VisualDLWriter

        writers["visualdl"] = board = VisualDLWriter(folder / "vdl", at.get("visualdl", 0))
    tracker = Tracker(writers, board, detail)
    try:
        yield tracker
    finally:
        tracker.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a metrics.jsonl; a last line that is still being written is left out."""
    return read_json_lines(path)
