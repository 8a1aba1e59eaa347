"""The VisualDL log of a run: one file with records and one with the model's graph."""

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
from paddle_tasks.training.tracking.graph import build_graph
from paddle_tasks.training.tracking.records import build_hparams_record, build_records, clean_tag
from paddle_tasks.training.tracking.truncation import truncate


class VisualDLWriter:
    """Writes VisualDL records of a run, always to the same file, because the server shows one file for each folder.

    Args:
        folder: the folder of the log.
        position: length in bytes to truncate an existing log to.

    Attributes:
        is_new: whether the log starts empty, without records of an earlier process.
    """

    def __init__(self, folder: Path, position: int = 0) -> None:
        existing = sorted(folder.glob("vdlrecords.*.log"))
        name = existing[-1].name if existing else f"vdlrecords.{int(time.time())}.log"
        self._folder, self._path = folder, folder / name
        truncate(self._path, position)
        self.is_new = not self._path.exists() or not self._path.stat().st_size
        folder.mkdir(parents=True, exist_ok=True)
        # VisualDL 2.5.3 mixes up its two queue settings: max_queue is used as the seconds between flushes.
        with contextlib.redirect_stdout(io.StringIO()):
            self._writer = LogWriter(logdir=str(folder), file_name=name, max_queue=1, flush_secs=1000)

    def write_scalar(self, step: int, epoch: int, tag: str, value: float) -> None:  # noqa: ARG002
        """Write one value, unless it is not finite: that would break the page, and metrics.jsonl has it."""
        if math.isfinite(value):
            self._writer.add_scalar(tag=clean_tag(tag), value=value, step=step)

    def write_text(self, step: int, tag: str, text: str) -> None:
        """Write one text."""
        self._writer.add_text(tag=clean_tag(tag), text_string=text, step=step)

    def write_panels(self, step: int, panels: Panels) -> None:
        """Write panels."""
        for record in build_records(step, panels):
            self._writer._get_file_writer().add_record(record)

    def write_run_info(self, settings: Mapping[str, Any], metrics: Sequence[str], model: nn.Layer) -> None:
        """Write the settings with the tags of the scores, and the model's graph.

        If the log continues an earlier process's, its settings and graph are kept.
        """
        if self.is_new:
            self._writer._get_file_writer().add_record(build_hparams_record(settings, metrics))
        graphs = sorted(self._folder.glob("vdlgraph.*.log"))
        if self.is_new or not graphs:
            for old in graphs:
                old.unlink()
            write_text(self._folder / f"vdlgraph.{int(time.time())}.log", json.dumps(build_graph(model)))

    def position(self) -> int:
        """Return the length of the file in bytes, after writing the queue."""
        self._writer._get_file_writer().flush()
        return self._path.stat().st_size

    def close(self) -> None:
        """Write the queue and stop VisualDL's thread."""
        self._writer.close()
