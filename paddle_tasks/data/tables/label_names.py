"""Names of labels that are numbers: some files of a publisher hold the ids, others the names."""

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
    """Return each label's name, in the order given; empty when there are none.

    Args:
        given: names by label; or a file: JSON lines such as CLUE's labels.json (``{"label": "100", "label_desc":
            "news_story"}``), or a text such as THUCNews' class.txt, whose lines are the names of 0, 1, 2 and so on.

    Raises:
        DataError: the file cannot be used, or a name stands for two labels.
    """
    if given is None:
        return {}
    names = _read(Path(given)) if isinstance(given, str) else dict(given)
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    if twice:
        labels = ", ".join(label for label, name in names.items() if name == twice[0])
        raise DataError(f"data.label_names: {twice[0]!r} is the name of {labels}; expected a name of its own for each")
    return names


def _read(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise DataError(f"data.label_names: {path}: no such file{did_you_mean(str(path), beside(path))}")
    if file_format(path, Layout()) != "jsonl":
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return {str(place): line.strip() for place, line in enumerate(lines) if line.strip()}
    names: dict[str, str] = {}
    for row in read_rows(path, ("label", "name"), Layout()):
        if isinstance(row, BadRow):
            raise DataError(f"data.label_names: {row}")
        names[row.fields["label"]] = row.fields["name"]
    return names


def by_label(parse: Callable[[Row], E], names: Mapping[str, str]) -> Callable[[Row], E]:
    """Return a parser that takes a label's name for the label."""
    labels = {name: label for label, name in names.items()}

    def renamed(row: Row) -> E:
        found = row.fields["label"].strip()
        # A label goes first: a name may look like another's label.
        label = found if found in names else labels.get(found, found)
        return parse(replace(row, fields={**row.fields, "label": label}))

    return renamed if names else parse
