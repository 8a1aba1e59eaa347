"""Entries of the results table: one for each folder of a run or a sweep, whatever its status."""

from __future__ import annotations

import hashlib
import math
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from paddle_tasks import config as configuration
from paddle_tasks.data.tables.catalogue import source_name
from paddle_tasks.errors import ConfigError, DataError, nearest_path
from paddle_tasks.files import is_dir, list_siblings, read_json, read_json_lines, short_name
from paddle_tasks.language import _, join
from paddle_tasks.metrics.names import metric_name
from paddle_tasks.reporting.consistency import find_contradiction
from paddle_tasks.training.result import RunResult

CONFIG_FILE, SWEEP_FILE = "config.yaml", "sweep.json"
ScoredSplitName = Literal["dev", "test"]
SPLITS: tuple[ScoredSplitName, ...] = ("dev", "test")
FINISHED, INTERRUPTED = "finished", "interrupted"
_DEFAULT_METRICS = ("accuracy", "f1", "loss")
"""Metrics that stand in for ``evaluation.metric`` where a configuration has none, in this order."""


@dataclass(frozen=True)
class MetricValue:
    """A number, or the mean of several numbers with their sample standard deviation."""

    mean: float
    deviation: float | None = None


@dataclass(frozen=True)
class ScoredSplit:
    """One split of a run: its rows and their scores.

    Attributes:
        rows: the number of rows.
        sha256: the hash of the data file.
        scores: metrics by name.
        labels: the labels, the negative one of two first; empty for a task without scores by label.
        predictions: path of the predictions, which hold the texts; the file may be missing.
    """

    name: ScoredSplitName
    rows: int
    sha256: str
    scores: Mapping[str, MetricValue]
    labels: Sequence[str]
    predictions: Path

    @property
    def n_labels(self) -> int:
        """The number of labels."""
        return len(self.labels)

    @cached_property
    def texts_fingerprint(self) -> str:
        """The `fingerprint` of the scored texts, read from the predictions; that of no texts without the file."""
        return fingerprint(str(record.get("text", "")) for record in read_json_lines(self.predictions))


def fingerprint(texts: Iterable[str]) -> str:
    """Return a SHA-256 that is equal for the same texts in any order and layout.

    It is taken over the sorted texts, one a line, with every run of white space replaced by one space. The separator
    between the two texts of a pair counts as white space.
    """
    return hashlib.sha256("\n".join(sorted(" ".join(text.split()) for text in texts)).encode()).hexdigest()


@dataclass(frozen=True)
class TrainData:
    """The train split: its name in the configuration, and its number of rows where it is known."""

    source: str
    rows: int | None = None


@dataclass(frozen=True)
class Entry:
    """A row of the results table.

    Attributes:
        name: the folder, as the user gave it.
        status: ``finished``, ``interrupted``, ``failed`` or ``unfinished``.
        model: the encoder, followed by its frozen parts and its teachers.
        metric: the metric that chose the best checkpoint.
        splits: the scored splits; empty unless the run is finished.
        parameters: the number of parameters.
        tokens: the tokens that the model read in training.
        generated: the metrics of texts that the model wrote after passages of test, by where these are from.
        seconds: duration of the training.
        seeds: number of runs that the values are means of.
        remark: a note for the reader, such as the settings that a sweep chose.
        continued_by: the command that continues an unfinished run; empty for what has none.
    """

    name: str
    task: str
    status: str
    model: str
    metric: str
    train: TrainData
    splits: Mapping[ScoredSplitName, ScoredSplit] = field(default_factory=dict)
    parameters: int | None = None
    tokens: int | None = None
    generated: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    seconds: MetricValue | None = None
    tokens_per_second: MetricValue | None = None
    seeds: int = 1
    remark: str = ""
    continued_by: str = ""


@dataclass(frozen=True)
class BrokenFolder:
    """A folder that cannot be shown as an entry, and the reason."""

    name: str
    reason: str


def read_entries(folders: Sequence[Path]) -> Iterator[Entry | BrokenFolder]:
    """Yield an entry for each run or sweep folder; a folder that contains such folders yields one for each of them.

    Raises:
        DataError: a folder does not exist.
    """
    for folder in folders:
        if not is_dir(folder):
            suggestion = nearest_path(folder, list_siblings(folder, folders_only=True))
            raise DataError(_("{folder}: no such folder").format(folder=short_name(folder)) + suggestion)
        inner = [] if _is_run_or_sweep(folder) else sorted(filter(_is_run_or_sweep, folder.iterdir()))
        yield from map(_read_entry, inner or [folder])


def _is_run_or_sweep(folder: Path) -> bool:
    return (folder / CONFIG_FILE).is_file() or (folder / SWEEP_FILE).is_file()


def _read_entry(folder: Path) -> Entry | BrokenFolder:
    try:
        if (folder / SWEEP_FILE).is_file():
            return _read_sweep(folder)
        if (folder / CONFIG_FILE).is_file():
            return _read_run(folder)
    except (DataError, ConfigError) as error:
        return BrokenFolder(str(folder), str(error).partition("\n")[0])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError) as error:
        problem = _("its files cannot be read ({error})").format(error=f"{type(error).__name__}: {error}")
        return BrokenFolder(str(folder), problem)
    problem = _("is neither a run nor a sweep: it has no {config} and no {sweep}")
    return BrokenFolder(str(folder), problem.format(config=CONFIG_FILE, sweep=SWEEP_FILE))


# ---- runs


def _read_run(folder: Path) -> Entry:
    config = configuration.read(folder / CONFIG_FILE)
    result = RunResult.read(folder)
    if result is None:
        return Entry(
            name=str(folder),
            task=str(config["task"]),
            status="unfinished",
            model=_describe_model(config),
            metric=_selection_metric(config, {}),
            train=TrainData(_train_source(config)),
            continued_by=_train_command(folder, config),
        )
    scores = {name: _select_numbers(result.scores[name]) for name in SPLITS if name in result.scores}
    finished = result.is_finished
    return Entry(
        name=str(folder),
        task=result.task,
        status=result.status,
        model=_describe_model(config, result.model.encoder),
        metric=_selection_metric(config, scores),
        train=TrainData(_train_source(config, result), result.data["train"].rows),
        splits=_scored_splits(folder, result, scores) if finished else {},
        parameters=result.model.parameters,
        tokens=result.train.tokens if finished else None,
        generated=result.scores.get("test", {}).get("generated", {}) if finished else {},
        seconds=_optional_value(result.train.seconds) if finished else None,
        tokens_per_second=_optional_value(result.train.tokens_per_second) if finished else None,
        remark=_find_contradictions(folder, result) if finished else "",
        continued_by=_train_command(folder, config) if result.status == INTERRUPTED else "",
    )


def _train_command(folder: Path, config: Mapping[str, Any]) -> str:
    """Return the command that continues a run; empty for a baseline, which has no steps to go on from."""
    return shlex.join(["paddle-tasks", "train", str(folder / CONFIG_FILE)]) if "training" in config else ""


def _find_contradictions(folder: Path, result: RunResult) -> str:
    """Return a remark if the predictions of a run do not give the scores in its result.json."""
    found = []
    for name, scores in result.scores.items():
        records = read_json_lines(folder / "predictions" / f"{name}.jsonl")
        contradiction = find_contradiction(records, scores, result.data[name].rows)
        found += [f"{_(name)} {contradiction}"] if contradiction else []
    if not found:
        return ""
    return _("**scores do not agree with predictions** ({found})").format(found=_("; ").join(found))


def _optional_value(value: float | None) -> MetricValue | None:
    return None if value is None else MetricValue(float(value))


def _select_numbers(metrics: Mapping[str, Any]) -> dict[str, MetricValue]:
    """Return the metrics that are numbers; others, such as scores by label, have no cell in the table."""
    numbers = {name: value for name, value in metrics.items() if isinstance(value, (int, float))}
    return {name: MetricValue(float(value)) for name, value in numbers.items() if not isinstance(value, bool)}


def _scored_splits(
    folder: Path, result: RunResult, scores: Mapping[ScoredSplitName, Mapping[str, MetricValue]]
) -> dict[ScoredSplitName, ScoredSplit]:
    return {
        name: ScoredSplit(
            name=name,
            rows=result.data[name].rows,
            sha256=result.data[name].sha256,
            scores=scores[name],
            labels=list(result.scores[name].get("per_label", ())),
            predictions=folder / "predictions" / f"{name}.jsonl",
        )
        for name in scores
    }


def _describe_model(config: Mapping[str, Any], encoder: str | None = None) -> str:
    """Return the encoder with its frozen parts and teachers: ``"textcnn, frozen: encoder.*"``."""
    section, training = config.get("model") or {}, config.get("training") or {}
    name = encoder or str(section.get("encoder", ""))
    ngrams = section.get("ngrams")  # a list in the configuration of a baseline: the lengths of its n-grams
    if ngrams is True or isinstance(ngrams, Mapping):
        name = _("{model} and n-grams").format(model=name)
    named = [name, section.get("architecture") or "", _("attention") if section.get("attention") else ""]
    details = {_("frozen"): training.get("freeze"), _("teachers"): (training.get("loss") or {}).get("teachers")}
    return join(
        [
            *filter(None, named),
            *(
                _("{heading}: {names}").format(heading=heading, names=join(values))
                for heading, values in details.items()
                if values
            ),
        ]
    )


def _selection_metric(config: Mapping[str, Any], scores: Mapping[ScoredSplitName, Mapping[str, MetricValue]]) -> str:
    configured = (config.get("evaluation") or {}).get("metric")
    available = {metric for metrics in scores.values() for metric in metrics}
    default = next((metric for metric in _DEFAULT_METRICS if metric in available), _DEFAULT_METRICS[0])
    return str(configured or default)


def _train_source(config: Mapping[str, Any], result: RunResult | None = None) -> str:
    data = config.get("data") or {}
    configured = data.get("train")
    if isinstance(configured, list):  # several corpora
        paths = [corpus.get("path") if isinstance(corpus, Mapping) else corpus for corpus in configured]
        return ", ".join(dict.fromkeys(source_name(str(path), str(data.get("folder", "."))) for path in paths))
    if isinstance(configured, str) or result is None:
        return str(configured)
    return result.data["train"].path


# ---- sweeps


def _read_sweep(folder: Path) -> Entry:
    summary = _read_summary(folder / SWEEP_FILE)
    point = _chosen_point(summary)
    first_run = next((run for run in (point or {}).get("runs", ()) if run["status"] == FINISHED), None)
    if point is None or first_run is None:
        return Entry(
            name=str(folder),
            task=summary["task"],
            status=summary["status"],
            model=summary["encoder"],
            metric=summary["metric"],
            train=TrainData(summary["train"]),
            seeds=0,
            remark=_describe_progress(summary),
        )
    run = _read_run(folder / first_run["run"])
    return Entry(
        name=str(folder),
        task=run.task,
        status=summary["status"],
        model=run.model,
        metric=summary["metric"],
        train=run.train,
        splits={name: _with_means(split, point[name]) for name, split in run.splits.items()},
        parameters=run.parameters,
        tokens=run.tokens,
        seconds=_mean_value(point["seconds"]),
        tokens_per_second=_mean_value(point["tokens_per_second"]),
        seeds=point["finished"],
        remark=_("; ").join(
            filter(
                None,
                [_describe_choice(summary, point), _describe_progress(summary), _sweep_contradictions(folder, point)],
            )
        ),
    )


def _sweep_contradictions(folder: Path, point: Mapping[str, Any]) -> str:
    """Return the remark on the first run of a grid point whose predictions do not give its scores."""
    finished = [run["run"] for run in point["runs"] if run["status"] == FINISHED]
    remarks = {name: _read_run(folder / name).remark for name in finished}
    return next(
        (_("{run}: {remark}").format(run=name, remark=remark) for name, remark in remarks.items() if remark), ""
    )


def _read_summary(file: Path) -> dict[str, Any]:
    summary = read_json(file)
    if not isinstance(summary, dict) or summary.get("schema") != 1:
        raise DataError(_("{file}: expected an object with schema 1").format(file=file))
    return summary


def _chosen_point(summary: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the grid point that was chosen on dev; None while runs of a grid with several points are missing."""
    points = summary["points"]
    if len(points) == 1:
        return dict(points[0])
    best = summary["best"]
    return next((point for point in points if best and point["name"] == best["point"]), None)


def _with_means(split: ScoredSplit, spreads: Mapping[str, Mapping[str, Any]]) -> ScoredSplit:
    means = {metric: mean for metric, spread in spreads.items() if (mean := _mean_value(spread))}
    return ScoredSplit(split.name, split.rows, split.sha256, means, split.labels, split.predictions)


def _mean_value(spread: Mapping[str, Any] | None) -> MetricValue | None:
    if not spread or spread["mean"] is None or not math.isfinite(spread["mean"]):
        return None
    return MetricValue(spread["mean"], spread["deviation"])


def _describe_choice(summary: Mapping[str, Any], point: Mapping[str, Any]) -> str:
    n_points = len(summary["points"])
    if n_points == 1:
        return ""
    settings = ", ".join(f"{key}={configuration.dump_inline(value)}" for key, value in point["settings"].items())
    return _("{settings}: best of {points} by mean dev {metric}").format(
        settings=settings, points=n_points, metric=metric_name(summary["metric"])
    )


def _describe_progress(summary: Mapping[str, Any]) -> str:
    runs = [run for point in summary["points"] for run in point["runs"]]
    n_finished = sum(run["status"] == FINISHED for run in runs)
    if n_finished == len(runs):
        return ""
    return _("{finished} of {total} runs finished").format(finished=n_finished, total=len(runs))
