"""Read the files of a data set and report what to know of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks import tasks
from paddle_tasks.config import Section
from paddle_tasks.data.opinion import checks as opinion_checks
from paddle_tasks.data.opinion.checks import check_opinions
from paddle_tasks.data.opinion.examples import KnownNames, OpinionSplit
from paddle_tasks.data.opinion.readers import load_opinions
from paddle_tasks.data.opinion.section import OpinionLayoutSection
from paddle_tasks.data.tables import checks
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.checks import check
from paddle_tasks.data.tables.label_names import accept_label_names, read_label_names
from paddle_tasks.data.tables.section import LayoutSection
from paddle_tasks.data.tables.sources import resolve_source
from paddle_tasks.data.tables.splits import load_split, ordered_labels


class _Layout(Section):
    data: LayoutSection = LayoutSection()


class _OpinionLayout(Section):
    data: OpinionLayoutSection = OpinionLayoutSection()


def check_data(task: str, sources: Mapping[SplitName, str], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the data report of `paddle_tasks.data.tables.checks.check`, or of `check_opinions`.

    Args:
        task: the task's name, which tells the fields of a row.
        sources: a path or catalogue name for each split; ``train`` is required.
        overrides: ``data.…=VALUE`` settings of the layout.

    Raises:
        UserError: a file is missing or not of this layout, or a setting is unknown.
    """
    task_class = tasks.find(task)
    if task == "opinion":
        return _check_opinions(sources, overrides)
    layout = configuration.validate(configuration.override({}, overrides), _Layout, "check-data").data
    splits = {}
    names = read_label_names(layout.label_names)
    labels = layout.labels or tuple(names) or None
    for name in sources:
        parse = accept_label_names(task_class.parser(labels), names)
        place = resolve_source(name, sources, layout.layout)
        splits[name] = load_split(name, place, layout.layout, task_class.FIELDS, parse)
        labels = labels or ordered_labels(splits["train"]) or None
    return check(splits)


def _check_opinions(sources: Mapping[SplitName, str], overrides: Sequence[str]) -> dict[str, Any]:
    layout = configuration.validate(configuration.override({}, overrides), _OpinionLayout, "check-data").data
    known = KnownNames(layout.labels, layout.polarities)
    splits: dict[SplitName, OpinionSplit] = {}
    for name, source in sources.items():
        split = splits[name] = load_opinions(name, source, layout.layout, known)
        known = KnownNames(known.labels or split.labels or None, known.polarities or split.polarities or None)
    return check_opinions(splits)


def report_lines(task: str, report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a report that `check_data` returned for this task."""
    return opinion_checks.report_lines(report) if task == "opinion" else checks.report_lines(report)
