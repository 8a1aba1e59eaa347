"""The groups of rows that a column of their file names, such as the domain of a review."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from paddle_tasks.data.tables.catalogue import SplitName, locate
from paddle_tasks.data.tables.readers import Layout, read_rows
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.section import SplitsSection
from paddle_tasks.errors import UserError
from paddle_tasks.language import mark_in_context

GROUP_COLUMNS = (
    mark_in_context("group", "domain"),
    mark_in_context("group", "genre"),
    mark_in_context("group", "source"),
    mark_in_context("group", "book"),
    mark_in_context("group", "author"),
    mark_in_context("group", "year"),
    *("领域", "体裁", "来源", "书名", "作者", "年份"),
)
"""The names of columns that divide rows into groups."""
MAX_GROUPS = 40
"""A column with more distinct values names no groups."""


def split_groups(data: SplitsSection, name: SplitName, seed: int) -> dict[str, Mapping[int | str, str]]:
    """Return what `read_groups` finds in the file of a split of a configuration, in the encoding that it names."""
    source = data.source(name, seed)
    return read_groups(locate(source.name, source.split), getattr(data, "encoding", "utf-8"))


def read_groups(path: Path, encoding: str) -> dict[str, Mapping[int | str, str]]:
    """Return by column the value of each row of a table with a header or of JSON lines, by line.

    Columns of `GROUP_COLUMNS` count, if they have at most 40 distinct values.

    Args:
        path: the file; another one, such as an archive, has no groups.
        encoding: of the file.
    """
    found = {column: dict(_read(path, encoding, column)) for column in _mentioned(path, encoding)}
    return {column: values for column, values in found.items() if 1 < len(set(values.values())) <= MAX_GROUPS}


def _mentioned(path: Path, encoding: str) -> list[str]:
    """Return the columns that the first line may name; reading it takes no time."""
    if not path.is_file():
        return []
    with path.open(encoding=encoding, errors="replace") as lines:
        first = next(lines, "").casefold()
    return [column for column in GROUP_COLUMNS if column in first]


def _read(path: Path, encoding: str, column: str) -> Iterator[tuple[int | str, str]]:
    with contextlib.suppress(UserError):  # the first line only seemed to name it
        for row in read_rows(path, (column,), Layout(encoding=encoding)):
            if isinstance(row, Row) and row.fields[column].strip():
                yield row.line, row.fields[column].strip()
