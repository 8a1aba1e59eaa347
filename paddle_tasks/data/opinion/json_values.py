"""Checked access to the values of JSON objects; each error names the key, what was found and what was expected."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from paddle_tasks.data.opinion.examples import ASPECT, OPINION, check_span
from paddle_tasks.errors import DataError, did_you_mean
from paddle_tasks.language import _, join, mark
from paddle_tasks.text.spans import Pair, Span

_TYPES: Mapping[type, str] = {
    str: mark("{key}: expected a text, found {found}"),
    int: mark("{key}: expected a whole number, found {found}"),
    list: mark("{key}: expected a list, found {found}"),
    dict: mark("{key}: expected an object, found {found}"),
}


def get_value(record: Mapping[str, Any], key: str, kind: type) -> Any:
    """Return the value of a key.

    Raises:
        DataError: the key is missing, or its value has another type.
    """
    if key not in record:
        message, names = _("no field {name!r}, only {names}{hint}"), join(list(record)) or _("none")
        raise DataError(message.format(name=key, names=names, hint=did_you_mean(key, record)))
    value = record[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(_(_TYPES[kind]).format(key=key, found=quote(value)))
    return value


def get_objects(record: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the list of objects under a key.

    Raises:
        DataError: the key is missing, or its value is something else.
    """
    items = get_value(record, key, list)
    for item in items:
        if not isinstance(item, dict):
            raise DataError(_("{key}: expected objects, found {found}").format(key=key, found=quote(item)))
    return list(items)


def get_id(record: Mapping[str, Any], key: str) -> str:
    """Return an id, a number or a text, as a text.

    Raises:
        DataError: it is missing, or something else.
    """
    if key not in record or not isinstance(record[key], int | str):
        message = _("{key}: expected a number or text, found {found}")
        raise DataError(message.format(key=key, found=quote(record.get(key))))
    return str(record[key])


def get_span(text: str, item: Mapping[str, Any], keys: tuple[str, str, str]) -> Span:
    """Return a checked span; ``keys`` are the item's keys for start, end and label.

    Raises:
        DataError: the item has no such span, or it does not fit the text.
    """
    start, end, label = keys
    span = Span(get_value(item, start, int), get_value(item, end, int), get_value(item, label, str))
    check_span(text, span, item.get("term"))
    return span


def related_pair(spans: Mapping[str, Span], ids: tuple[str, str], polarity: str) -> Pair:
    """Return the pair of a relation between two spans; their labels say which one is the opinion.

    A relation of a span to itself is a pair whose other term is implicit.

    Args:
        spans: the spans by their ids.
        ids: the ids of the two spans, in either order.
        polarity: the polarity.

    Raises:
        DataError: no span has one of the ids.
    """
    unknown = [span_id for span_id in ids if span_id not in spans]
    if unknown:
        raise DataError(_("a relation refers to the id {id!r}, but no span has it").format(id=unknown[0]))
    first, second = (spans[span_id] for span_id in ids)
    if ids[0] == ids[1]:
        return Pair(first, None, polarity) if first.label == ASPECT else Pair(None, first, polarity)
    return Pair(second, first, polarity) if OPINION == first.label != second.label else Pair(first, second, polarity)


def quote(value: Any) -> str:
    """Return the start of a value as JSON, for messages."""
    return json.dumps(value, ensure_ascii=False)[:40]
