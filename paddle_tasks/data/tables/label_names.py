"""Names for numeric labels, so that files may hold either the number or the name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.headers import is_usual_name, usual_columns
from paddle_tasks.data.tables.json_rows import object_records
from paddle_tasks.data.tables.records import csv_records, json_cells, tsv_records
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.data.tables.text_files import data_suffix, read_lines
from paddle_tasks.errors import DataError, at, join_names
from paddle_tasks.files import expand_user, parse_json
from paddle_tasks.language import _, join, mark

E = TypeVar("E")

_FIELDS = ("label_key", "name")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
_NUMBERED = re.compile(r"(\d+)\s*([:：=，、.．)]|\s)\s*\S")
_JSON_START = re.compile(r'\{|\[\s*(["{]|$)')
_EXPECTED = mark(
    "expected a table with label and name (CSV, TSV or JSON lines), a JSON object, or a text whose lines are the "
    "names of labels 0, 1, 2 and so on"
)


def read_label_names(given: str | Mapping[str, str] | None) -> dict[str, str]:
    """Return the name of each label, in the given order.

    Args:
        given: a mapping from label to name, or the path of a file. The file is a table with the columns ``label`` and
            ``name`` (also under other usual names, or two columns without header), such as CLUE's labels.json
            (``{"label": "100", "label_desc": "news_story"}`` on each line); a JSON object or array; or a text such as
            THUCNews' class.txt, whose lines are the names of labels 0, 1, 2 and so on. None gives an empty result.

    Raises:
        DataError: the file cannot be read as one of these, or two labels have the same name.
    """
    if given is None:
        return {}
    if isinstance(given, str):
        try:
            names = _read(expand_user(given))
        except DataError as error:
            raise DataError(at("data.label_names", error)) from None
    else:
        names = dict(given)
    repeated = [name for name, count in Counter(names.values()).items() if count > 1]
    if repeated:
        labels = join([label for label, name in names.items() if name == repeated[0]])
        message = _("data.label_names: {name!r} is the name of {labels}; expected different names")
        raise DataError(message.format(name=repeated[0], labels=labels))
    return names


def check_label_names(given: str | Mapping[str, str] | None, labels: Collection[str]) -> None:
    """Check that a text whose lines are names has no more names than the data has labels.

    A line too many, such as a header, would give every label the name of its neighbour.

    Args:
        given: the setting ``data.label_names``.
        labels: the labels that occur in the data.

    Raises:
        DataError: there are more names than labels.
    """
    if not isinstance(given, str) or (lines := _name_lines(expand_user(given), _lines(expand_user(given)))) is None:
        return
    if len(lines) > len(set(labels)):
        message = _(
            "data.label_names: {file}: has {n_names} names ({names}), but the data has {n_labels} labels ({labels}); "
            "give a table with label and name, or set data.labels to all labels"
        )
        counts = {"n_names": len(lines), "n_labels": len(set(labels))}
        listed = {"names": join_names(list(lines.values()), 6), "labels": join_names(sorted(labels), 6)}
        raise DataError(message.format(file=given, **counts, **listed))


def _lines(path: Path) -> list[Line]:
    lines: list[Line] = []
    for line in read_lines(path, "utf-8"):
        if isinstance(line, BadRow):
            message = _("{where}: not valid UTF-8, save the file as UTF-8")
            raise DataError(message.format(where=f"{path}:{line.line}"))
        lines.append(line)
    return lines


def _read(path: Path) -> dict[str, str]:
    lines = _lines(path)
    names = _name_lines(path, lines)
    if names is None:
        names = _json_names(path, lines) if _is_json(path, lines) else _table_names(path, lines)
    if not names:
        raise DataError(_("{file}: the file is empty").format(file=path))
    return names


def _is_json(path: Path, lines: Sequence[Line]) -> bool:
    first = next((line.strip() for _, line in lines if line.strip()), "")
    return data_suffix(path) in {".json", ".jsonl", ".ndjson"} or bool(_JSON_START.match(first))


def _name_lines(path: Path, lines: Sequence[Line]) -> dict[str, str] | None:
    """Return the names of labels 0, 1, 2 and so on, one on each line, or None if the file is a table or JSON.

    Raises:
        DataError: the first line is a header, or the lines are numbered.
    """
    filled = {str(number - 1): line.strip() for number, line in lines if line.strip()}
    if _is_json(path, lines) or data_suffix(path) == ".csv" or _separator(list(filled.values())):
        return None
    first = next(iter(filled.values()), "")
    if is_usual_name(first, ("label", *_FIELDS)):
        message = _("{where}: found {found!r}, the name of a column, {expected}")
        raise DataError(message.format(where=f"{path}:1", found=first, expected=_(_EXPECTED)))
    numbers = [match for match in map(_NUMBERED.match, filled.values()) if match]
    if numbers and len(numbers) == len(filled) and _are_labels(numbers):
        message = _("{where}: found a number before each name ({found!r}), {expected}")
        raise DataError(message.format(where=f"{path}:1", found=first, expected=_(_EXPECTED)))
    if comma := next((line for line in filled.values() if "," in line), ""):
        message = _("{where}: found {found!r}, a line with a comma, {expected}")
        raise DataError(message.format(where=path, found=comma, expected=_(_EXPECTED)))
    return filled


def _are_labels(numbers: Sequence[re.Match[str]]) -> bool:
    """Return whether numbers before names are labels; ``1 star`` and ``2 stars`` are names."""
    has_mark = all(match[2].strip() for match in numbers)
    return has_mark or sorted(int(match[1]) for match in numbers) == list(range(len(numbers)))


def _separator(lines: Sequence[str]) -> str:
    """Return the separator of a table's columns, or an empty string if the lines are no table."""
    if any("\t" in line for line in lines):
        return "\t"
    return "," if lines and all(line.count(",") == 1 for line in lines) else ""


def _table_names(path: Path, lines: Sequence[Line]) -> dict[str, str]:
    is_csv = data_suffix(path) == ".csv" or _separator([line for _, line in lines if line.strip()]) == ","
    rows: list[tuple[int, list[str]]] = []
    for record in csv_records(str(path), lines) if is_csv else tsv_records(lines):
        if isinstance(record, BadRow):
            raise DataError(str(record))
        rows.append((record[0], [cell.strip() for cell in record[1]]))
    label, name, has_header = _columns(path, rows)
    width, names = len(rows[0][1]), dict[str, str]()
    for number, cells in rows[has_header:]:
        if len(cells) != width or not (cells[label] and cells[name]) or cells[label] in names:
            is_second = len(cells) == width and cells[label] in names
            second, odd = (
                _("{where}: a second name of a label: {found!r}, {expected}"),
                _("{where}: found: {found!r}, {expected}"),
            )
            where, found = f"{path}:{number}", join_names(cells)
            raise DataError((second if is_second else odd).format(where=where, found=found, expected=_(_EXPECTED)))
        names[cells[label]] = cells[name]
    return names


def _columns(path: Path, rows: Sequence[tuple[int, list[str]]]) -> tuple[int, int, bool]:
    """Return the indices of label and name, and whether the first row is a header."""
    if not rows:
        raise DataError(_("{file}: the file is empty").format(file=path))
    where, first = f"{path}:{rows[0][0]}", rows[0][1]
    if columns := usual_columns(_FIELDS, first):
        return first.index(str(columns["label_key"])), first.index(str(columns["name"])), True
    if len(first) != 2 or any(is_usual_name(cell, ("label", *_FIELDS)) for cell in first):
        message = _("{where}: found the columns {names}, {expected}")
        raise DataError(message.format(where=where, names=join_names(first), expected=_(_EXPECTED)))
    are_labels = [_has_numbers(rows, index) for index in (0, 1)]
    if not any(are_labels) and any(_has_numbers(rows[1:], index) for index in (0, 1)):
        message = _("{where}: found {names} above the labels, {expected}")
        raise DataError(message.format(where=where, names=join_names(first), expected=_(_EXPECTED)))
    return (1, 0, False) if are_labels == [False, True] else (0, 1, False)


def _has_numbers(rows: Sequence[tuple[int, list[str]]], index: int) -> bool:
    """Return whether a column consists of numbers."""
    return bool(rows) and all(_NUMBER.fullmatch(cells[index]) for _, cells in rows if len(cells) == 2)


def _json_names(path: Path, lines: Sequence[Line]) -> dict[str, str]:
    try:
        value = parse_json("\n".join(line for _, line in lines))
    except ValueError:  # JSON lines
        value = None
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {str(number): name for number, name in enumerate(value)}
    if isinstance(value, dict) and (names := _mapping(value)):
        return names
    return _object_names(path, lines)


def _mapping(value: dict[str, Any]) -> dict[str, str] | None:
    """Return the names in an object such as ``{"0": "差评"}``, or ``{"差评": 0}`` the other way round."""
    if usual_columns(_FIELDS, list(value)):
        return None
    if all(isinstance(name, str) for name in value.values()):
        return dict(value)
    if all(type(label) is int for label in value.values()) and not all(map(_NUMBER.fullmatch, value)):
        return {str(label): name for name, label in value.items()}
    return None


def _object_names(path: Path, lines: Sequence[Line]) -> dict[str, str]:
    names: dict[str, str] = {}
    columns: Mapping[str, str | int] | None = None
    for record in object_records(str(path), lines):
        if isinstance(record, BadRow):
            raise DataError(str(record))
        columns = columns or usual_columns(_FIELDS, list(record[1]))
        if columns is None:
            message, where = _("{where}: found the fields {names}, {expected}"), f"{path}:{record[0]}"
            raise DataError(message.format(where=where, names=join_names(list(record[1])), expected=_(_EXPECTED)))
        cells = json_cells(str(path), record, [str(columns[field]) for field in _FIELDS])
        if isinstance(cells, BadRow):
            raise DataError(str(cells))
        names[cells[1][0]] = cells[1][1]
    return names


def map_labels(parse: Callable[[Row], E], label_map: Mapping[str, str] | None) -> Callable[[Row], E]:
    """Return a row parser that first replaces the row's label by what a map has for it.

    Args:
        parse: the parser.
        label_map: the label of the task for labels of the file; other labels stay as they are.
    """
    if not label_map:
        return parse
    labels = dict(label_map)

    def parse_mapped(row: Row) -> E:
        cell = row.fields["label"].strip()
        return parse(replace(row, fields={**row.fields, "label": labels.get(cell, cell)}))

    return parse_mapped


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
