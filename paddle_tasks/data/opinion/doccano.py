"""Parse reviews from the JSON exports of doccano.

The exports of its versions differ in their keys::

    {"text", "entities" or "labels": [[start, end, label]]}
    {"text", "annotations": [{"start_offset", "end_offset", "label"}]}
    {"data", "label": [[start, end, label]]}
    {"text" or "data", "entities": [{"id", "start_offset", "end_offset", "label"}],
     "relations": [{"from_id", "to_id", "type"}]}

Source: https://github.com/doccano/doccano, issues 46, 1291, 1522 and 1795.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddle_tasks.data.opinion.examples import Draft, OpinionLayout
from paddle_tasks.data.opinion.json_values import get_id, get_objects, get_span, get_value, quote, related_pair
from paddle_tasks.errors import DataError
from paddle_tasks.language import _
from paddle_tasks.text.spans import Pair, Span

TEXT_KEYS = ("text", "data")
SPAN_KEYS = ("entities", "label", "labels", "spans", "annotations")


def parse_doccano(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:  # noqa: ARG001
    """Parse an object of an export of any version.

    A span is ``[start, end, label]`` or an object. A relation is a pair of its two spans, in either direction, and its
    type is the polarity. A relation of a span to itself is a pair whose other term is implicit.

    Raises:
        DataError: the object does not have this form.
    """
    text = get_value(record, next((key for key in TEXT_KEYS if key in record), "text"), str)
    key = _span_key(record)
    items = get_value(record, key, list)
    spans = [_span(text, item, key) for item in items]
    if record.get("relations") is None:
        return Draft(text, spans, None)
    relations = get_objects(record, "relations")
    return Draft(text, spans, _pairs(_spans_by_id(items, spans, key), relations) if relations else [])


def _span_key(record: Mapping[str, Any]) -> str:
    """Return the key that holds the spans; other keys of that kind may only be empty."""
    present = [key for key in SPAN_KEYS if key in record]
    filled = [key for key in present if record[key]]
    if len(filled) > 1:
        message = _("spans in both {first!r} and {second!r}, expected one of them")
        raise DataError(message.format(first=filled[0], second=filled[1]))
    return next(iter([*filled, *present, "label"]))


def _span(text: str, item: Any, key: str) -> Span:
    if isinstance(item, list) and len(item) == 3:
        item = dict(zip(("start", "end", "label"), item, strict=True))
    if not isinstance(item, dict):
        raise DataError(_("{key}: expected [start, end, label], found {found}").format(key=key, found=quote(item)))
    suffix = "" if "start" in item and "start_offset" not in item else "_offset"
    return get_span(text, item, (f"start{suffix}", f"end{suffix}", "label"))


def _spans_by_id(items: list[Any], spans: list[Span], key: str) -> Mapping[str, Span]:
    """Return the spans by the ids that relations refer to."""
    if not all(isinstance(item, dict) for item in items):
        raise DataError(_("{key}: expected objects with an id for the relations, found lists").format(key=key))
    ids = [get_id(item, "id") for item in items]
    repeated = next((span_id for span_id in ids if ids.count(span_id) > 1), None)
    if repeated is not None:
        raise DataError(_("{key}: two spans with the id {id!r}").format(key=key, id=repeated))
    return dict(zip(ids, spans, strict=True))


def _pairs(spans: Mapping[str, Span], relations: list[Mapping[str, Any]]) -> list[Pair]:
    return [
        related_pair(spans, (get_id(item, "from_id"), get_id(item, "to_id")), get_value(item, "type", str))
        for item in relations
    ]
