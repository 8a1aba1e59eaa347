"""Runs with logs written by VisualDL itself, and functions that damage logs."""

from __future__ import annotations

import contextlib
import io
import json
import math
import struct
from functools import cache
from pathlib import Path

import numpy as np

from paddle_tasks.files import write_json

LOG = "vdlrecords.1700000000.log"
N_STEPS = 12


def _node(name: str, kind: str, children: list[str], parent: str) -> dict:
    empty = {key: [] for key in ("input_nodes", "output_nodes", "edge_input_nodes", "edge_output_nodes")}
    variables = {"input_vars": {}, "output_vars": {}, "attrs": {}}
    position = {"children_node": children, "parent_node": parent, "is_leaf_node": not children}
    return {"name": name, "show_name": name, "type": kind, **empty, **variables, **position}


GRAPH = {
    "version": "1.0.0",
    "nodes": [_node("/", "Model", ["/a"], ""), _node("/a", "Linear", [], "/")],
    "vars": [],
    "edges": [],
}
"""A model graph of one layer, as VisualDL has it."""
START = 1_700_000_000.0


def value_of(step: int, tag: str) -> float:
    return math.sin(step + len(tag)) * 10 ** (len(tag) % 5 - 2)


def points() -> list[dict]:
    """The lines of a metrics.jsonl; one value is not finite, and one tag is not VisualDL's."""
    tags = ("train/loss", "dev/accuracy", "dev/f1 in %")
    lines = [
        {"step": step, "epoch": 1, "tag": tag, "value": value_of(step, tag), "time": START + step}
        for step in range(1, N_STEPS)
        for tag in tags
    ]
    return [*lines[:5], {"step": 2, "epoch": 1, "tag": "train/loss", "value": math.nan, "time": START}, *lines[5:]]


def expected(lines: list[dict]) -> dict[str, list[tuple[int, float]]]:
    """What VisualDL has to show: by tag, the steps with their values in single precision."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        if math.isfinite(line["value"]):
            found.setdefault(line["tag"].replace("%", "percent"), []).append((line["step"], np.float32(line["value"])))
    return found


@cache
def log_bytes() -> bytes:
    """A log of scalars, texts, histograms, images and hyper-parameters."""
    import tempfile

    from visualdl import LogWriter

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        with LogWriter(logdir=folder, file_name=LOG) as writer:
            writer.add_hparams({"lr": 0.1, "kind": "ernie", "layers": 4}, ["dev/accuracy"])
            for number, line in enumerate(points()):
                if math.isfinite(line["value"]):
                    tag, seconds = line["tag"].replace("%", "percent"), line["time"]
                    writer.add_scalar(tag=tag, value=line["value"], step=line["step"], walltime=int(seconds * 1000))
                if number % 9 == 0:
                    writer.add_text("samples/房间", f"第{number}条：房间干净 " * 5, step=line["step"])
                    writer.add_histogram("weights", np.sin(np.arange(50.0) * number), line["step"], buckets=8)
                    picture = np.arange(192, dtype=np.uint8).reshape(8, 8, 3) + np.uint8(number)
                    writer.add_image("confusion", picture, step=line["step"])
        return Path(folder, LOG).read_bytes()


def frames(data: bytes) -> list[tuple[int, int, bytes]]:
    """Start, end and record of each frame of a log that is whole, read without the code under test."""
    found, start = [], 0
    while start < len(data):
        end = start + 8 + struct.unpack_from("<Q", data, start)[0]
        found.append((start, end, data[start + 8 : end]))
        start = end
    assert start == len(data)
    return found


def flipped(data: bytes, position: int, bit: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1 << bit]) + data[position + 1 :]


def make_run(folder: Path, data: bytes | None = None, status: str | None = "finished") -> Path:
    """Write a run folder and return the path of its log."""
    log = folder / "vdl" / LOG
    log.parent.mkdir(parents=True)
    log.write_bytes(log_bytes() if data is None else data)
    (folder / "config.yaml").write_text("task: sentiment\n", encoding="utf-8")
    (folder / "checkpoints").mkdir()
    write_metrics(folder, points())
    if status:
        write_json(folder / "result.json", result(status))
    return log


def result(status: str) -> dict:
    """What result.json holds, as short as it may be."""
    model, train = {"encoder": "textcnn"}, {"seconds": 1.0}
    return {
        "schema": 1,
        "task": "sentiment",
        "status": status,
        "seed": 1,
        "model": model,
        "data": {"train": {"path": "train.tsv", "rows": 1, "sha256": "0" * 64}},
        "train": train,
    }


def write_metrics(folder: Path, lines: list[dict]) -> None:
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def shown(log: Path) -> dict[str, list[tuple[int, float]]]:
    """The scalars of a log as VisualDL's own reader has them, which raises at anything odd."""
    from visualdl import LogReader

    reader = LogReader(file_path=str(log))
    tags = reader.get_tags().get("scalar", [])
    return {tag: [(item.id, item.value) for item in reader.get_data("scalar", tag)] for tag in tags}
