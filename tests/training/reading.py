"""What a run wrote, read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from visualdl import LogReader

from paddle_tasks.training.tracking import read_metrics

Point = tuple[int, float]


def visualdl_points(folder: Path) -> dict[str, list[Point]]:
    """Return (step, value) of every point of every tag, as VisualDL's own reader finds them."""
    (file,) = folder.glob("vdlrecords.*.log")
    reader = LogReader(file_path=str(file))
    tags = reader.get_tags().get("scalar", [])
    return {tag: [(point.id, point.value) for point in reader.get_data("scalar", tag)] for tag in tags}


def visualdl_texts(folder: Path) -> dict[str, list[tuple[int, str]]]:
    """Return (step, text) of every text of every tag."""
    (file,) = folder.glob("vdlrecords.*.log")
    reader = LogReader(file_path=str(file))
    tags = reader.get_tags().get("text", [])
    return {tag: [(found.id, found.text.encoded_text_string) for found in reader.get_data("text", tag)] for tag in tags}


def metrics_points(file: Path) -> dict[str, list[Point]]:
    """Return the same from metrics.jsonl, in the single precision that VisualDL keeps."""
    points: dict[str, list[Point]] = {}
    for record in read_metrics(file):
        points.setdefault(record["tag"], []).append((record["step"], float(np.float32(record["value"]))))
    return points
