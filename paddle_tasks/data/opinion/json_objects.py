"""Parse reviews from JSON objects: this project's lines, COTE, and exports of doccano and Label Studio."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from paddle_tasks.data.opinion.examples import ASPECT, OPINION, Draft, OpinionLayout, check_span
from paddle_tasks.errors import DataError, did_you_mean
from paddle_tasks.text.spans import Pair, Span

ObjectParser = Callable[[Mapping[str, Any], OpinionLayout], Draft]
_TYPES: Mapping[type, str] = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}


def parse_own(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:  # noqa: ARG001
    """Parse ``{"text", "spans": [{"start", "end", "label"}], "pairs": [{"aspect", "opinion", "polarity"}]}``.

    The aspect and the opinion of a pair are indices into ``spans``, or null. ``pairs`` may be left out. A span may
    have a ``term``, which must equal the text of the span.

    Raises:
        DataError: the object does not have this form.
    """
    text = _get(record, "text", str)
    spans = [_span(text, item, ("start", "end", "label")) for item in _objects(record, "spans")]
    if record.get("pairs") is None:
        return Draft(text, spans, None)
    pairs = [
        Pair(_indexed_span(item, ASPECT, spans), _indexed_span(item, OPINION, spans), _get(item, "polarity", str))
        for item in _objects(record, "pairs")
    ]
    return Draft(text, spans, pairs)


def _indexed_span(pair: Mapping[str, Any], role: str, spans: Sequence[Span]) -> Span | None:
    if role in pair and pair[role] is None:
        return None
    index: int = _get(pair, role, int)
    if not 0 <= index < len(spans):
        raise DataError(f"pairs: {role} {index}: expected null or the index, from 0, of one of the {len(spans)} spans")
    return spans[index]


def parse_cote(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:
    """Parse ``{"s": text, "ot": target}``.

    All occurrences of the target become aspects, or only the first one, as ``layout.occurrences`` says.

    Source: Li et al. 2018, Character-based BiLSTM-CRF Incorporating POS and Dictionaries for Chinese Opinion Target
    Extraction, ACML.

    Raises:
        DataError: the object does not have this form, or the target does not occur in the text.
    """
    text, target = _get(record, "s", str), _get(record, "ot", str)
    starts = list(_occurrences(text, target)) if target.strip() else []
    if not starts:
        raise DataError(f"ot: the target {target[:40]!r} does not occur in the text")
    used = starts[:1] if layout.occurrences == "first" else starts
    return Draft(text, [Span(start, start + len(target), ASPECT) for start in used], None)


def _occurrences(text: str, term: str) -> Iterator[int]:
    start = text.find(term)
    while start >= 0:
        yield start
        start = text.find(term, start + len(term))


# ---- doccano


def parse_doccano(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:  # noqa: ARG001
    """Parse a line of doccano's export, ``label: [[start, end, label]]`` or ``entities`` and ``relations``.

    A relation is a pair of its two entities, in either direction, and its type is the polarity. A relation of an
    entity to itself is a pair whose other term is implicit.

    Raises:
        DataError: the object does not have this form.
    """
    text = _get(record, "text", str)
    if "entities" not in record:
        key = "labels" if "labels" in record and "label" not in record else "label"
        return Draft(text, [_listed_span(text, item, key) for item in _get(record, key, list)], None)
    entities = _objects(record, "entities")
    spans = [_span(text, item, ("start_offset", "end_offset", "label")) for item in entities]
    if record.get("relations") is None:
        return Draft(text, spans, None)
    by_id = {_id(item, "id"): span for item, span in zip(entities, spans, strict=True)}
    pairs = [
        _related_pair(by_id, (_id(item, "from_id"), _id(item, "to_id")), _get(item, "type", str))
        for item in _objects(record, "relations")
    ]
    return Draft(text, spans, pairs)


def _listed_span(text: str, item: Any, key: str) -> Span:
    if not isinstance(item, list) or len(item) != 3:
        raise DataError(f"{key}: expected [start, end, label], found {_quote(item)}")
    return _span(text, dict(zip(("start", "end", "label"), item, strict=True)), ("start", "end", "label"))


def _id(record: Mapping[str, Any], key: str) -> str:
    if key not in record or not isinstance(record[key], int | str):
        raise DataError(f"{key}: expected a number or text, found {_quote(record.get(key))}")
    return str(record[key])


def _related_pair(spans: Mapping[str, Span], ids: tuple[str, str], polarity: str) -> Pair:
    """Return the pair of a relation; the labels of its two spans say which one is the opinion."""
    unknown = [span_id for span_id in ids if span_id not in spans]
    if unknown:
        raise DataError(f"a relation refers to the id {unknown[0]!r}, but no span has it")
    first, second = (spans[span_id] for span_id in ids)
    if ids[0] == ids[1]:
        return Pair(first, None, polarity) if first.label == ASPECT else Pair(None, first, polarity)
    return Pair(second, first, polarity) if OPINION == first.label != second.label else Pair(first, second, polarity)


# ---- Label Studio


def parse_label_studio(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:  # noqa: ARG001
    """Parse a task of Label Studio's JSON export.

    A relation is a pair of its two regions, and its label is the polarity. If the relation has no label, the polarity
    is the choice made for one of its regions (``perRegion``). A region with a choice, but without a relation, is a pair
    whose other term is implicit.

    Raises:
        DataError: the object does not have this form, is not annotated, or has annotations that differ.
    """
    text = _task_text(record)
    results = _annotation(record)
    regions = [result for result in results if result.get("type") == "labels"]
    spans = {_id(region, "id"): _region_span(text, _get(region, "value", dict)) for region in regions}
    choices = {str(result.get("id")): _choice(result) for result in results if result.get("type") == "choices"}
    relations = [result for result in results if result.get("type") == "relation"]
    if not relations and not choices:
        return Draft(text, list(spans.values()), None)
    pairs = [_relation_pair(spans, relation, choices) for relation in relations]
    paired = {span for pair in pairs for span in (pair.aspect, pair.opinion)}
    unpaired = [region_id for region_id in choices if region_id not in spans or spans[region_id] not in paired]
    implicit = [_related_pair(spans, (region_id, region_id), choices[region_id]) for region_id in unpaired]
    return Draft(text, list(spans.values()), [*pairs, *implicit])


def _task_text(record: Mapping[str, Any]) -> str:
    """Return the text of a task, which is named ``text`` or is the only one."""
    data = _get(record, "data", dict)
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    if "text" not in texts and len(texts) != 1:
        raise DataError(f"data: expected one text, or one named 'text', found {', '.join(texts) or 'none'}")
    return str(texts.get("text", next(iter(texts.values()))))


def _annotation(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the results of a task's only annotation, or of the first of several equal ones."""
    key = "annotations" if "annotations" in record else "completions"
    annotations = [annotation for annotation in _objects(record, key) if not annotation.get("was_cancelled")]
    if not annotations:
        raise DataError("the task is not annotated")
    results = [_objects(annotation, "result") for annotation in annotations]
    if len({_comparable(result) for result in results}) > 1:
        raise DataError(f"{len(annotations)} annotations that do not agree; expected one, or all the same")
    return results[0]


def _comparable(results: Sequence[Mapping[str, Any]]) -> str:
    """Return an annotation as text without its ids, which differ between equal annotations."""
    values = [{key: result.get(key) for key in ("type", "value", "labels")} for result in results]
    return json.dumps(sorted(json.dumps(value, sort_keys=True) for value in values))


def _region_span(text: str, value: Mapping[str, Any]) -> Span:
    labels = _get(value, "labels", list)
    if len(labels) != 1:
        raise DataError(f"labels: expected one label per region, found {_quote(labels)}")
    span = Span(_get(value, "start", int), _get(value, "end", int), str(labels[0]))
    term = value.get("text")
    if isinstance(term, str) and text[span.start : span.end] != term:
        span = _from_utf16(text, span, term)
    check_span(text, span, term if isinstance(term, str) else None)
    return span


def _from_utf16(text: str, span: Span, term: str) -> Span:
    """Return a span, given in UTF-16 code units, in characters; return it unchanged if its term is not there.

    Early versions of Label Studio count UTF-16 code units, of which an emoji has two.
    Source: https://github.com/HumanSignal/label-studio/pull/1559.
    """
    units = text.encode("utf-16-le", "surrogatepass")
    start, end = (len(units[: 2 * offset].decode("utf-16-le", "ignore")) for offset in (span.start, span.end))
    return Span(start, end, span.label) if text[start:end] == term else span


def _choice(result: Mapping[str, Any]) -> str:
    choices = _get(_get(result, "value", dict), "choices", list)
    if len(choices) != 1:
        raise DataError(f"choices: expected one polarity per region, found {_quote(choices)}")
    return str(choices[0])


def _relation_pair(spans: Mapping[str, Span], relation: Mapping[str, Any], choices: Mapping[str, str]) -> Pair:
    ids = (_id(relation, "from_id"), _id(relation, "to_id"))
    labels = relation.get("labels") or [choices[region_id] for region_id in ids[::-1] if region_id in choices]
    if len(labels) != 1:
        raise DataError(f"a relation with the labels {_quote(labels)}, expected one, its polarity")
    return _related_pair(spans, ids, str(labels[0]))


# ---- values


def _get(record: Mapping[str, Any], key: str, kind: type) -> Any:
    if key not in record:
        raise DataError(f"no field {key!r}, only {', '.join(record) or 'none'}{did_you_mean(key, record)}")
    value = record[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{key}: expected {_TYPES[kind]}, found {_quote(value)}")
    return value


def _objects(record: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    items = _get(record, key, list)
    for item in items:
        if not isinstance(item, dict):
            raise DataError(f"{key}: expected objects, found {_quote(item)}")
    return list(items)


def _span(text: str, item: Mapping[str, Any], keys: tuple[str, str, str]) -> Span:
    """Return a checked span; ``keys`` are the item's keys for start, end and label."""
    start, end, label = keys
    span = Span(_get(item, start, int), _get(item, end, int), _get(item, label, str))
    check_span(text, span, item.get("term"))
    return span


def _quote(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:40]
