"""The stages of a model: the data, settings and scores of each run that led to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks import tasks
from paddle_tasks.data.tables.catalogue import portable_path
from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import read_json
from paddle_tasks.language import _
from paddle_tasks.models.pretrained.loading import BUILTIN
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.training.result import FILE as RESULT
from paddle_tasks.training.result import RunResult
from paddle_tasks.training.tracking import read_metrics

STAGES = "stages.json"

Stage = Mapping[str, Any]


def stages_of(run: Path) -> list[Stage]:
    """Return the stages of a run: first the runs that led to the model that it started from, then the run itself."""
    return [*_earlier_stages(run), _stage(run)]


def read_stages(folder: Path) -> list[Stage]:
    """Return the stages of an exported model.

    Raises:
        CheckpointError: the file is not a list of stages.
    """
    path = folder / STAGES
    if not path.is_file():
        raise CheckpointError(_("{file}: no such file").format(file=path))
    stages = read_json(path, CheckpointError)
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        raise CheckpointError(_("{file}: expected a list of stages").format(file=path))
    return stages


def is_finished(run: Path) -> bool:
    """Return whether a run is finished."""
    result = RunResult.read(run)
    return result is not None and result.is_finished


def _earlier_stages(run: Path) -> list[Stage]:
    """Return the stages of the model that a run started from, if that was exported or belongs to another run."""
    start = start_of(_config(run)) or ""
    folder = ASSETS / start.removeprefix(BUILTIN) if start.startswith(BUILTIN) else Path(start).expanduser()
    folder = folder / "model" if (folder / RESULT).is_file() else folder
    if (folder / STAGES).is_file():
        return read_stages(folder)
    if folder.name == "model" and (folder.parent / RESULT).is_file():
        return [*_earlier_stages(folder.parent), _stage(folder.parent)]
    return []


def start_of(config: Mapping[str, Any]) -> str | None:
    """Return what the model of a configuration starts from: an encoder, or another model of its task."""
    model = config.get("model") or {}
    return model.get("start") or model.get("encoder")


def _config(run: Path) -> Any:
    return configuration.read(run / "config.yaml")


def _stage(run: Path) -> Stage:
    result = RunResult.read(run)
    assert result is not None  # the run is finished, or another run started from its model
    tree = result.to_json()
    kept = ("task", "status", "seed", "model", "data", "dev", "test", "train")
    environment = tree["environment"]
    return {
        "run": run.name,
        **{name: tree[name] for name in kept if name in tree},
        "data": {split: {**facts, "path": portable_path(facts["path"])} for split, facts in tree["data"].items()},
        "environment": {name: environment[name] for name in ("versions", "device", "threads", "processes")},
        "config": portable_config(_config(run)),
        "curve": list(_curve(run, summary_metrics(result.task))),
    }


def portable_config(tree: Any) -> Any:
    """Return a configuration without the paths of this machine; see `portable_path`."""
    if isinstance(tree, dict):
        return {key: value if _holds_labels(key, value) else portable_config(value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [portable_config(value) for value in tree]
    return portable_path(tree) if isinstance(tree, str) else tree


def _holds_labels(key: str, value: Any) -> bool:
    """Return whether a setting holds labels, which may look like paths; ``label_names`` may be a file, too."""
    return key in {"labels", "columns", "label_map"} or (key == "label_names" and isinstance(value, dict))


def _curve(run: Path, metrics: Sequence[str]) -> Iterator[Stage]:
    """Yield the dev scores of each evaluation."""
    points: dict[int, dict[str, float]] = {}
    for record in read_metrics(run / "metrics.jsonl"):
        split, _, name = record["tag"].partition("/")
        if split == "dev" and name in metrics:
            points.setdefault(record["step"], {})[name] = record["value"]
    for step, scores in sorted(points.items()):
        yield {"step": step, **scores}


def summary_metrics(task: str) -> tuple[str, ...]:
    """Return the summary metrics of a task; none if the task is unknown."""
    return tasks.shown_metrics(task).summary
