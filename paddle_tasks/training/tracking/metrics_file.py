"""Writing and reading metrics.jsonl."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

from paddle_tasks.files import read_json_lines, to_json
from paddle_tasks.training.tracking.truncation import truncate


class MetricsWriter:
    """Appends lines ``{"step", "epoch", "tag", "value", "time"}`` to metrics.jsonl.

    Args:
        path: the file.
        position: length in bytes to truncate an existing file to.
    """

    def __init__(self, path: Path, position: int = 0) -> None:
        truncate(path, position)
        self._file = path.open("a", encoding="utf-8", newline="\n")

    def write_scalar(self, step: int, epoch: int, tag: str, value: float) -> None:
        """Write one line, which readers can see at once."""
        record = {"step": step, "epoch": epoch, "tag": tag, "value": value, "time": round(time.time(), 3)}
        self._file.write(to_json(record) + "\n")
        self._file.flush()

    def write_text(self, step: int, tag: str, text: str) -> None:
        """Write nothing: the file holds metrics only, and the texts of the best model are in predictions/."""

    def position(self) -> int:
        """Return the length of the file in bytes, after syncing it to disk."""
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def is_metric(record: Any) -> bool:
    """Return whether a JSON value is a record of metrics.jsonl: a damaged line may hold any value."""
    if not isinstance(record, dict):
        return False
    step, tag, value = (record.get(name) for name in ("step", "tag", "value"))
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(step) is int and isinstance(tag, str) and (is_number or ("value" in record and value is None))


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the records of a metrics.jsonl, without lines that are damaged or not completely written yet.

    A value that is not finite is NaN here and null in the file.
    """
    records = filter(is_metric, read_json_lines(path))
    return [{**record, "value": math.nan} if record["value"] is None else record for record in records]
