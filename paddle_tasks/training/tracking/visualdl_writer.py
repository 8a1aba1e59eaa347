"""The VisualDL log of a run: one file with records and one with the model's graph."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle import nn
from visualdl.proto.record_pb2 import Record

from paddle_tasks.files import write_text
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.tracking.graph import build_graph
from paddle_tasks.training.tracking.records import (
    build_hparams_record,
    build_records,
    encode_record,
    make_meta,
    make_scalar,
)
from paddle_tasks.training.tracking.truncation import truncate


def log_path(folder: Path) -> Path:
    """Return the path of the log in a folder, or of a new one."""
    existing = sorted(folder.glob("vdlrecords.*.log"))
    return existing[-1] if existing else folder / f"vdlrecords.{int(time.time())}.log"


class VisualDLWriter:
    """Writes VisualDL records of a run, always to the same file, because the server shows one file for each folder.

    Args:
        folder: the folder of the log.
        position: length in bytes to truncate an existing log to.

    Attributes:
        is_new: whether the log starts empty, without records of an earlier process.
    """

    def __init__(self, folder: Path, position: int = 0) -> None:
        self._folder, self._path = folder, log_path(folder)
        truncate(self._path, position)
        self.is_new = not self._path.exists() or not self._path.stat().st_size
        folder.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab")
        self._append(make_meta(time.time()))

    def _append(self, record: Record) -> None:
        """Write a record, which readers can see at once."""
        # Not by VisualDL's LogWriter: its thread prints the error of a full disk and goes on without the record.
        self._file.write(encode_record(record))
        self._file.flush()

    def write_scalar(self, step: int, epoch: int, tag: str, value: float) -> None:  # noqa: ARG002
        """Write one value, unless it is not finite: that would break the page, and metrics.jsonl has it."""
        if math.isfinite(value):
            self._append(make_scalar(step, tag, value, time.time()))

    def write_text(self, step: int, tag: str, text: str) -> None:
        """Write one text."""
        self.write_panels(step, Panels(texts={tag: text}))

    def write_panels(self, step: int, panels: Panels) -> None:
        """Write panels."""
        for record in build_records(step, panels):
            self._append(record)

    def write_run_info(self, settings: Mapping[str, Any], metrics: Sequence[str], model: nn.Layer) -> None:
        """Write the settings with the tags of the scores, and the model's graph.

        If the log continues an earlier process's, its settings and graph are kept.
        """
        if self.is_new:
            self._append(build_hparams_record(settings, metrics))
        graphs = sorted(self._folder.glob("vdlgraph.*.log"))
        if self.is_new or not graphs:
            for old in graphs:
                old.unlink()
            write_text(self._folder / f"vdlgraph.{int(time.time())}.log", json.dumps(build_graph(model)))

    def position(self) -> int:
        """Return the length of the file in bytes, after syncing it to disk."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
