"""Report what is wrong with the files of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import create_model

from paddle_tasks import config as configuration
from paddle_tasks import tasks
from paddle_tasks.config import Section
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.errors import DataError, join_all
from paddle_tasks.inference.records import Record
from paddle_tasks.language import _
from paddle_tasks.training.display import Segment
from paddle_tasks.workflows.config import as_assignments


def check_data(
    task: str,
    sources: Mapping[SplitName, str | Path],
    overrides: Sequence[str] | Mapping[str, Any] = (),
) -> Record:
    """Return the data report of a task: a dict, which a notebook shows as text.

    >>> report = check_data("sentiment", {"train": "builtin/sentiment", "test": "builtin/sentiment"})
    >>> report["bad_rows"], report["leaked_texts"]
    (0, {'test': 0})

    Args:
        task: the name of the task.
        sources: a path or catalogue name for each split; ``train`` is required.
        overrides: settings of the layout, as ``data.…=VALUE`` or as a mapping of sections or dotted keys.

    Raises:
        UserError: a file is missing or is not laid out so, or a setting is unknown.
    """
    data_check = tasks.find(task).DATA_CHECK
    chosen = configuration.override({}, as_assignments(overrides))
    settings: Any = configuration.validate(chosen, _schema(task), "check-data")
    report = data_check.check({name: str(source) for name, source in sources.items()}, settings.data)
    return Record(report, lambda found: [[Segment(line)] for line in report_lines(task, found)])


def require_usable_rows(report: Mapping[str, Any]) -> None:
    """Check that each split of a report that `check_data` returned has a row that can be used.

    Raises:
        DataError: a split has none.
    """
    unusable = [name for name, n_rows in report["rows"].items() if not n_rows]
    if unusable:
        message = _("no row of {splits} can be used; the report above says why")
        raise DataError(message.format(splits=join_all(unusable)))


def report_lines(task: str, report: Mapping[str, Any]) -> Iterator[str]:
    """Yield a report that `check_data` returned as lines of text, and what to do about it."""
    yield from tasks.find(task).DATA_CHECK.lines(report)
    yield ""
    yield from _advice(report) or [_("no problems found")]


def _advice(report: Mapping[str, Any]) -> list[str]:
    """Return what to do about the problems in a report; empty if it has none."""
    n_leaked = sum(report["leaked_texts"].values())
    advice = {
        _("next: correct the bad rows, or leave them out of a training with data.on_bad_row=skip"): report["bad_rows"],
        _("next: keep each duplicate text once"): report["duplicate_texts"],
        _("next: give each contradictory text one label; --json names them"): report["contradictory_texts"],
        _("next: remove leaked texts from train, or read the scores called deduplicated; --json names them"): n_leaked,
        _("next: look at the remarks above"): len(report.get("remarks", ())),
    }
    return [sentence for sentence, count in advice.items() if count]


@cache
def _schema(task: str) -> type[Section]:
    layout: Any = tasks.find(task).DATA_CHECK.layout_section
    return create_model("CheckDataConfig", __base__=Section, data=(layout, layout()))
