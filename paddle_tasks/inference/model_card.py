"""The model card: the data, settings and scores of a model, all taken from the runs that trained it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks import tasks
from paddle_tasks.data.tables.catalogue import portable_path
from paddle_tasks.errors import ConfigError
from paddle_tasks.files import write_json, write_text
from paddle_tasks.models.pretrained.loading import BUILTIN
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.training.protocol import Task
from paddle_tasks.training.result import FILE as RESULT
from paddle_tasks.training.result import RunResult
from paddle_tasks.training.tracking import read_metrics

STAGES, CARD = "stages.json", "README.md"
NOTES = "card.yaml"
"""A file in the run folder with sections that its author adds to the card: texts by heading (Licences, Limits)."""

Stage = Mapping[str, Any]


def write_card(run: Path, folder: Path, name: str) -> None:
    """Write README.md and stages.json into a model folder.

    A stage is a run: first the runs that led to the model that training started from, then the run itself.

    Args:
        run: a finished run folder.
        folder: the folder of the exported model.
        name: the name of the model.
    """
    stages = [*_earlier_stages(run), _stage(run)]
    path = run / NOTES
    notes = configuration.parse_yaml(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else {}
    write_json(folder / STAGES, stages)
    write_text(folder / CARD, "\n".join(_card(name, stages, notes)) + "\n")


def is_finished(run: Path) -> bool:
    """Return whether a run is finished."""
    result = RunResult.read(run)
    return result is not None and result.is_finished


def _earlier_stages(run: Path) -> list[Stage]:
    """Return the stages of the model that a run started from, if that was exported or belongs to another run."""
    encoder = str(_config(run)["model"].get("encoder", ""))
    folder = ASSETS / encoder.removeprefix(BUILTIN) if encoder.startswith(BUILTIN) else Path(encoder).expanduser()
    if (folder / STAGES).is_file():
        return list(json.loads((folder / STAGES).read_text(encoding="utf-8")))
    if folder.name == "model" and (folder.parent / RESULT).is_file():
        return [*_earlier_stages(folder.parent), _stage(folder.parent)]
    return []


def _config(run: Path) -> Any:
    return configuration.parse_yaml((run / "config.yaml").read_text(encoding="utf-8"), str(run / "config.yaml"))


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


def _task(name: str) -> type[Task] | None:
    try:
        return tasks.find(name)
    except ConfigError:  # it belongs to a package that is not installed
        return None


def summary_metrics(task: str) -> tuple[str, ...]:
    """Return the summary metrics of a task; none if the task is unknown."""
    return tasks.shown_metrics(task).summary


# ---- the text


def _card(name: str, stages: Sequence[Stage], notes: Mapping[str, str]) -> Iterator[str]:
    yield f"# {name}"
    yield ""
    model = stages[-1]["model"]
    yield f"{model['parameters']:,} parameters in training; the weights here are rounded to float16."
    yield "`paddle-tasks export` took every number below from the runs; `stages.json` contains all of them."
    for number, stage in enumerate(stages, start=1):
        yield from _stage_lines(number, stage)
    for heading, text in notes.items():
        yield from ("", f"## {heading}", "", text)


def _stage_lines(number: int, stage: Stage) -> Iterator[str]:
    train, config = stage["train"], stage["config"]
    yield from ("", f"## Stage {number}: {stage['task']} ({stage['run']})", "")
    environment, speed = stage["environment"], f"{train['tokens_per_second'] or 0:,.0f} tokens/s"
    encoder = config["model"].get("encoder")
    start = f"From `{encoder}`, seed" if encoder else "Seed"
    yield (
        f"{start} {stage['seed']}: {train['optimizer_steps']:,} steps, "
        f"{train['tokens']:,} tokens in {train['seconds'] / 3600:.2f} hours, {speed} ({environment['device']}, "
        f"processes: {environment['processes']}, threads per process: {environment['threads']})."
    )
    if stage.get("status") == "interrupted":
        yield f"The run was stopped; the weights of step {train['best_step']:,} were used."
    n_dropped = stage["data"]["train"].get("dropped_lines")
    if n_dropped is not None:
        yield (
            f"{n_dropped:,} of {stage['data']['train']['lines']:,} lines were dropped before training, since they "
            "equal or nearly equal a line of data.held_out (Jaccard similarity of character 5-grams)."
        )
    yield from _source_lines(config["data"]["train"])
    yield from _setting_lines(stage["task"], config)
    yield from _score_lines(stage)
    yield from _curve_lines(stage)


def _source_lines(sources: Any) -> Iterator[str]:
    if isinstance(sources, str):
        yield f"Train data: `{sources}`."
        return
    yield from ("", "| documents | times | origin |", "|---|---|---|")
    for source in sources:
        chapters = " (train chapters)" if source.get("chapters") else ""
        yield f"| `{source['path']}`{chapters} | {source['times']} | {source.get('origin', '')} |"


def _setting_lines(task: str, config: Mapping[str, Any]) -> Iterator[str]:
    optimizer, task_class = config["optimizer"], _task(task)
    settings = {
        "learning rate": optimizer["learning_rate"],
        "schedule": optimizer["schedule"],
        "weight decay": optimizer["weight_decay"],
        **(task_class.card_settings(config) if task_class else {}),
    }
    yield ""
    yield "Settings: " + ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None) + "."


def _score_lines(stage: Stage) -> Iterator[str]:
    splits = [split for split in ("dev", "test") if split in stage]
    if not splits:  # the run was stopped
        return
    metrics = summary_metrics(stage["task"])
    names = [name for name in metrics if any(name in stage[split] for split in splits)]
    yield from ("", "| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names))
    for split in splits:
        yield f"| {split} | " + " | ".join(_number(stage[split].get(name)) for name in names) + " |"


def _curve_lines(stage: Stage) -> Iterator[str]:
    curve = stage["curve"]
    names = [name for name in summary_metrics(stage["task"]) if any(name in point for point in curve)]
    yield from ("", "| step | " + " | ".join(f"dev {name}" for name in names) + " |", "|---|" + "---|" * len(names))
    for point in curve:
        yield f"| {point['step']:,} | " + " | ".join(_number(point.get(name)) for name in names) + " |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
