"""Everything that two identical runs have in common, read from their folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import paddle
from paddle import nn
from safetensors.numpy import load_file

from paddle_tasks import tasks
from paddle_tasks.training.build import build_model
from paddle_tasks.training.tracking import read_metrics
from paddle_tasks.workflows.config import load_config
from tests.training.reading import visualdl_panels, visualdl_points

MEASURED = ("seconds", "tokens_per_second", "peak_memory_mb", "characters_per_second")


def arrays(file: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Return dtype, shape and bytes of every tensor of a file, by name."""
    return {name: (str(array.dtype), array.shape, array.tobytes()) for name, array in load_file(file).items()}


def metrics(run: Path) -> list[tuple[int, int, str, float]]:
    """Return (step, epoch, tag, value) of everything in metrics.jsonl except measurements of the machine."""
    keys = ("step", "epoch", "tag", "value")
    records = [tuple(record[key] for key in keys) for record in read_metrics(run / "metrics.jsonl")]
    return [record for record in records if not record[2].startswith("system/")]


def latest_state(run: Path) -> dict[str, Any]:
    """Return state.json of the newest checkpoint."""
    latest = run / "checkpoints" / (run / "checkpoints/latest").read_text().strip()
    return json.loads((latest / "state.json").read_text())


def progress(run: Path) -> dict[str, Any]:
    """Return the progress in the newest checkpoint, with the counters of early stopping and the best value."""
    return latest_state(run)["progress"]


def panels(folder: Path) -> dict[str, dict[str, list[tuple[int, bytes]]]]:
    """Return (step, bytes) of everything in a VisualDL log except scalars, by kind and tag."""
    return {
        kind: {tag: [(step, part.SerializeToString()) for step, part in records] for tag, records in tags.items()}
        for kind, tags in visualdl_panels(folder).items()
    }


def without_measured(tree: Any) -> Any:
    """Return a JSON value without measurements of the machine at any depth."""
    if not isinstance(tree, dict):
        return tree
    return {name: without_measured(value) for name, value in tree.items() if name not in MEASURED}


def snapshot(run: Path) -> dict[str, Any]:
    """Return the parts that two identical runs have in common, by name."""
    checkpoints = run / "checkpoints"
    latest = checkpoints / (checkpoints / "latest").read_text().strip()
    result = json.loads((run / "result.json").read_text())
    curves = visualdl_points(run / "vdl")
    return {
        "metrics": metrics(run),
        "curves": {tag: points for tag, points in curves.items() if not tag.startswith("system/")},
        "system points": {tag: [step for step, _ in curves[tag]] for tag in curves if tag.startswith("system/")},
        "panels": panels(run / "vdl"),
        "graph": [file.read_text() for file in (run / "vdl").glob("vdlgraph.*.log")],
        "weights": arrays(latest / "model/model.safetensors"),
        "optimizer": arrays(latest / "optimizer.safetensors"),
        "best weights": arrays(run / "model/model.safetensors"),
        "n-grams": [arrays(path) for path in (run / "model").glob("ngrams.safetensors")],
        "progress": {name: value for name, value in progress(run).items() if name not in MEASURED},
        "checkpoints": sorted(path.name for path in checkpoints.iterdir()),
        "pointers": [(checkpoints / name).read_text() for name in ("latest", "best")],
        "predictions": {path.name: path.read_text() for path in (run / "predictions").iterdir()},
        "scores": without_measured({name: result[name] for name in ("dev", "test", "status")}),
        "counts": {name: value for name, value in result["train"].items() if name not in MEASURED},
    }


def differing(first: dict[str, Any], second: dict[str, Any]) -> set[str]:
    """Return the names of the parts in which two snapshots differ."""
    assert first.keys() == second.keys()
    return {name for name in first if first[name] != second[name]}


def started(config: dict[str, Any]) -> tuple[Any, nn.Layer]:
    """Return a task that has read its data, and the model that training starts from."""
    merged = load_config(config)
    task = tasks.find(merged.task)(merged)
    task.read()
    paddle.seed(merged.seed)
    return task, build_model(task, merged.training)
