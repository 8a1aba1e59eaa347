"""PNG files with the figures of runs, drawn from the files of their folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks import figures, tasks
from paddle_tasks.errors import DataError, shorten
from paddle_tasks.files import read_json_lines
from paddle_tasks.language import _
from paddle_tasks.metrics.confusion import count_confusions
from paddle_tasks.metrics.names import metric_name
from paddle_tasks.reporting.entries import SPLITS, Entry, MetricValue, ScoredSplitName
from paddle_tasks.training.result import RunResult
from paddle_tasks.training.tracking.metrics_file import read_metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Records = Sequence[Mapping[str, Any]]
NamedFigures = Iterator[tuple[str, "Figure"]]
_PER_LABEL_METRICS = ("precision", "recall", "f1")
_MAX_LABELS = 40
"""Number of labels at most in a figure of scores by label."""
_UNBOUNDED_METRICS = ("loss", "perplexity")
"""Metrics that do not fit on an axis from 0 to 1."""
_COMPARISON = "comparison"


@dataclass(frozen=True)
class FigureFiles:
    """The files that were written, and notes for the user on figures that are missing or incomplete."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def write_figures(entries: Sequence[Entry], folder: Path) -> FigureFiles:
    """Write ``RUN-KIND.png`` for each figure that the files of a run allow, and comparisons of the runs of a task.

    Names that no installed font has are replaced, with the warning `figures.MissingGlyphs`.

    Args:
        entries: runs and sweeps; a sweep appears in the comparison only.
        folder: the target; it is made if it does not exist, and files of the same names are replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    notes: list[str] = []
    for name, figure in _draw_all(entries, notes):
        files.append(folder / f"{name}.png")
        figures.to_png(figure, files[-1])
    return FigureFiles(tuple(files), tuple(notes))


def _draw_all(entries: Sequence[Entry], notes: list[str]) -> NamedFigures:
    names = _unique_names(entries)
    curves: dict[str, Records] = {}
    for name, entry in zip(names, entries, strict=True):
        run = Path(entry.name)
        if records := read_metrics(run / "metrics.jsonl"):
            curves[name] = records
            if not figures.is_baseline(str(record.get("tag", "")) for record in records):
                yield f"{name}-curves", figures.learning_curves(records, name, tasks.shown_metrics(entry.task).summary)
        for split in SPLITS:
            try:
                yield from _draw_split(name, run, split)
            except (LookupError, TypeError, ValueError, AttributeError) as error:  # the records of another program
                message = _("{run}: its predictions cannot be drawn ({error})")
                notes.append(message.format(run=run, error=shorten(f"{type(error).__name__}: {error}")))
        if not records and entry.seeds == 1:
            notes.append(
                _("{run}: has no metrics.jsonl with records, so there are no learning curves of it").format(run=run)
            )
    yield from _draw_comparisons(list(zip(names, entries, strict=True)), curves)


def _unique_names(entries: Sequence[Entry]) -> list[str]:
    """Return the folder name of each entry; the second folder of a name gets ``-2``, the third ``-3``."""
    names: list[str] = []
    for entry in entries:
        name = Path(entry.name).resolve().name
        numbered = (f"{name}-{number}" for number in count(2))
        names.append(next(each for each in chain([name], numbered) if each not in (*names, _COMPARISON)))
    return names


# ---- one run


def _draw_split(name: str, run: Path, split: ScoredSplitName) -> NamedFigures:
    """Yield the figures of the predictions of one split: of labels when they are labels, else of spans."""
    records = read_json_lines(run / "predictions" / f"{split}.jsonl")
    title = f"{name}: {_split_name(split)}"
    if not records:
        return
    are_labels = all(isinstance(record.get("gold"), str) for record in records)
    for kind, figure in _draw_labels(records, title) if are_labels else _draw_spans(run, split, title):
        yield f"{name}-{split}-{kind}", figure


def _draw_labels(records: Records, title: str) -> NamedFigures:
    labels = _collect_labels(records)
    indices = {label: index for index, label in enumerate(labels)}
    display_names = {str(record["predicted"]): str(record["name"]) for record in records if "name" in record}
    names = [display_names.get(label, label) for label in labels]
    gold, predicted = (np.array([indices[record[side]] for record in records]) for side in ("gold", "predicted"))
    counts, shown = count_confusions(gold, predicted, len(labels))
    yield "confusion", figures.confusion_matrix(counts, [names[index] for index in shown], title)
    if all("probabilities" in record for record in records):
        probs = np.array([[record["probabilities"].get(label, 0.0) for label in labels] for record in records])
        yield "pr", figures.pr_curves(gold, probs, names, title)
        yield "roc", figures.roc_curves(gold, probs, names, title)
        confidence = probs[np.arange(len(gold)), predicted]
        yield "calibration", figures.calibration_curve(confidence, gold == predicted, title)


def _collect_labels(records: Records) -> list[str]:
    """Return the labels in the model's order, which is that of the probabilities, then all other labels."""
    ordered = dict.fromkeys(records[0].get("probabilities", ()))
    others = {record[side] for record in records for side in ("gold", "predicted")} - ordered.keys()
    return [*ordered, *sorted(others)]


def _draw_spans(run: Path, split: ScoredSplitName, title: str) -> NamedFigures:
    per_label = _read_label_scores(run, split)
    if per_label:
        labels = list(per_label)[:_MAX_LABELS]
        series = {
            figures.legible(metric_name(metric), metric): [per_label[label].get(metric) for label in labels]
            for metric in _PER_LABEL_METRICS
        }
        yield "labels", figures.bars(figures.label_names(labels), series, title=title, kind="label")
    errors = read_json_lines(run / "predictions" / "errors.jsonl")
    counts = Counter(str(error["kind"]) for error in errors if error.get("split") == split and "kind" in error)
    if counts:
        kinds, numbers = zip(*counts.most_common(), strict=True)
        series = {figures.caption("errors"): [float(number) for number in numbers]}
        heading = figures.caption("{split}, errors by kind").format(split=title)
        yield "errors", figures.bars(figures.label_names(kinds), series, title=heading, kind="kind", form=".0f")


def _read_label_scores(run: Path, split: ScoredSplitName) -> Mapping[str, Mapping[str, float]]:
    """Return the metrics by label of a split, empty when result.json has none or cannot be read."""
    try:
        result = RunResult.read(run)
    except (DataError, OSError, ValueError):
        return {}
    metrics = result.scores.get(split, {}) if result else {}
    return dict(metrics.get("per_label", {}))


# ---- several runs


def _draw_comparisons(named: Sequence[tuple[str, Entry]], curves: Mapping[str, Records]) -> NamedFigures:
    """Yield the comparisons of the runs of each task that has several; with one task, their names do without it."""
    by_task: dict[str, list[tuple[str, Entry]]] = {}
    for name, entry in named:
        by_task.setdefault(entry.task, []).append((name, entry))
    for task, runs in by_task.items():
        prefix = f"{_COMPARISON}-{task}" if len(by_task) > 1 else _COMPARISON
        if len(runs) > 1:
            for kind, figure in _draw_comparison(runs, curves, task if len(by_task) > 1 else ""):
                yield f"{prefix}-{kind}", figure


def _draw_comparison(runs: Sequence[tuple[str, Entry]], curves: Mapping[str, Records], title: str) -> NamedFigures:
    own_curves = {name: curves[name] for name, _entry in runs if name in curves}
    if len(own_curves) > 1:
        ((metric, _count),) = Counter(entry.metric for _name, entry in runs).most_common(1)
        yield "curves", figures.comparison(own_curves, metric, title)
    scored = [(name, entry) for name, entry in runs if entry.splits]
    for kind, is_unbounded in (("scores", False), ("losses", True)):
        if kept := [pair for pair in scored if (pair[1].metric in _UNBOUNDED_METRICS) == is_unbounded]:
            yield kind, _draw_score_bars(kept, title)


def _draw_score_bars(scored: Sequence[tuple[str, Entry]], task: str) -> Figure:
    has_one_metric = len({entry.metric for _name, entry in scored}) == 1
    names = [name if has_one_metric else f"{name} ({_metric_name(entry)})" for name, entry in scored]
    means: dict[str, list[float | None]] = {}
    deviations: dict[str, list[float | None]] = {}
    for split in SPLITS:
        values = [_selection_value(entry, split) for _name, entry in scored]
        if any(values):
            means[_split_name(split)] = [value.mean if value else None for value in values]
            deviations[_split_name(split)] = [value.deviation if value else None for value in values]
    chosen = _metric_name(scored[0][1]) if has_one_metric else figures.caption("score by which each run was chosen")
    return figures.bars(names, means, deviations=deviations, title=f"{task}: {chosen}" if task else chosen)


def _split_name(split: ScoredSplitName) -> str:
    return figures.legible(_(split), split)


def _metric_name(entry: Entry) -> str:
    return figures.legible(metric_name(entry.metric), entry.metric)


def _selection_value(entry: Entry, split: ScoredSplitName) -> MetricValue | None:
    """Return the value of the metric that chose the best checkpoint, None where there is none."""
    scored = entry.splits.get(split)
    return scored.scores.get(entry.metric) if scored else None
