"""The VisualDL log of a run: one file of records, and one with the model's graph beside it."""

from __future__ import annotations

import contextlib
import io
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle import nn
from visualdl import LogWriter

from paddle_tasks.files import write_text
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.tracking.files import cut
from paddle_tasks.training.tracking.graph import graph_of
from paddle_tasks.training.tracking.records import hparams_record, records_of, tidy


class VisualDLWriter:
    """Writes VisualDL records, always to the same file of a run: the server shows one file for each folder.

    Attributes:
        is_new: whether nothing was kept of an earlier process's records.
    """

    def __init__(self, folder: Path, position: int = 0) -> None:
        existing = sorted(folder.glob("vdlrecords.*.log"))
        name = existing[-1].name if existing else f"vdlrecords.{int(time.time())}.log"
        self._folder, self._path = folder, folder / name
        cut(self._path, position)
        self.is_new = not self._path.exists() or not self._path.stat().st_size
        folder.mkdir(parents=True, exist_ok=True)
        # VisualDL 2.5.3 swaps its two queue settings: max_queue is the seconds between flushes.
        with contextlib.redirect_stdout(io.StringIO()):
            self._writer = LogWriter(logdir=str(folder), file_name=name, max_queue=1, flush_secs=1000)

    def scalar(self, step: int, epoch: int, tag: str, value: float) -> None:  # noqa: ARG002
        """Write one point; values that are not finite would break the page and are left to metrics.jsonl."""
        if math.isfinite(value):
            self._writer.add_scalar(tag=tidy(tag), value=value, step=step)

    def text(self, step: int, tag: str, text: str) -> None:
        """Write one text."""
        self._writer.add_text(tag=tidy(tag), text_string=text, step=step)

    def show(self, step: int, panels: Panels) -> None:
        """Write panels."""
        for record in records_of(step, panels):
            self._writer._get_file_writer().add_record(record)

    def introduce(self, settings: Mapping[str, Any], metrics: Sequence[str], model: nn.Layer) -> None:
        """Write what holds for the whole run: its settings with the tags of its scores, and the model's graph.

        What an earlier process of the same run has written stays.
        """
        if self.is_new:
            self._writer._get_file_writer().add_record(hparams_record(settings, metrics))
        graphs = sorted(self._folder.glob("vdlgraph.*.log"))
        if self.is_new or not graphs:
            for old in graphs:
                old.unlink()
            write_text(self._folder / f"vdlgraph.{int(time.time())}.log", json.dumps(graph_of(model)))

    def position(self) -> int:
        """Return the length of the file in bytes once the queue has been written."""
        self._writer._get_file_writer().flush()
        return self._path.stat().st_size

    def close(self) -> None:
        """Write what is queued and stop VisualDL's thread."""
        self._writer.close()
