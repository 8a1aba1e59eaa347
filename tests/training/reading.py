"""Reads back what a run wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from visualdl import LogReader

from paddle_tasks.training.tracking import read_metrics

Point = tuple[int, float]
CONTENT = {"hyper_parameters": "hparam"}
"""Names of the record fields that differ from the names of their kinds."""


def visualdl_points(folder: Path) -> dict[str, list[Point]]:
    """Return (step, value) of every point of every tag, read by VisualDL's own reader."""
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


def visualdl_panels(folder: Path) -> dict[str, dict[str, list[tuple[int, Any]]]]:
    """Return (step, content) of every record by kind and tag, without scalars and VisualDL's file headers."""
    (file,) = folder.glob("vdlrecords.*.log")
    reader = LogReader(file_path=str(file))
    return {
        kind: {
            tag: [(found.id, getattr(found, CONTENT.get(kind, kind))) for found in reader.get_data(kind, tag)]
            for tag in tags
        }
        for kind, tags in reader.get_tags().items()
        if kind not in {"scalar", "meta_data"}
    }


def metrics_points(file: Path) -> dict[str, list[Point]]:
    """Return (step, value) of every point of every tag in metrics.jsonl, rounded to float32 as in VisualDL."""
    points: dict[str, list[Point]] = {}
    for record in read_metrics(file):
        points.setdefault(record["tag"], []).append((record["step"], float(np.float32(record["value"]))))
    return points
