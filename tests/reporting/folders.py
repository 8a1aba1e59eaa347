"""Folders of runs and sweeps as `train` and `sweep` leave them, without training anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_tasks.training.result import RunResult
from paddle_tasks.workflows.sweep.results import Choice, choose, describe_point

SHA = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("train", "dev", "test", "other")}


def scored(accuracy: float, n_labels: int = 3, **more: float) -> dict[str, Any]:
    """Return the scores of a split."""
    labels = {str(label): {"f1": 0.5} for label in range(n_labels)}
    return {"accuracy": accuracy, "loss": 0.5, **more, "per_label": labels}


def part(rows: int, sha256: str, path: str = "data/x.tsv") -> dict[str, Any]:
    """Return what result.json says of a split's data."""
    return {"path": path, "rows": rows, "sha256": sha256, "skipped_rows": 0}


def write_run(
    folder: Path,
    scores: Mapping[str, Mapping[str, Any]] | None = None,
    data: Mapping[str, Mapping[str, Any]] | None = None,
    config: Mapping[str, Any] | None = None,
    **result: Any,
) -> Path:
    """Write a run's folder: by default dev 0.8 and test 0.7 on data that nobody knows."""
    folder.mkdir(parents=True)
    scores = {"dev": scored(0.8), "test": scored(0.7)} if scores is None else scores
    known = {"train": part(100, SHA["train"]), "dev": part(10, SHA["dev"]), "test": part(20, SHA["test"])}
    data = {**{name: known[name] for name in ("train", *scores)}, **(data or {})}
    encoder = result.pop("encoder", "textcnn")
    settings = {
        "task": result.get("task", "news"),
        "data": {name: f"data/{name}.tsv" for name in data},
        "model": {"encoder": encoder},
        "evaluation": {"metric": "accuracy"},
        **(config or {}),
    }
    (folder / "config.yaml").write_text(json.dumps(settings), encoding="utf-8")  # which is YAML too
    content = {
        "schema": 1,
        "task": "news",
        "status": "finished",
        "seed": 1,
        "model": {"encoder": encoder, "parameters": 1234567},
        "data": data,
        **scores,
        "train": {"seconds": 61.4, "tokens_per_second": 9876.5},
        "environment": {},
        **result,
    }
    (folder / "result.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def write_predictions(folder: Path, split: str, texts: Sequence[str]) -> None:
    """Write the texts of a split's predictions."""
    lines = [json.dumps({"row": row, "text": text}) + "\n" for row, text in enumerate(texts)]
    (folder / "predictions").mkdir(exist_ok=True)
    (folder / "predictions" / f"{split}.jsonl").write_text("".join(lines), encoding="utf-8")


def write_sweep(folder: Path, dev: Mapping[str, Sequence[float | None]], **summary: Any) -> Path:
    """Write a sweep's folder; ``dev`` holds the score of each seed by grid point, None where the run is not finished.

    Test scores are 0.1 lower.
    """
    points, choice = [], Choice("accuracy")
    for name, values in dev.items():
        runs, results = [], {}
        for seed, value in enumerate(values):
            run = f"{name},seed={seed}"
            runs.append({"run": run, "seed": seed, "status": "finished" if value is not None else "unfinished"})
            if value is not None:
                write_run(folder / run, {"dev": scored(value), "test": scored(value - 0.1)})
                results[run] = RunResult.read(folder / run)
        points.append(describe_point(name, {"model.dropout": name}, runs, results, choice))
    best = choose(points, choice)
    content = {
        "schema": 1,
        "status": "finished" if best else "unfinished",
        "task": "news",
        "encoder": "textcnn",
        "train": "data/train.tsv",
        "metric": "accuracy",
        "points": points,
        "best": best,
        **summary,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sweep.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


def tables(markdown: str) -> list[list[dict[str, str]]]:
    """Return the tables of a Markdown text: a mapping from heading to cell for each row."""
    found: list[list[dict[str, str]]] = []
    lines = markdown.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("| ---"):
            headings, found = cells(lines[number - 1]), [*found, []]
            for row in lines[number + 1 :]:
                if not row.startswith("|"):
                    break
                found[-1].append(dict(zip(headings, cells(row), strict=True)))
    return found


def cells(line: str) -> list[str]:
    """Return the cells of a row."""
    return [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split(" | ")]
