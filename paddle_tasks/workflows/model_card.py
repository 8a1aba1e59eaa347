"""The card of an exported model: what it was trained on and how, and every figure from the run itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks.data.tables.catalogue import SAMPLES
from paddle_tasks.files import write_json, write_text
from paddle_tasks.metrics import SHOWN
from paddle_tasks.models.pretrained.loading import ASSETS, BUILTIN

STAGES, CARD = "stages.json", "README.md"
NOTES = "card.yaml"
"""In a run folder: what its maker adds to the card, as texts by heading (Licences, Limits)."""

RESULT = "result.json"

Record = Mapping[str, Any]


def write_card(run: Path, folder: Path, name: str) -> None:
    """Write README.md and stages.json into a model folder: those of the model that training went on from, and this run.

    Args:
        run: a finished run folder.
        folder: that of the exported model.
        name: what the model is called.
    """
    stages = [*_earlier(run), _record(run)]
    path = run / NOTES
    notes = configuration.parse_yaml(path.read_text(encoding="utf-8"), str(path)) if path.is_file() else {}
    write_json(folder / STAGES, stages)
    write_text(folder / CARD, "\n".join(_card(name, stages, notes)) + "\n")


def is_finished(run: Path) -> bool:
    """Tell whether a run has come to its end."""
    path = run / RESULT
    return path.is_file() and json.loads(path.read_text(encoding="utf-8"))["status"] == "finished"


def _earlier(run: Path) -> list[Record]:
    """Return the stages of the model that a run went on from, when it was exported or is that of another run."""
    encoder = str(_config(run)["model"]["encoder"])
    folder = ASSETS / encoder.removeprefix(BUILTIN) if encoder.startswith(BUILTIN) else Path(encoder).expanduser()
    if (folder / STAGES).is_file():
        return list(json.loads((folder / STAGES).read_text(encoding="utf-8")))
    if folder.name == "model" and (folder.parent / RESULT).is_file():
        return [*_earlier(folder.parent), _record(folder.parent)]
    return []


def _config(run: Path) -> Any:
    return configuration.parse_yaml((run / "config.yaml").read_text(encoding="utf-8"), str(run / "config.yaml"))


def _record(run: Path) -> Record:
    result = json.loads((run / RESULT).read_text(encoding="utf-8"))
    kept = ("task", "status", "seed", "model", "data", "dev", "test", "train")
    return {
        "run": run.name,
        **{name: result[name] for name in kept if name in result},
        "data": {split: _placed(facts) for split, facts in result["data"].items()},
        "environment": {name: result["environment"][name] for name in ("versions", "device", "threads", "processes")},
        "config": _config(run),
        "curve": list(_curve(run)),
    }


def _placed(facts: Record) -> Record:
    """Return what is known of a split; samples that ship stand where they are on no other machine."""
    path = Path(str(facts.get("path", "")))
    return {**facts, "path": BUILTIN + path.relative_to(SAMPLES).as_posix()} if path.is_relative_to(SAMPLES) else facts


def _curve(run: Path) -> Iterator[Record]:
    """Yield the dev scores of each evaluation."""
    points: dict[int, dict[str, float]] = {}
    for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        split, _, name = record["tag"].partition("/")
        if split == "dev" and name in SHOWN:
            points.setdefault(record["step"], {})[name] = record["value"]
    for step, scores in sorted(points.items()):
        yield {"step": step, **scores}


# ---- the text


def _card(name: str, stages: Sequence[Record], said: Mapping[str, str]) -> Iterator[str]:
    yield f"# {name}"
    yield ""
    model = stages[-1]["model"]
    yield f"{model['parameters']:,} parameters in training; the weights here are rounded to float16."
    yield "Every figure below was written by `paddle-tasks export` from the runs; `stages.json` holds them all."
    for number, stage in enumerate(stages, start=1):
        yield from _stage(number, stage)
    for heading, text in said.items():
        yield from ("", f"## {heading}", "", text)


def _stage(number: int, stage: Record) -> Iterator[str]:
    train, config = stage["train"], stage["config"]
    yield from ("", f"## Stage {number}: {stage['task']} ({stage['run']})", "")
    where, speed = stage["environment"], f"{train['tokens_per_second']:,.0f} tokens/s"
    yield (
        f"From `{config['model']['encoder']}`, seed {stage['seed']}: {train['optimizer_steps']:,} steps, "
        f"{train['tokens']:,} tokens in {train['seconds'] / 3600:.2f} hours, {speed} ({where['device']}, "
        f"processes: {where['processes']}, threads of each: {where['threads']})."
    )
    if stage.get("status") == "interrupted":
        yield f"It was stopped there; the weights of step {train['best_step']:,} are what went on."
    dropped = stage["data"]["train"].get("dropped_lines")
    if dropped is not None:
        yield (
            f"{dropped:,} of {stage['data']['train']['lines']:,} lines were dropped first, which stand in "
            "data.held_out, exactly or nearly (character 5-grams, Jaccard)."
        )
    yield from _sources(config["data"]["train"])
    yield from _settings(config)
    yield from _scores(stage)
    yield from _curve_table(stage["curve"])


def _sources(sources: Any) -> Iterator[str]:
    if isinstance(sources, str):
        yield f"Train data: `{sources}`."
        return
    yield from ("", "| documents | times | origin |", "|---|---|---|")
    for source in sources:
        chapters = " (train chapters)" if source.get("chapters") else ""
        yield f"| `{source['path']}`{chapters} | {source['times']} | {source.get('origin', '')} |"


def _settings(config: Mapping[str, Any]) -> Iterator[str]:
    optimizer, training = config["optimizer"], config["training"]
    loss = training["loss"]
    said = {
        "learning rate": optimizer["learning_rate"],
        "schedule": optimizer["schedule"],
        "weight decay": optimizer["weight_decay"],
        "tokens a batch": training["max_tokens_per_batch"],
        "rows a batch": training["batch_size"],
        "length": training["max_length"],
        **config["data"].get("masking", {}),
        "teachers": ", ".join(loss.get("teachers", ())) or None,
        "teacher weight": loss.get("teacher_weight") if loss.get("teachers") else None,
    }
    yield ""
    yield "Settings: " + ", ".join(f"{name} {value}" for name, value in said.items() if value is not None) + "."


def _scores(stage: Record) -> Iterator[str]:
    splits = [split for split in ("dev", "test") if split in stage]
    if not splits:  # it was stopped
        return
    names = [name for name in SHOWN if any(name in stage[split] for split in splits)]
    yield from ("", "| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names))
    for split in splits:
        yield f"| {split} | " + " | ".join(_number(stage[split].get(name)) for name in names) + " |"


def _curve_table(curve: Sequence[Record]) -> Iterator[str]:
    names = [name for name in SHOWN if any(name in point for point in curve)]
    yield from ("", "| step | " + " | ".join(f"dev {name}" for name in names) + " |", "|---|" + "---|" * len(names))
    for point in curve:
        yield f"| {point['step']:,} | " + " | ".join(_number(point.get(name)) for name in names) + " |"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
