"""Read the objects of a JSON file, in any arrangement: one on each line, an array, or one after another."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.records import json_records, parse_json
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.errors import DataError
from paddle_tasks.language import _

JsonRecord = tuple[int, dict[str, Any]]
"""The number of an object's first line, and the object."""

_SPACE = " \t\r\n"


def is_json(lines: Sequence[Line | BadRow]) -> bool:
    """Return whether the first line that is not blank starts as an object or array does."""
    return first_text(lines).startswith(("{", "["))


def first_text(lines: Sequence[Line | BadRow]) -> str:
    """Return the first line that decodes and is not blank, without white space before it."""
    return next((line[1].lstrip() for line in lines if not isinstance(line, BadRow) and line[1].strip()), "")


def read_objects(file: str, lines: Sequence[Line | BadRow]) -> list[JsonRecord | BadRow]:
    """Return the objects of a file with the numbers of their first lines.

    Args:
        file: the file, for messages.
        lines: its lines.

    Raises:
        DataError: the file is a broken array.
    """
    first = first_text(lines)
    if first.startswith("["):
        return list(_array_objects(file, lines))
    return _indented_objects(lines, first) or list(json_records(file, lines))


def _array_objects(file: str, lines: Sequence[Line | BadRow]) -> Iterator[JsonRecord | BadRow]:
    broken = [line for line in lines if isinstance(line, BadRow)]
    if broken:
        yield from broken
        return
    text = _join(lines)
    values = parse_json(text, (file, 1), _("expected a JSON array"))
    if isinstance(values, BadRow):
        raise DataError(str(values))
    offset = text.index("[") + 1
    for value in values:
        number, _value, offset = _decode(text, offset)
        if isinstance(value, dict):
            yield number, value
        else:
            reason = _("expected objects in the array, found {found}").format(found=json.dumps(value)[:40])
            yield BadRow(file, number, reason)


def _indented_objects(lines: Sequence[Line | BadRow], first: str) -> list[JsonRecord | BadRow]:
    """Return the objects of a file of indented objects one after another; nothing if it is of another kind."""
    if _is_json(first) or any(isinstance(line, BadRow) for line in lines):
        return []
    text, offset, records = _join(lines).rstrip(), 0, list[JsonRecord | BadRow]()
    while offset < len(text):
        try:
            number, value, offset = _decode(text, offset)
        except (ValueError, RecursionError):
            return []
        if not isinstance(value, dict):
            return []
        records.append((number, value))
    return records


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _join(lines: Sequence[Line | BadRow]) -> str:
    return "\n".join(line[1] for line in lines if not isinstance(line, BadRow))


def _decode(text: str, offset: int) -> tuple[int, Any, int]:
    """Return the line number of the next value, the value, and the offset of its end; skip commas before it."""
    while text[offset] in f"{_SPACE},":
        offset += 1
    number = text.count("\n", 0, offset) + 1
    value, end = json.JSONDecoder().raw_decode(text, offset)
    return number, value, end
