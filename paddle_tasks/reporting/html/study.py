"""What the predictions of a split say, counted in one pass over the file: its size does not matter to a report."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.files import iterate_json_lines
from paddle_tasks.reporting.entries import ScoredSplitName
from paddle_tasks.training.record_view import Record, RecordView, RowScore

MAX_ERRORS = 50
"""The worst errors that a report shows."""
MAX_SAMPLES = 8
"""The first rows that a report of a model that writes shows."""
Groups = Mapping[str, Mapping[int | str, str]]


def doubles() -> array[float]:
    """Return an empty array of doubles."""
    return array("d")


@dataclass
class Slice:
    """The sums of the scores and losses of some rows."""

    rows: int = 0
    right: float = 0.0
    predicted: float = 0.0
    expected: float = 0.0
    loss: float = 0.0
    n_losses: int = 0

    def add(self, score: RowScore, loss: float | None) -> None:
        """Add a row; its loss is None if it has none."""
        self.rows += 1
        self.right += score.right
        self.predicted += score.predicted
        self.expected += score.expected
        if loss is not None:
            self.loss += loss
            self.n_losses += 1

    @property
    def score(self) -> float:
        """F1 of the sums; 0 if nothing is predicted or expected."""
        return 2 * self.right / ((self.predicted + self.expected) or 1.0)

    @property
    def mean_loss(self) -> float | None:
        """The mean loss of the rows; None if some have none."""
        return self.loss / self.rows if self.rows and self.n_losses == self.rows else None


@dataclass
class Candidates:
    """The candidates of one label: whether they have it, and their probabilities."""

    is_gold: array[float] = field(default_factory=doubles)
    probs: array[float] = field(default_factory=doubles)

    @property
    def arrays(self) -> tuple[Array, Array]:
        """The same as <bool>[candidates] and <float64>[candidates]."""
        return np.array(self.is_gold) > 0, np.array(self.probs)


@dataclass
class Study:
    """What the records of a split say.

    Attributes:
        split: the split.
        view: how its task reads records.
        confusion: the number of decisions by expected and predicted label.
        names: the names of labels.
        candidates: by label.
        confidence: the probability of each answer.
        is_right: whether the answer is right.
        lengths: the length of each input.
        scores: right, predicted and expected items of each row, one after the other.
        losses: of each row; NaN if it has none.
        groups: the slices of rows by kind of group and group.
        samples: the first records.
        errors: the worst errors, the worst first.
        kinds: the number of errors by kind.
        n_errors: the number of records in errors.jsonl.
    """

    split: ScoredSplitName
    view: RecordView
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    names: dict[str, str] = field(default_factory=dict)
    candidates: dict[str, Candidates] = field(default_factory=dict)
    confidence: array[float] = field(default_factory=doubles)
    is_right: array[float] = field(default_factory=doubles)
    lengths: array[float] = field(default_factory=doubles)
    scores: array[float] = field(default_factory=doubles)
    losses: array[float] = field(default_factory=doubles)
    groups: dict[str, dict[str, Slice]] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    n_errors: int = 0

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.lengths)

    @property
    def row_scores(self) -> Array:
        """The scores of the rows <float64>[rows, 3]: right, predicted and expected items."""
        return np.array(self.scores).reshape(-1, 3)

    def read(self, records: Iterable[dict[str, Any]], groups: Groups) -> None:
        """Count records of predictions/SPLIT.jsonl; ``groups`` are those of `Task.row_groups`."""
        for record in records:
            self._count_row(record, groups)
            self._count_decisions(record)
            if len(self.samples) < MAX_SAMPLES:
                self.samples.append(record)

    def _count_row(self, record: Record, groups: Groups) -> None:
        score, loss = self.view.score(record), record.get("loss")
        loss = float(loss) if isinstance(loss, int | float) else None
        self.lengths.append(self.view.length(record))
        self.scores.extend(score)
        self.losses.append(float("nan") if loss is None else loss)
        for kind, group in {**_column_groups(record, groups), **self.view.groups(record)}.items():
            self.groups.setdefault(kind, {}).setdefault(group, Slice()).add(score, loss)

    def _count_decisions(self, record: Record) -> None:
        self.confusion.update(self.view.decisions(record))
        self.names.update(self.view.names(record))
        for label, is_gold, prob in self.view.candidates(record):
            of_label = self.candidates.setdefault(label, Candidates())
            of_label.is_gold.append(is_gold)
            of_label.probs.append(prob)
        for prob, is_right in self.view.answers(record):
            self.confidence.append(prob)
            self.is_right.append(is_right)

    def read_errors(self, records: Iterator[dict[str, Any]]) -> None:
        """Count records of errors.jsonl, and keep the worst ones of this split."""
        own = (record for record in records if record.get("split") == self.split)
        self.errors = heapq.nlargest(MAX_ERRORS, map(self._count_error, own), key=_loss)

    def _count_error(self, record: dict[str, Any]) -> dict[str, Any]:
        self.n_errors += 1
        self.kinds.update(self.view.kinds(record))
        return record


def _loss(record: Record) -> float:
    loss = record.get("loss", 0.0)
    return float(loss) if isinstance(loss, int | float) else 0.0


def _column_groups(record: Record, groups: Groups) -> dict[str, str]:
    """Return the groups of the line that a record is from."""
    if not groups:
        return {}
    line = str(record.get("where", "")).rpartition(":")[2]
    place = int(line) if line.isdecimal() else line
    return {column: values[place] for column, values in groups.items() if place in values}


def study_split(folder: Path, split: ScoredSplitName, view: RecordView, groups: Groups) -> Study | None:
    """Return the study of a split of a run; None if the run has no predictions of it, or those of something else.

    Args:
        folder: the run folder.
        split: the split.
        view: how its task reads records.
        groups: the groups of rows that columns of the split's file name.
    """
    study, predictions = Study(split, view), folder / "predictions"
    try:
        study.read(iterate_json_lines(predictions / f"{split}.jsonl"), groups)
        study.read_errors(iterate_json_lines(predictions / "errors.jsonl"))
    except (KeyError, TypeError, AttributeError, ValueError):  # of another version, or edited by hand
        return None
    return study if study.rows else None
