"""The tables that display a run: what was read and trained, and its scores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.language import _, plural
from paddle_tasks.metrics.names import metric_name
from paddle_tasks.training.display import Cell, Table
from paddle_tasks.training.display_text import format_duration
from paddle_tasks.training.result import RunResult

_MAX_PICTURES = 6


@dataclass(frozen=True)
class Scored:
    """The metrics of a split.

    Attributes:
        split: the split.
        values: its metrics.
        baseline: the name of the baseline that has them; empty for the run itself.
    """

    split: SplitName
    values: Mapping[str, Any]
    baseline: str = ""

    @property
    def heading(self) -> str:
        """The name of its column in `Run.scores`: ``test``, or ``test baseline``."""
        return f"{self.split} baseline" if self.baseline else self.split

    @property
    def title(self) -> str:
        """The heading of its column in the current language."""
        return _("{split} baseline").format(split=_(self.split)) if self.baseline else _(self.split)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics that are numbers."""
        return {name: float(value) for name, value in self.values.items() if isinstance(value, int | float)}


def facts_table(folder: Path, outcome: RunResult) -> Table:
    """Return what was read and trained, how long it took, and where the files are."""
    rows = [[Cell(name), cell] for name, cell in (*_inputs(outcome), *_files(folder))]
    return Table(_("{task}: {folder}").format(task=outcome.task, folder=folder), ("", ""), rows)


def _inputs(outcome: RunResult) -> Iterator[tuple[str, Cell]]:
    parameters = outcome.model.parameters
    size = "" if parameters is None else plural("{count} parameter", "{count} parameters", parameters)
    yield _("model"), Cell(" · ".join(filter(None, [outcome.model.encoder, size])))
    for split, facts in outcome.data.items():
        rows = plural("{count} row", "{count} rows", facts.rows)
        yield f"data.{split}", Cell(_("{rows} of {file}").format(rows=rows, file=facts.path))
    if outcome.train.seconds is not None:
        yield _("training"), Cell(_training(outcome))


def _training(outcome: RunResult) -> str:
    """Return how long training took: ``3 epochs · 12 s``."""
    epochs = outcome.train.epochs
    length = [plural("{count} epoch", "{count} epochs", epochs)] if epochs else []
    return " · ".join([*length, format_duration(outcome.train.seconds or 0.0)])


def _files(folder: Path) -> Iterator[tuple[str, Cell]]:
    yield _("folder"), _link(folder)
    errors = folder / "predictions" / "errors.jsonl"
    if errors.is_file():
        yield _("errors"), _link(errors)
    for picture in sorted(folder.glob("*/*.png"))[:_MAX_PICTURES]:
        yield _("picture"), _link(picture)
    if (folder / "vdl").is_dir():
        yield _("curves"), Cell(f"paddle-tasks dashboard {folder.parent}")


def _link(path: Path) -> Cell:
    """Return a path that leads to the file; a page that is not below its folder cannot open it."""
    relative = os.path.relpath(path)
    return Cell(str(path), link="" if relative.startswith(os.pardir) else Path(relative).as_posix())


def scores_table(scored: Sequence[Scored], names: Sequence[str]) -> Table:
    """Return the metrics that a task shows, with a column for each split.

    Args:
        scored: the splits.
        names: the metrics to show, in this order; all if none of them was computed.
    """
    known = list(dict.fromkeys(name for one in scored for name in one.metrics))
    shown = [name for name in names if name in known] or known
    rows = [[Cell(metric_name(name)), *(_score(one.metrics.get(name)) for one in scored)] for name in shown]
    baselines = dict.fromkeys(one.baseline for one in scored if one.baseline)
    remarks = [_("baseline: {name}").format(name=name) for name in baselines]
    return Table("", ("", *(one.title for one in scored)), rows, range(1, len(scored) + 1), remarks)


def _score(value: float | None) -> Cell:
    return Cell("" if value is None else f"{value:.4f}")
