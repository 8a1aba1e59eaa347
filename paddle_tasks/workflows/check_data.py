"""Report what is wrong with the files of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import create_model

from paddle_tasks import config as configuration
from paddle_tasks import tasks
from paddle_tasks.config import Section
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.errors import DataError


def check_data(task: str, sources: Mapping[SplitName, str], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Return the data report of a task.

    Args:
        task: the name of the task.
        sources: a path or catalogue name for each split; ``train`` is required.
        overrides: ``data.…=VALUE`` settings of the layout.

    Raises:
        UserError: a file is missing or is not laid out so, or a setting is unknown.
    """
    data_check = tasks.find(task).DATA_CHECK
    settings: Any = configuration.validate(configuration.override({}, overrides), _schema(task), "check-data")
    return data_check.check(sources, settings.data)


def require_usable_rows(report: Mapping[str, Any]) -> None:
    """Check that each split of a report that `check_data` returned has a row that can be used.

    Raises:
        DataError: a split has none.
    """
    unusable = [name for name, n_rows in report["rows"].items() if not n_rows]
    if unusable:
        raise DataError(f"no row of {' and '.join(unusable)} can be used; the report above says why")


def report_lines(task: str, report: Mapping[str, Any]) -> Iterator[str]:
    """Yield a report that `check_data` returned as lines of text."""
    yield from tasks.find(task).DATA_CHECK.lines(report)


@cache
def _schema(task: str) -> type[Section]:
    layout: Any = tasks.find(task).DATA_CHECK.layout_section
    return create_model("CheckDataConfig", __base__=Section, data=(layout, layout()))
