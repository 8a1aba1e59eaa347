"""Reviews out of JSON objects: our own lines with spans and pairs, COTE, the exports of doccano and Label Studio."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from paddle_tasks.data.opinion.examples import ASPECT, OPINION, Draft, OpinionLayout, check_span
from paddle_tasks.errors import DataError, did_you_mean
from paddle_tasks.text.spans import Pair, Span

Parse = Callable[[Mapping[str, Any], OpinionLayout], Draft]
_TYPES: Mapping[type, str] = {str: "a text", int: "a whole number", list: "a list", dict: "an object"}


def own(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:  # noqa: ARG001
    """Parse ``{"text", "spans": [{"start", "end", "label"}], "pairs": [{"aspect", "opinion", "polarity"}]}``.

    Aspect and opinion of a pair are places among the spans, or null. ``pairs`` may be left out; a span may have a
    ``term``, which has to stand there.

    Raises:
        DataError: it is not of this form.
    """
    text = _get(record, "text", str)
    spans = [_span(text, found, ("start", "end", "label")) for found in _objects(record, "spans")]
    if record.get("pairs") is None:
        return Draft(text, spans, None)
    pairs = [
        Pair(_side(found, ASPECT, spans), _side(found, OPINION, spans), _get(found, "polarity", str))
        for found in _objects(record, "pairs")
    ]
    return Draft(text, spans, pairs)


def _side(pair: Mapping[str, Any], role: str, spans: Sequence[Span]) -> Span | None:
    if role in pair and pair[role] is None:
        return None
    place: int = _get(pair, role, int)
    if not 0 <= place < len(spans):
        raise DataError(f"pairs: {role} {place}: expected null or the place of one of the {len(spans)} spans, from 0")
    return spans[place]


def cote(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:
    """Parse ``{"s": text, "ot": target}``; of the target all occurrences are aspects or, by the layout, the first.

    Source: Li et al. 2018, Character-based BiLSTM-CRF Incorporating POS and Dictionaries for Chinese Opinion Target
    Extraction, ACML.

    Raises:
        DataError: it is not of this form, or the target does not stand in the text.
    """
    text, target = _get(record, "s", str), _get(record, "ot", str)
    starts = list(_occurrences(text, target)) if target.strip() else []
    if not starts:
        raise DataError(f"ot: the target {target[:40]!r} does not stand in the text")
    kept = starts[:1] if layout.occurrences == "first" else starts
    return Draft(text, [Span(start, start + len(target), ASPECT) for start in kept], None)


def _occurrences(text: str, term: str) -> Iterator[int]:
    start = text.find(term)
    while start >= 0:
        yield start
        start = text.find(term, start + len(term))


# ---- doccano


def doccano(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:  # noqa: ARG001
    """Parse a line of doccano's export, ``label: [[start, end, label]]`` or ``entities`` and ``relations``.

    A relation's type is the polarity of the pair of its two entities, whichever way it was drawn. An entity that is
    related to itself has no partner in the text: so is an implicit aspect written.

    Raises:
        DataError: it is not of this form.
    """
    text = _get(record, "text", str)
    if "entities" not in record:
        key = "labels" if "labels" in record and "label" not in record else "label"
        return Draft(text, [_listed(text, found, key) for found in _get(record, key, list)], None)
    entities = _objects(record, "entities")
    spans = [_span(text, found, ("start_offset", "end_offset", "label")) for found in entities]
    if record.get("relations") is None:
        return Draft(text, spans, None)
    by_id = {_id(found, "id"): span for found, span in zip(entities, spans, strict=True)}
    pairs = [
        _related(by_id, (_id(found, "from_id"), _id(found, "to_id")), _get(found, "type", str))
        for found in _objects(record, "relations")
    ]
    return Draft(text, spans, pairs)


def _listed(text: str, found: Any, key: str) -> Span:
    if not isinstance(found, list) or len(found) != 3:
        raise DataError(f"{key}: expected [start, end, label], found {_shown(found)}")
    return _span(text, dict(zip(("start", "end", "label"), found, strict=True)), ("start", "end", "label"))


def _id(record: Mapping[str, Any], key: str) -> str:
    if key not in record or not isinstance(record[key], int | str):
        raise DataError(f"{key}: expected a number or text, found {_shown(record.get(key))}")
    return str(record[key])


def _related(spans: Mapping[str, Span], ids: tuple[str, str], polarity: str) -> Pair:
    """Return the pair of a relation: the labels of its two spans tell which is the opinion."""
    lost = [name for name in ids if name not in spans]
    if lost:
        raise DataError(f"a relation with {lost[0]!r}, which is the id of no span")
    first, second = (spans[name] for name in ids)
    if ids[0] == ids[1]:
        return Pair(first, None, polarity) if first.label == ASPECT else Pair(None, first, polarity)
    return Pair(second, first, polarity) if OPINION == first.label != second.label else Pair(first, second, polarity)


# ---- Label Studio


def label_studio(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:  # noqa: ARG001
    """Parse a task of Label Studio's JSON export.

    A relation's label is the polarity of the pair of its two regions; a choice made for a region (``perRegion``) is
    the polarity of its pairs whose relation has none or, without any, of a pair with that region alone.

    Raises:
        DataError: it is not of this form, not annotated, or by several people who do not agree.
    """
    text = _task_text(record)
    results = _annotation(record)
    regions = [found for found in results if found.get("type") == "labels"]
    spans = {_id(found, "id"): _region(text, _get(found, "value", dict)) for found in regions}
    choices = {str(found.get("id")): _choice(found) for found in results if found.get("type") == "choices"}
    relations = [found for found in results if found.get("type") == "relation"]
    if not relations and not choices:
        return Draft(text, list(spans.values()), None)
    pairs = [_relation(spans, found, choices) for found in relations]
    paired = {span for pair in pairs for span in (pair.aspect, pair.opinion)}
    alone = [name for name in choices if name not in spans or spans[name] not in paired]
    return Draft(
        text, list(spans.values()), [*pairs, *(_related(spans, (name, name), choices[name]) for name in alone)]
    )


def _task_text(record: Mapping[str, Any]) -> str:
    """Return the text of a task, whatever the project calls it."""
    data = _get(record, "data", dict)
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    if "text" not in texts and len(texts) != 1:
        raise DataError(f"data: expected one text, or one named 'text', found {', '.join(texts) or 'none'}")
    return str(texts.get("text", next(iter(texts.values()))))


def _annotation(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the results of a task's only annotation, or of the first of several that say the same."""
    key = "annotations" if "annotations" in record else "completions"
    whole = [found for found in _objects(record, key) if not found.get("was_cancelled")]
    if not whole:
        raise DataError("the task is not annotated")
    results = [_objects(found, "result") for found in whole]
    if len({_said(found) for found in results}) > 1:
        raise DataError(f"{len(whole)} annotations that do not agree; expected one, or all the same")
    return results[0]


def _said(results: Sequence[Mapping[str, Any]]) -> str:
    """Return what an annotation says, without the ids, which differ from one to another."""
    values = [{key: found.get(key) for key in ("type", "value", "labels")} for found in results]
    return json.dumps(sorted(json.dumps(value, sort_keys=True) for value in values))


def _region(text: str, value: Mapping[str, Any]) -> Span:
    labels = _get(value, "labels", list)
    if len(labels) != 1:
        raise DataError(f"labels: expected one label of a region, found {_shown(labels)}")
    span = Span(_get(value, "start", int), _get(value, "end", int), str(labels[0]))
    term = value.get("text")
    if isinstance(term, str) and text[span.start : span.end] != term:
        span = _from_utf16(text, span, term)
    check_span(text, span, term if isinstance(term, str) else None)
    return span


def _from_utf16(text: str, span: Span, term: str) -> Span:
    """Return a span counted in UTF-16 units, if its term stands there, else the span as it is.

    So Label Studio counted at first; an emoji is two of them.
    Source: https://github.com/HumanSignal/label-studio/pull/1559.
    """
    units = text.encode("utf-16-le", "surrogatepass")
    start, end = (len(units[: 2 * at].decode("utf-16-le", "ignore")) for at in (span.start, span.end))
    return Span(start, end, span.label) if text[start:end] == term else span


def _choice(found: Mapping[str, Any]) -> str:
    choices = _get(_get(found, "value", dict), "choices", list)
    if len(choices) != 1:
        raise DataError(f"choices: expected one polarity of a region, found {_shown(choices)}")
    return str(choices[0])


def _relation(spans: Mapping[str, Span], found: Mapping[str, Any], choices: Mapping[str, str]) -> Pair:
    ids = (_id(found, "from_id"), _id(found, "to_id"))
    labels = found.get("labels") or [choices[name] for name in ids[::-1] if name in choices]
    if len(labels) != 1:
        raise DataError(f"a relation with the labels {_shown(labels)}, expected one, its polarity")
    return _related(spans, ids, str(labels[0]))


# ---- values


def _get(record: Mapping[str, Any], key: str, kind: type) -> Any:
    if key not in record:
        raise DataError(f"no field {key!r}, only {', '.join(record) or 'none'}{did_you_mean(key, record)}")
    value = record[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{key}: expected {_TYPES[kind]}, found {_shown(value)}")
    return value


def _objects(record: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = _get(record, key, list)
    for value in found:
        if not isinstance(value, dict):
            raise DataError(f"{key}: expected objects, found {_shown(value)}")
    return list(found)


def _span(text: str, found: Mapping[str, Any], keys: tuple[str, str, str]) -> Span:
    start, end, label = keys
    span = Span(_get(found, start, int), _get(found, end, int), _get(found, label, str))
    check_span(text, span, found.get("term"))
    return span


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)[:40]
