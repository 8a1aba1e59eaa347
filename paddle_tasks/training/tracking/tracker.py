"""Distributes the metrics, texts and panels of a run to its writers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle import nn

from paddle_tasks.training.panels import Panels
from paddle_tasks.training.settings import DETAILS, Detail
from paddle_tasks.training.tracking.metrics_file import MetricsWriter
from paddle_tasks.training.tracking.writers import PanelWriter, Writer


class Tracker:
    """Passes scalars and texts to all writers and panels to the panel writer, and reports their file positions.

    Args:
        writers: the writers by name.
        panel_writer: the writer among them that shows panels; None if there is none.
        detail: the level of detail of the panels.
    """

    def __init__(
        self, writers: Mapping[str, Writer], panel_writer: PanelWriter | None = None, detail: Detail = "normal"
    ) -> None:
        self._writers, self._panel_writer, self._detail = writers, panel_writer, detail

    def write_scalars(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Write values by tag, in order."""
        for tag, value in values.items():
            for writer in self._writers.values():
                writer.write_scalar(step, epoch, tag, value)

    def write_texts(self, step: int, texts: Mapping[str, str]) -> None:
        """Write texts by tag, in order."""
        for tag, text in texts.items():
            for writer in self._writers.values():
                writer.write_text(step, tag, text)

    def shows(self, detail: Detail) -> bool:
        """Return whether panels of a level of detail are shown, and so are worth computing."""
        return self._panel_writer is not None and DETAILS.index(detail) <= DETAILS.index(self._detail)

    def write_panels(self, step: int, panels: Panels) -> None:
        """Write panels, if there is a panel writer."""
        if self._panel_writer:
            self._panel_writer.write_panels(step, panels)

    def write_run_info(self, settings: Mapping[str, Any], metrics: Sequence[str], model: nn.Layer) -> None:
        """Write the run's settings, the tags of its scores and the model's graph, if the detail is at least normal."""
        if self._panel_writer and self.shows("normal"):
            self._panel_writer.write_run_info(settings, metrics, model)

    def positions(self) -> dict[str, int]:
        """Return the length of each writer's file in bytes, by the writer's name."""
        return {name: writer.position() for name, writer in self._writers.items()}

    def close(self) -> None:
        """Close all writers."""
        for writer in self._writers.values():
            writer.close()


@contextlib.contextmanager
def open_tracker(
    folder: Path, *, visualdl: bool, detail: Detail = "normal", positions: Mapping[str, int] | None = None
) -> Iterator[Tracker]:
    """Open the writers of a run folder.

    Args:
        folder: the run folder.
        visualdl: whether to write a VisualDL log besides metrics.jsonl.
        detail: the level of detail of the panels.
        positions: `Tracker.positions` of a checkpoint, which existing files are truncated to; None to empty them.
    """
    start = positions or {}
    writers: dict[str, Writer] = {"metrics": MetricsWriter(folder / "metrics.jsonl", start.get("metrics", 0))}
    panel_writer: PanelWriter | None = None
    if visualdl:
        from paddle_tasks.training.tracking.visualdl_writer import VisualDLWriter

        writers["visualdl"] = panel_writer = VisualDLWriter(folder / "vdl", start.get("visualdl", 0))
    tracker = Tracker(writers, panel_writer, detail)
    try:
        yield tracker
    finally:
        tracker.close()


def restore_positions(
    folder: Path, positions: Mapping[str, int], *, visualdl: bool, epoch_of: Callable[[int], int]
) -> list[str]:
    """Check that the files of a run folder are as long as a checkpoint says, and rebuild one that is not.

    Args:
        folder: the run folder.
        positions: `Tracker.positions` of the checkpoint.
        visualdl: whether the run writes a VisualDL log.
        epoch_of: returns the epoch of a step.

    Returns:
        What was rebuilt, for the user.

    Raises:
        CheckpointError: a file is too short and cannot be rebuilt.
    """
    from paddle_tasks.training.tracking.recovery import restore_logs
    from paddle_tasks.training.tracking.visualdl_writer import log_path

    return restore_logs(folder, log_path(folder / "vdl") if visualdl else None, positions, epoch_of)
