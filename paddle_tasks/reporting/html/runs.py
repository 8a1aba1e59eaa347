"""The runs that a report shows: their files, and which of them differ in their seed alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks import config as configuration
from paddle_tasks import runtime, tasks
from paddle_tasks.errors import UserError
from paddle_tasks.figures.learning import Points, read_points
from paddle_tasks.files import iterate_json_lines
from paddle_tasks.language import join
from paddle_tasks.reporting.entries import CONFIG_FILE, SPLITS, Entry, MetricValue, ScoredSplitName
from paddle_tasks.reporting.html.study import Groups, Study, study_split
from paddle_tasks.training.record_view import RecordView
from paddle_tasks.training.result import RunResult

if TYPE_CHECKING:
    from paddle_tasks.training.protocol import Task

_MAX_NAMES = 3
_WITHOUT_EFFECT = ("run_dir", "seed", "logging.")
"""Settings that do not make two runs different systems."""


@dataclass
class StudiedRun:
    """A run of a report.

    Attributes:
        name: short and unique among the runs of the report.
        entry: its row in the results table.
        folder: the run folder; of a sweep that of the first finished run.
        task: its class; None if it is not installed.
        data_run: the run whose configuration says where the scored rows are; None for the run itself.
    """

    name: str
    entry: Entry
    folder: Path
    task: type[Task] | None
    data_run: StudiedRun | None = None

    @cached_property
    def config(self) -> dict[str, Any]:
        """The configuration; empty if it cannot be read."""
        try:
            return configuration.read(self.folder / CONFIG_FILE)
        except UserError:
            return {}

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The settings by dotted key."""
        return dict(configuration.flatten(self.config))

    @cached_property
    def result(self) -> RunResult | None:
        """The content of result.json; None if there is none."""
        try:
            return RunResult.read(self.folder)
        except (UserError, OSError):
            return None

    @cached_property
    def curves(self) -> Mapping[str, Points]:
        """The points of metrics.jsonl by tag."""
        return read_points(iterate_json_lines(self.folder / "metrics.jsonl"))

    @property
    def is_baseline(self) -> bool:
        """Whether the run was fitted at once, without training steps."""
        return bool(self.config) and "training" not in self.config

    @property
    def seed(self) -> Any:
        """The seed of the run."""
        return self.config.get("seed")

    @cached_property
    def loaded_task(self) -> Any:
        """An object of the task with the run's configuration; None if it is not valid any more, or of a baseline."""
        if self.task is None or self.is_baseline:
            return None
        try:
            return self.task(configuration.validate(self.config, self.task.Config, str(self.folder)))
        except UserError:
            return None

    def study(self, split: ScoredSplitName) -> Study | None:
        """Return what the predictions of a split say; None without any."""
        if split not in self._studies:
            view = self.task.RECORD_VIEW if self.task else RecordView()
            self._studies[split] = study_split(self.folder, split, view, self._groups(split))
        return self._studies[split]

    @cached_property
    def _studies(self) -> dict[str, Study | None]:
        return {}

    def _groups(self, split: ScoredSplitName) -> Groups:
        task = (self.data_run or self).loaded_task
        try:
            groups: Groups = task.row_groups(split) if task else {}
        except (UserError, OSError):
            return {}
        return groups

    def value(self, split: ScoredSplitName, metric: str) -> MetricValue | None:
        """Return a score; None without it."""
        scored = self.entry.splits.get(split)
        return scored.scores.get(metric) if scored else None


@dataclass(frozen=True)
class System:
    """Runs that differ in their seed alone.

    Attributes:
        runs: the runs, as they were given.
    """

    runs: Sequence[StudiedRun] = field(default_factory=tuple)

    @property
    def name(self) -> str:
        """The names of its runs; of many the first and the last one."""
        names = [run.name for run in self.runs]
        return join(names) if len(names) <= _MAX_NAMES else f"{names[0]} … {names[-1]}"

    @property
    def is_baseline(self) -> bool:
        """Whether it was fitted at once."""
        return self.runs[0].is_baseline

    @property
    def n_seeds(self) -> int:
        """The number of seeds: runs of a sweep, and runs beside each other."""
        return sum(run.entry.seeds for run in self.runs)

    def value(self, split: ScoredSplitName, metric: str) -> MetricValue | None:
        """Return the mean of a score over the runs, with the standard deviation of several."""
        values = [value for run in self.runs if (value := run.value(split, metric))]
        if len(values) < 2:
            return values[0] if values else None
        means = [value.mean for value in values]
        return MetricValue(float(np.mean(means)), float(np.std(means, ddof=1)))

    def best_run(self, split: ScoredSplitName, metric: str, *, lower: bool) -> StudiedRun:
        """Return the run with the best score of a split; the first one without scores."""
        scored = [(value.mean, run) for run in self.runs if (value := run.value(split, metric))]
        if not scored:
            return self.runs[0]
        choose = min if lower else max
        return choose(scored, key=lambda pair: pair[0])[1]


def studied_runs(entries: Sequence[Entry], names: Sequence[str]) -> list[StudiedRun]:
    """Return the runs of entries; the tasks are loaded, which imports Paddle.

    Args:
        entries: the rows of the results table.
        names: a short name for each of them.
    """
    runtime.import_paddle()
    return [
        StudiedRun(name, entry, _folder(entry), _find(entry.task)) for name, entry in zip(names, entries, strict=True)
    ]


def _folder(entry: Entry) -> Path:
    """Return the run folder of an entry: of a sweep that of its first finished run."""
    folders = [split.predictions.parent.parent for split in entry.splits.values()]
    return folders[0] if folders else Path(entry.name)


def _find(task: str) -> type[Task] | None:
    try:
        return tasks.find(task)
    except UserError:
        return None


def systems_of(runs: Sequence[StudiedRun]) -> list[System]:
    """Return the runs grouped by their settings without the seed, in the order of their first runs."""
    groups: dict[str, list[StudiedRun]] = {}
    for run in runs:
        groups.setdefault(_identity(run), []).append(run)
    return [System(tuple(group)) for group in groups.values()]


def _identity(run: StudiedRun) -> str:
    kept = {key: value for key, value in run.settings.items() if not key.startswith(_WITHOUT_EFFECT)}
    return repr(sorted(kept.items(), key=lambda pair: pair[0])) if kept else run.name


def scored_splits(runs: Sequence[StudiedRun]) -> Iterator[ScoredSplitName]:
    """Yield the splits that a run has scored, test first."""
    yield from (name for name in reversed(SPLITS) if any(name in run.entry.splits for run in runs))
