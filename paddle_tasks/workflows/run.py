"""What a training or a baseline returns: the run, its scores and predictions, and how it is displayed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddle_tasks import tasks
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.files import read_json_lines
from paddle_tasks.training.baselines import find_baseline, have_same_rows
from paddle_tasks.training.display_html import table_to_html
from paddle_tasks.training.display_text import table_to_text
from paddle_tasks.training.result import RunResult
from paddle_tasks.workflows.frames import as_frame
from paddle_tasks.workflows.run_tables import Scored, facts_table, scores_table


@dataclass(frozen=True, repr=False)
class Run:
    """A finished run; a notebook shows it as a table.

    Files are read when they are asked for.

    Attributes:
        folder: the run folder.
        outcome: its result.
    """

    folder: Path
    outcome: RunResult

    @property
    def result(self) -> dict[str, Any]:
        """The object that result.json holds."""
        return self.outcome.to_json()

    # ---- tables

    @property
    def scores(self) -> Any:
        """The metrics: a DataFrame with a row for each metric and a column for each split.

        If `baseline` has a result, it has further columns. Without pandas this is a list of dicts.
        """
        columns = {scored.heading: scored.metrics for scored in self._scored()}
        names = dict.fromkeys(name for metrics in columns.values() for name in metrics)
        rows = [
            {"metric": name, **{heading: metrics.get(name) for heading, metrics in columns.items()}} for name in names
        ]
        return as_frame(rows, index="metric")

    @property
    def predictions(self) -> Any:
        """The predictions for the rows of all scored splits, as a DataFrame; without pandas a list of dicts.

        The column ``split`` names the split; the others are the keys of ``predictions/SPLIT.jsonl``.
        """
        records = [
            {"split": split, **record} for split in self.outcome.scores for record in self._read(f"{split}.jsonl")
        ]
        return as_frame(records)

    @property
    def errors(self) -> Any:
        """The errors of all scored splits, the worst first, as a DataFrame; without pandas a list of dicts."""
        return as_frame(self._read("errors.jsonl"))

    def _read(self, name: str) -> list[dict[str, Any]]:
        return read_json_lines(self.folder / "predictions" / name)

    @property
    def baseline(self) -> RunResult | None:
        """The result in the folder with the suffix ``-baseline``, if it is of the same train data; else None.

        Without such a folder it is that of another baseline, as in ``-baseline-lexicon``.
        """
        found = find_baseline(self.folder, self.outcome)
        return found.result if found else None

    def baseline_of(self, split: SplitName) -> RunResult | None:
        """Return the result of `baseline` if it has scored the same rows of a split; else None."""
        other = self.baseline
        return (
            other
            if other is not None and split in other.scores and have_same_rows(other, self.outcome, split)
            else None
        )

    # ---- display

    def _scored(self) -> list[Scored]:
        """Return the splits that this run has scored, each followed by the baseline's if it is of the same data."""
        scored = []
        for split, metrics in self.outcome.scores.items():
            scored.append(Scored(split, metrics))
            other = self.baseline_of(split)
            scored += [Scored(split, other.scores[split], other.model.encoder)] if other else []
        return scored

    def __repr__(self) -> str:
        return "\n\n".join(table_to_text(table) for table in self._tables())

    def _repr_html_(self) -> str:
        return f"<div>{''.join(table_to_html(table) for table in self._tables())}</div>"

    def _tables(self) -> list[Any]:
        names = tasks.shown_metrics(self.outcome.task).summary
        scores = scores_table(self._scored(), names)
        return [facts_table(self.folder, self.outcome), *([scores] if scores.rows else [])]
