"""The figures of runs as PNG files, from what their folders hold."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks import figures
from paddle_tasks.reporting.entries import RESULT, SPLITS, Entry
from paddle_tasks.reporting.records import read_records

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Records = Sequence[Mapping[str, Any]]
_PER_LABEL = ("precision", "recall", "f1")
_DRAWN_LABELS = 40
_LOSSES = ("loss", "perplexity")
_COMPARISON = "comparison"


@dataclass(frozen=True)
class Pictures:
    """The files that were written, and what is to be said of them."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]


def write_pictures(entries: Sequence[Entry], folder: Path) -> Pictures:
    """Write ``RUN-WHAT.png`` for all that each run has, and the comparison of several; replace what is there.

    Args:
        entries: of runs and sweeps; a sweep has its part in the comparison alone.
        folder: is made when it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", figures.MissingGlyphs)
        for name, figure in _figures(entries, notes):
            files.append(folder / f"{name}.png")
            figures.to_png(figure, files[-1])
    replaced = [str(one.message) for one in caught if issubclass(one.category, figures.MissingGlyphs)]
    return Pictures(tuple(files), (*notes, *replaced[:1]))


def _figures(entries: Sequence[Entry], notes: list[str]) -> Iterator[tuple[str, Figure]]:
    names = _names(entries)
    curves: dict[str, Records] = {}
    for name, entry in zip(names, entries, strict=True):
        run = Path(entry.name)
        if records := read_records(run / "metrics.jsonl"):
            curves[name] = records
            yield f"{name}-curves", figures.learning_curves(records, name)
        for split in SPLITS:
            yield from _of_split(name, run, split)
        if not records and entry.seeds == 1:
            notes.append(f"{run}: has no metrics.jsonl with records, so there are no learning curves of it")
    if len(entries) > 1:
        yield from _comparison(names, entries, curves)


def _names(entries: Sequence[Entry]) -> list[str]:
    """Return the name of each folder, with a number from the second of a name on."""
    names: list[str] = []
    for entry in entries:
        name = Path(entry.name).resolve().name
        others = (f"{name}-{number}" for number in count(2))
        names.append(next(one for one in chain([name], others) if one not in (*names, _COMPARISON)))
    return names


# ---- a run


def _of_split(name: str, run: Path, split: str) -> Iterator[tuple[str, Figure]]:
    """Yield what the predictions of a split show."""
    records = read_records(run / "predictions" / f"{split}.jsonl")
    title = f"{name}: {split}"
    if records and all(isinstance(record.get("gold"), str) for record in records):
        for what, figure in _of_classes(records, title):
            yield f"{name}-{split}-{what}", figure
    elif records:
        for what, figure in _of_spans(run, split, title):
            yield f"{name}-{split}-{what}", figure


def _of_classes(records: Records, title: str) -> Iterator[tuple[str, Figure]]:
    labels = _labels(records)
    place = {label: number for number, label in enumerate(labels)}
    known = {str(record["predicted"]): str(record["name"]) for record in records if "name" in record}
    names = [known.get(label, label) for label in labels]
    gold, predicted = (np.array([place[record[side]] for record in records]) for side in ("gold", "predicted"))
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(counts, (gold, predicted), 1)
    yield "confusion", figures.confusion_matrix(counts, names, title)
    if all("probabilities" in record for record in records):
        chances = np.array([[record["probabilities"].get(label, 0.0) for label in labels] for record in records])
        yield "pr", figures.pr_curves(gold, chances, names, title)
        yield "roc", figures.roc_curves(gold, chances, names, title)
        confidence = chances[np.arange(len(gold)), predicted]
        yield "calibration", figures.calibration_curve(confidence, gold == predicted, title)


def _labels(records: Records) -> list[str]:
    """Return the labels in the order of the model, which the probabilities have; others after them."""
    ordered = dict.fromkeys(records[0].get("probabilities", ()))
    rest = {record[side] for record in records for side in ("gold", "predicted")} - ordered.keys()
    return [*ordered, *sorted(rest)]


def _of_spans(run: Path, split: str, title: str) -> Iterator[tuple[str, Figure]]:
    per_label = _result(run).get(split, {}).get("per_label", {})
    if per_label:
        labels = list(per_label)[:_DRAWN_LABELS]
        series = {score: [per_label[label].get(score) for label in labels] for score in _PER_LABEL}
        yield "labels", figures.bars(labels, series, title=title, kind="label")
    errors = read_records(run / "predictions" / "errors.jsonl")
    kinds = Counter(str(error["kind"]) for error in errors if error.get("split") == split and "kind" in error)
    if kinds:
        numbers = {"errors": [float(count) for _, count in kinds.most_common()]}
        kinds_shown = [kind for kind, _ in kinds.most_common()]
        yield "errors", figures.bars(kinds_shown, numbers, title=f"{title}, errors by kind", kind="kind", form=".0f")


def _result(run: Path) -> Mapping[str, Any]:
    try:
        value = json.loads((run / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


# ---- several runs


def _comparison(
    names: Sequence[str], entries: Sequence[Entry], curves: Mapping[str, Records]
) -> Iterator[tuple[str, Figure]]:
    if len(curves) > 1:
        ((metric, _),) = Counter(entry.metric for entry in entries).most_common(1)
        yield f"{_COMPARISON}-curves", figures.comparison(curves, metric)
    scored = [(name, entry) for name, entry in zip(names, entries, strict=True) if entry.splits]
    # A loss has no place on the axis of scores between 0 and 1.
    for what, are_losses in (("scores", False), ("losses", True)):
        if kept := [one for one in scored if (one[1].metric in _LOSSES) == are_losses]:
            yield f"{_COMPARISON}-{what}", _side_by_side(kept)


def _side_by_side(scored: Sequence[tuple[str, Entry]]) -> Figure:
    one = len({entry.metric for _, entry in scored}) == 1
    shown = [name if one else f"{name} ({entry.metric})" for name, entry in scored]
    means, deviations = (
        {split: [_score(entry, split, part) for _, entry in scored] for split in SPLITS}
        for part in ("mean", "deviation")
    )
    there = {split: values for split, values in means.items() if any(value is not None for value in values)}
    title = scored[0][1].metric if one else "score by which each run was chosen"
    return figures.bars(shown, there, deviations=deviations, title=title)


def _score(entry: Entry, split: str, part: str) -> float | None:
    scored = entry.splits.get(split)
    figure = scored.scores.get(entry.metric) if scored else None
    return None if figure is None else getattr(figure, part)
