"""Read JSON lines, or an array of objects, as records; other JSON is refused once for the file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.records import EXTRA_DATA, json_records, parse_json
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.errors import DataError, join_alternatives, join_names
from paddle_tasks.language import _, mark

JsonRecord = tuple[int | str, dict[str, Any]]
"""The number of an object's line, or ``row N`` for the N-th object of an array, and the object."""

_EXPECTED = mark("expected JSON lines, one object a line, or an array of objects")
_NUMBERS = mark("an array of numbers")
_ARRAYS = {list: mark("an array of lists"), str: mark("an array of texts"), type(None): mark("an array of nulls")}


def object_records(where: str, lines: Sequence[Line | BadRow]) -> list[JsonRecord | BadRow]:
    """Return the objects of a file and a `BadRow` for each broken one; an empty list for a blank file.

    Args:
        where: the file.
        lines: its lines.

    Raises:
        DataError: the file holds no object, or one object that is no row, such as a dict of columns.
    """
    text = "\n".join(line[1] for line in lines if not isinstance(line, BadRow)).strip()
    if text.startswith("["):
        if broken := next((line for line in lines if isinstance(line, BadRow)), None):
            raise DataError(str(broken))
        values = parse_json(text, (where, 1), _(_EXPECTED))
        if not isinstance(values, BadRow):
            return _array_records(where, values)
        if _(EXTRA_DATA) not in values.reason:
            raise DataError(str(values))
    records: list[JsonRecord | BadRow] = list(json_records(where, lines))
    objects = [record[1] for record in records if not isinstance(record, BadRow)]
    if len(objects) == 1 and len(records) == 1:
        _refuse_columns(where, objects[0])
    first = records[0] if records else None
    if not objects and isinstance(first, BadRow):
        whole = parse_json(text, (where, 1), _(_EXPECTED))
        if isinstance(whole, dict):
            _refuse_columns(where, whole)
            message = _("{file}: one object with {keys} on several lines, {expected}")
            raise DataError(message.format(file=where, keys=join_names(list(whole), 10), expected=_(_EXPECTED)))
        message = _("{where}: no line can be read; the first one: {reason}")
        raise DataError(message.format(where=f"{where}:{first.line}", reason=first.reason))
    return records


def _array_records(where: str, values: list[Any]) -> list[JsonRecord | BadRow]:
    if values and not any(isinstance(value, dict) for value in values):
        array = _(_ARRAYS.get(type(values[0]), _NUMBERS))
        raise DataError(_("{file}: {found}, {expected}").format(file=where, found=array, expected=_(_EXPECTED)))
    return list(_numbered(where, values))


def _numbered(where: str, values: list[Any]) -> Iterator[JsonRecord | BadRow]:
    for number, value in enumerate(values, start=1):
        place = f"row {number}"
        if isinstance(value, dict):
            yield place, value
        else:
            reason = _("expected an object, found {found}").format(found=json.dumps(value)[:40])
            yield BadRow(where, place, reason)


def _refuse_columns(where: str, value: dict[str, Any]) -> None:
    """Raise DataError if a file's only object holds columns, or rows under names."""
    if value and all(isinstance(inner, list | dict) for inner in value.values()):
        kinds = {(_("a list") if isinstance(inner, list) else _("an object")) for inner in value.values()}
        message = _(
            "{file}: one object with {keys}, each {kinds}, {expected}; pandas writes them with to_json(FILE, "
            "orient='records', lines=True, force_ascii=False)"
        )
        values = {"keys": join_names(list(value), 10), "kinds": join_alternatives(sorted(kinds))}
        raise DataError(message.format(file=where, expected=_(_EXPECTED), **values))
