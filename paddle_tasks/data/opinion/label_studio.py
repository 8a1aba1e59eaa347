"""Parse reviews from Label Studio's exports, JSON and JSON-MIN.

Source: https://labelstud.io/guide/export and the tags Text, HyperText and Paragraphs of its reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from paddle_tasks.data.opinion.examples import Draft, OpinionLayout, check_span
from paddle_tasks.data.opinion.json_values import get_id, get_objects, get_value, quote, related_pair
from paddle_tasks.errors import DataError, join_alternatives
from paddle_tasks.language import _, join
from paddle_tasks.text.spans import Pair, Span

LABEL_TYPES = ("labels", "hypertextlabels", "paragraphlabels")
"""The types of a labelled region of a text; the region's value has its labels under the same key."""
_ANNOTATIONS = ("annotations", "completions")
_MIN_KEYS = ("annotator", "annotation_id", "created_at", "updated_at", "lead_time")
"""Keys that JSON-MIN adds to the fields of the task."""


def is_task(record: Mapping[str, Any]) -> bool:
    """Return whether an object is a task of the JSON export."""
    return any(
        isinstance(item, dict) and "result" in item
        for key in _ANNOTATIONS
        for item in (record[key] if isinstance(record.get(key), list) else ())
    ) or (isinstance(record.get("data"), dict) and any(key in record for key in _ANNOTATIONS))


def is_min_task(record: Mapping[str, Any]) -> bool:
    """Return whether an object is a task of the JSON-MIN export."""
    has_labels = any(isinstance(value, list) for region in _min_regions(record) for value in region.values())
    return "annotation_id" in record or has_labels


def _min_regions(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the regions of a task of JSON-MIN, which are under the names of the labelling tags."""
    lists = [value for value in record.values() if isinstance(value, list)]
    return [item for items in lists for item in items if isinstance(item, dict) and "start" in item]


def parse_label_studio(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:  # noqa: ARG001
    """Parse a task of the JSON or JSON-MIN export.

    A relation is a pair of its two regions, and its label is the polarity. If the relation has no label, the polarity
    is the choice made for one of its regions (``perRegion``). A region with a choice, but without a relation, is a pair
    whose other term is implicit. JSON-MIN has no relations, so its pairs are not known.

    Raises:
        DataError: the object does not have this form, is not annotated, or has annotations that differ or cannot be
            used.
    """
    if not any(key in record for key in _ANNOTATIONS) and is_min_task(record):
        return _parse_min_task(record)
    text = _text(get_value(record, "data", dict), "data: ")
    results = _annotation(record)
    _check_types(results)
    spans = _region_spans(text, [result for result in results if result["type"] in LABEL_TYPES])
    choices = {str(result.get("id")): _choice(result) for result in results if result["type"] == "choices"}
    relations = [result for result in results if result["type"] == "relation"]
    if not relations and not choices:
        return Draft(text.joined, list(spans.values()), None)
    pairs = [_relation_pair(spans, relation, choices) for relation in relations]
    paired = {span for pair in pairs for span in (pair.aspect, pair.opinion)}
    unpaired = [region_id for region_id in choices if region_id not in spans or spans[region_id] not in paired]
    implicit = [related_pair(spans, (region_id, region_id), choices[region_id]) for region_id in unpaired]
    return Draft(text.joined, list(spans.values()), [*pairs, *implicit])


def _check_types(results: Sequence[Mapping[str, Any]]) -> None:
    """Refuse results of other types: leaving them out would change the annotation."""
    regions = {str(result.get("id")) for result in results if result.get("type") in LABEL_TYPES}
    for result in results:
        kind = result.get("type")
        if kind not in (*LABEL_TYPES, "choices", "relation"):
            expected = join_alternatives([*LABEL_TYPES, "choices", "relation"])
            message = _("a region of the type {found}, expected {expected}")
            raise DataError(message.format(found=quote(kind), expected=expected))
        if kind == "choices" and str(result.get("id")) not in regions:
            message = _("the choice {choice} is not of a region; only choices per region are read")
            raise DataError(message.format(choice=quote(_choice(result))))


def _parse_min_task(record: Mapping[str, Any]) -> Draft:
    text = _text({key: value for key, value in record.items() if key not in _MIN_KEYS}, "")
    spans = []
    for value in _min_regions(record):
        kind = next((key for key in LABEL_TYPES if key in value), None)
        if "choices" in value:
            raise DataError(_("JSON-MIN has no relations, so choices per region cannot be read; export as JSON"))
        if kind is None:
            message = _("a region with {found}, expected {expected}")
            raise DataError(message.format(found=join(list(value)), expected=join_alternatives(LABEL_TYPES)))
        spans.append(_region_span(text, value, kind))
    return Draft(text.joined, spans, None)


# ---- text


class _Text:
    """The text of a task: one text, or the paragraphs of a dialogue joined by line feeds."""

    def __init__(self, paragraphs: Sequence[str]) -> None:
        self.joined = "\n".join(paragraphs)
        self._paragraphs = paragraphs

    def position(self, paragraph: int, offset: int) -> int:
        """Return the position in the whole text of a position in a paragraph.

        Raises:
            DataError: there is no such paragraph.
        """
        if not 0 <= paragraph < len(self._paragraphs):
            message = _("paragraph {number}: expected 0 to {last}")
            raise DataError(message.format(number=paragraph, last=len(self._paragraphs) - 1))
        return sum(len(text) + 1 for text in self._paragraphs[:paragraph]) + offset


def _text(fields: Mapping[str, Any], where: str) -> _Text:
    """Return the text or dialogue of a task, which is named ``text`` or is the only one."""
    texts = {key: paragraphs for key, value in fields.items() if (paragraphs := _paragraphs(value))}
    if "text" not in texts and ("text" in fields or len(texts) != 1):
        message = _("{where}expected one text, or one named 'text', found {found}")
        raise DataError(message.format(where=where, found=join(list(texts)) or _("none")))
    return _Text(texts.get("text") or next(iter(texts.values())))


def _paragraphs(value: Any) -> list[str] | None:
    """Return a text, or the texts of a dialogue ``[{"author", "text"}]``, as a list; None for another value."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not all(isinstance(item, dict) and "start" not in item for item in value):
        return None
    texts = [item.get("text") for item in value]
    return texts if all(isinstance(text, str) for text in texts) else None


# ---- annotations


def _annotation(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the results of a task's only annotation, or of the first of several equal ones."""
    key = next((key for key in _ANNOTATIONS if key in record), _ANNOTATIONS[0])
    annotations = [annotation for annotation in get_objects(record, key) if not annotation.get("was_cancelled")]
    if not annotations:
        raise DataError(_("the task is not annotated"))
    results = [get_objects(annotation, "result") for annotation in annotations]
    if len({_comparable(result) for result in results}) > 1:
        message = _("{count} annotations that do not agree; expected one, or all the same")
        raise DataError(message.format(count=len(annotations)))
    return results[0]


def _comparable(results: Sequence[Mapping[str, Any]]) -> str:
    """Return an annotation as text without its ids, which differ between equal annotations."""
    values = [{key: result.get(key) for key in ("type", "value", "labels")} for result in results]
    return json.dumps(sorted(json.dumps(value, sort_keys=True) for value in values))


def _region_spans(text: _Text, regions: Sequence[Mapping[str, Any]]) -> dict[str, Span]:
    """Return the spans of labelled regions by their ids."""
    spans: dict[str, Span] = {}
    for region in regions:
        region_id = get_id(region, "id")
        span = _region_span(text, get_value(region, "value", dict), region["type"])
        if spans.setdefault(region_id, span) != span:
            message = _("two labels, {first!r} and {second!r}, of one region; expected one")
            raise DataError(message.format(first=spans[region_id].label, second=span.label))
    return spans


def _region_span(text: _Text, value: Mapping[str, Any], kind: str) -> Span:
    labels = get_value(value, kind, list)
    if len(labels) != 1:
        raise DataError(_("{key}: expected one label per region, found {found}").format(key=kind, found=quote(labels)))
    span = Span(*_offsets(text, value, kind), str(labels[0]))
    term = value.get("text")
    if isinstance(term, str) and text.joined[span.start : span.end] != term:
        span = _from_utf16(text.joined, span, term)
    check_span(text.joined, span, term if isinstance(term, str) else None)
    return span


def _offsets(text: _Text, value: Mapping[str, Any], kind: str) -> tuple[int, int]:
    """Return start and end of a region in characters.

    Regions of a Text tag, and others in some exports, have numbers. A region of a HyperText tag has the paths of its
    HTML elements, and in newer exports ``globalOffsets``; one of a Paragraphs tag has the numbers of its paragraphs,
    written as texts.
    """
    if isinstance(value.get("globalOffsets"), dict):
        value = value["globalOffsets"]
    start, end = value.get("start"), value.get("end")
    if type(start) is int and "startOffset" not in value:
        return start, get_value(value, "end", int)
    if kind == "paragraphlabels" and str(start).isdecimal() and str(end).isdecimal():
        first, last = get_value(value, "startOffset", int), get_value(value, "endOffset", int)
        return text.position(int(str(start)), first), text.position(int(str(end)), last)
    if start == end == "/text()[1]":  # HTML without elements
        return get_value(value, "startOffset", int), get_value(value, "endOffset", int)
    message = _("{key}: a region from {start} to {end}, expected numbers or globalOffsets")
    raise DataError(message.format(key=kind, start=quote(start), end=quote(end)))


def _from_utf16(text: str, span: Span, term: str) -> Span:
    """Return a span, given in UTF-16 code units, in characters; return it unchanged if its term is not there.

    Early versions of Label Studio count UTF-16 code units, of which an emoji has two.
    Source: https://github.com/HumanSignal/label-studio/pull/1559.
    """
    units = text.encode("utf-16-le", "surrogatepass")
    start, end = (len(units[: 2 * offset].decode("utf-16-le", "ignore")) for offset in (span.start, span.end))
    return Span(start, end, span.label) if text[start:end] == term else span


def _choice(result: Mapping[str, Any]) -> str:
    choices = get_value(get_value(result, "value", dict), "choices", list)
    if len(choices) != 1:
        raise DataError(_("choices: expected one polarity per region, found {found}").format(found=quote(choices)))
    return str(choices[0])


def _relation_pair(spans: Mapping[str, Span], relation: Mapping[str, Any], choices: Mapping[str, str]) -> Pair:
    ids = (get_id(relation, "from_id"), get_id(relation, "to_id"))
    labels = relation.get("labels") or [choices[region_id] for region_id in ids[::-1] if region_id in choices]
    if not isinstance(labels, list) or len(labels) != 1:
        message = _("a relation with the labels {found}, expected one, its polarity")
        raise DataError(message.format(found=quote(labels)))
    return related_pair(spans, ids, str(labels[0]))
