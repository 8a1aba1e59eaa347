"""Names for numeric labels, so that files may hold either the number or the name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from paddle_tasks.data.tables.readers import Layout, file_format, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.errors import DataError, did_you_mean
from paddle_tasks.files import list_siblings

E = TypeVar("E")


def read_label_names(given: str | Mapping[str, str] | None) -> dict[str, str]:
    """Return the name of each label, in the given order.

    Args:
        given: a mapping from label to name, or the path of a file: JSON lines such as CLUE's labels.json
            (``{"label": "100", "label_desc": "news_story"}``), or text such as THUCNews' class.txt, whose lines are
            the names of labels 0, 1, 2 and so on. None gives an empty result.

    Raises:
        DataError: the file cannot be read, or two labels have the same name.
    """
    if given is None:
        return {}
    names = _read(Path(given)) if isinstance(given, str) else dict(given)
    repeated = [name for name, count in Counter(names.values()).items() if count > 1]
    if repeated:
        labels = ", ".join(label for label, name in names.items() if name == repeated[0])
        raise DataError(f"data.label_names: {repeated[0]!r} is the name of {labels}; expected different names")
    return names


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise DataError(f"data.label_names: {path}: no such file{did_you_mean(str(path), list_siblings(path))}")
    if file_format(path, Layout()) != "jsonl":
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return {str(number): line.strip() for number, line in enumerate(lines) if line.strip()}
    names: dict[str, str] = {}
    for row in read_rows(path, ("label", "name"), Layout()):
        if isinstance(row, BadRow):
            raise DataError(f"data.label_names: {row}")
        names[row.fields["label"]] = row.fields["name"]
    return names


def accept_label_names(parse: Callable[[Row], E], names: Mapping[str, str]) -> Callable[[Row], E]:
    """Return a row parser that also accepts a label's name in place of the label.

    Args:
        parse: the parser of rows whose ``label`` is a label.
        names: the name of each label.
    """
    labels = {name: label for label, name in names.items()}

    def parse_named(row: Row) -> E:
        cell = row.fields["label"].strip()
        # Labels come first, because a name may look like another label.
        label = cell if cell in names else labels.get(cell, cell)
        return parse(replace(row, fields={**row.fields, "label": label}))

    return parse_named if names else parse
