"""What the folders of runs and sweeps say of themselves: one entry for each, whatever state it is in."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks.errors import ConfigError, DataError, did_you_mean
from paddle_tasks.files import beside

CONFIG, RESULT, SWEEP = "config.yaml", "result.json", "sweep.json"
SPLITS = ("dev", "test")
FINISHED = "finished"
_USUAL_METRICS = ("accuracy", "f1", "loss")


@dataclass(frozen=True)
class Figure:
    """A number, or the mean of several with their sample standard deviation."""

    mean: float
    deviation: float | None = None


@dataclass(frozen=True)
class ScoredSplit:
    """Rows that were scored, and the scores.

    Attributes:
        name: ``dev`` or ``test``.
        predictions: the file that holds the texts, if they are ever asked for.
    """

    name: str
    rows: int
    sha256: str
    scores: Mapping[str, Figure]
    n_labels: int | None
    predictions: Path

    @cached_property
    def texts(self) -> str:
        """The fingerprint of the texts that were scored, as far as the run has kept them."""
        if not self.predictions.is_file():
            return fingerprint(())
        with self.predictions.open(encoding="utf-8") as lines:
            return fingerprint(str(json.loads(line).get("text", "")) for line in lines)


def fingerprint(texts: Iterable[str]) -> str:
    """Return what the same texts have in common in whatever order and layout: a SHA-256 over their sorted lines.

    White space, also that between the two texts of a pair, counts as one space.
    """
    return hashlib.sha256("\n".join(sorted(" ".join(text.split()) for text in texts)).encode()).hexdigest()


@dataclass(frozen=True)
class TrainRows:
    """What was learnt from: as the configuration names it, and its rows where they are known."""

    source: str
    rows: int | None = None


@dataclass(frozen=True)
class Entry:
    """A row of the table.

    Attributes:
        name: the folder, as it was given.
        status: ``finished``, ``interrupted``, ``failed`` or ``unfinished``.
        model: the encoder, and what is frozen of it.
        metric: the one that chose the best model.
        seeds: how many runs the figures are means of.
        remark: what is to be known besides.
    """

    name: str
    task: str
    status: str
    model: str
    metric: str
    train: TrainRows
    splits: Mapping[str, ScoredSplit] = field(default_factory=dict)
    parameters: int | None = None
    seconds: Figure | None = None
    tokens_per_second: Figure | None = None
    seeds: int = 1
    remark: str = ""


@dataclass(frozen=True)
class Broken:
    """A folder that cannot be a row of the table, and why."""

    name: str
    reason: str


def read_entries(folders: Sequence[Path]) -> Iterator[Entry | Broken]:
    """Yield an entry for each folder of a run or a sweep; a folder of such folders stands for all of them.

    Raises:
        DataError: there is no such folder.
    """
    for folder in folders:
        if not folder.is_dir():
            near = did_you_mean(str(folder), beside(folder, folders=True))
            raise DataError(f"{folder}: no such folder{near}")
        inner = [] if _is_either(folder) else sorted(filter(_is_either, folder.iterdir()))
        yield from map(_entry, inner or [folder])


def _is_either(folder: Path) -> bool:
    return (folder / CONFIG).is_file() or (folder / SWEEP).is_file()


def _entry(folder: Path) -> Entry | Broken:
    try:
        if (folder / SWEEP).is_file():
            return _sweep_entry(folder)
        if (folder / CONFIG).is_file():
            return _run_entry(folder)
    except (DataError, ConfigError) as error:
        return Broken(str(folder), str(error).partition("\n")[0])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError) as error:
        return Broken(str(folder), f"what it holds cannot be read ({type(error).__name__}: {error})")
    return Broken(str(folder), f"is neither a run nor a sweep: it has no {CONFIG} and no {SWEEP}")


def _json(file: Path) -> Any:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{file}: not valid JSON ({error})") from error
    if not isinstance(value, dict) or value.get("schema") != 1:
        raise DataError(f"{file}: expected an object with schema 1")
    return value


# ---- a run


def _run_entry(folder: Path) -> Entry:
    config = configuration.read(folder / CONFIG)
    if not (folder / RESULT).is_file():
        return Entry(
            name=str(folder),
            task=str(config["task"]),
            status="unfinished",
            model=_model(config),
            metric=_metric(config, {}),
            train=TrainRows(_train_source(config)),
        )
    result = _json(folder / RESULT)
    scored = {name: _numbers(result[name]) for name in SPLITS if name in result}
    finished = result["status"] == FINISHED
    return Entry(
        name=str(folder),
        task=result["task"],
        status=result["status"],
        model=_model(config, result["model"]["encoder"]),
        metric=_metric(config, scored),
        train=TrainRows(_train_source(config, result), result["data"]["train"]["rows"]),
        splits=_splits(folder, result, scored) if finished else {},
        parameters=result["model"].get("parameters"),
        seconds=_figure(result["train"].get("seconds")) if finished else None,
        tokens_per_second=_figure(result["train"].get("tokens_per_second")) if finished else None,
    )


def _figure(value: Any) -> Figure | None:
    return None if value is None else Figure(float(value))


def _numbers(scores: Mapping[str, Any]) -> dict[str, Figure]:
    plain = {name: value for name, value in scores.items() if isinstance(value, (int, float))}
    return {name: Figure(float(value)) for name, value in plain.items() if not isinstance(value, bool)}


def _splits(
    folder: Path, result: Mapping[str, Any], scored: Mapping[str, Mapping[str, Figure]]
) -> dict[str, ScoredSplit]:
    return {
        name: ScoredSplit(
            name=name,
            rows=result["data"][name]["rows"],
            sha256=result["data"][name]["sha256"],
            scores=scores,
            n_labels=len(result[name]["per_label"]) if "per_label" in result[name] else None,
            predictions=folder / "predictions" / f"{name}.jsonl",
        )
        for name, scores in scored.items()
    }


def _model(config: Mapping[str, Any], encoder: str | None = None) -> str:
    section, training = config.get("model") or {}, config.get("training") or {}
    name = encoder or str(section.get("encoder", ""))
    if section.get("ngrams") is True:  # a baseline has their lengths there
        name += " and n-grams"
    told = {"frozen": training.get("freeze"), "taught by": (training.get("loss") or {}).get("teachers")}
    return name + "".join(f", {what}: {', '.join(values)}" for what, values in told.items() if values)


def _metric(config: Mapping[str, Any], scored: Mapping[str, Mapping[str, Figure]]) -> str:
    chosen = (config.get("evaluation") or {}).get("metric")
    known = {name for scores in scored.values() for name in scores}
    return str(chosen or next((name for name in _USUAL_METRICS if name in known), _USUAL_METRICS[0]))


def _train_source(config: Mapping[str, Any], result: Mapping[str, Any] | None = None) -> str:
    named = (config.get("data") or {}).get("train")
    if isinstance(named, str) or result is None:
        return str(named)
    return str(result["data"]["train"].get("path", named))


# ---- a sweep


def _sweep_entry(folder: Path) -> Entry:
    summary = _json(folder / SWEEP)
    point = _shown_point(summary)
    shown = next((run for run in (point or {}).get("runs", ()) if run["status"] == FINISHED), None)
    if point is None or shown is None:
        return Entry(
            name=str(folder),
            task=summary["task"],
            status=summary["status"],
            model=summary["encoder"],
            metric=summary["metric"],
            train=TrainRows(summary["train"]),
            seeds=0,
            remark=_progress(summary),
        )
    one = _run_entry(folder / shown["run"])
    return Entry(
        name=str(folder),
        task=one.task,
        status=summary["status"],
        model=one.model,
        metric=summary["metric"],
        train=one.train,
        splits={name: _averaged(split, point[name]) for name, split in one.splits.items()},
        parameters=one.parameters,
        seconds=_mean(point["seconds"]),
        tokens_per_second=_mean(point["tokens_per_second"]),
        seeds=point["finished"],
        remark="; ".join(filter(None, [_choice(summary, point), _progress(summary)])),
    )


def _shown_point(summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the grid point that dev has chosen; before all are done only one that needs no choice."""
    points = summary["points"]
    if len(points) == 1:
        return dict(points[0])
    best = summary["best"]
    return next((point for point in points if best and point["name"] == best["point"]), None)


def _averaged(split: ScoredSplit, spreads: Mapping[str, Mapping[str, Any]]) -> ScoredSplit:
    means = {name: mean for name, spread in spreads.items() if (mean := _mean(spread))}
    return ScoredSplit(split.name, split.rows, split.sha256, means, split.n_labels, split.predictions)


def _mean(spread: Mapping[str, Any] | None) -> Figure | None:
    if not spread or spread["mean"] is None or not math.isfinite(spread["mean"]):
        return None
    return Figure(spread["mean"], spread["deviation"])


def _choice(summary: Mapping[str, Any], point: Mapping[str, Any]) -> str:
    n_points = len(summary["points"])
    if n_points == 1:
        return ""
    settings = ", ".join(f"{key}={configuration.inline(value)}" for key, value in point["settings"].items())
    return f"{settings}: best of {n_points} by mean dev {summary['metric']}"


def _progress(summary: Mapping[str, Any]) -> str:
    runs = [run for point in summary["points"] for run in point["runs"]]
    done = sum(run["status"] == FINISHED for run in runs)
    return "" if done == len(runs) else f"{done} of {len(runs)} runs finished"
