"""Parse reviews from the JSON objects of this project and of COTE."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from paddle_tasks.data.opinion.examples import ASPECT, OPINION, Draft, OpinionLayout
from paddle_tasks.data.opinion.json_values import get_objects, get_span, get_value
from paddle_tasks.errors import DataError
from paddle_tasks.language import _
from paddle_tasks.text.spans import Pair, Span

ObjectParser = Callable[[Mapping[str, Any], OpinionLayout], Draft]
"""Parses an object; raises DataError if the object does not have the parser's form."""


def parse_own(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:  # noqa: ARG001
    """Parse ``{"text", "spans": [{"start", "end", "label"}], "pairs": [{"aspect", "opinion", "polarity"}]}``.

    The aspect and the opinion of a pair are indices into ``spans``, or null. ``pairs`` may be left out. A span may
    have a ``term``, which must equal the text of the span.

    Raises:
        DataError: the object does not have this form.
    """
    text = get_value(record, "text", str)
    spans = [get_span(text, item, ("start", "end", "label")) for item in get_objects(record, "spans")]
    if record.get("pairs") is None:
        return Draft(text, spans, None)
    pairs = [
        Pair(_indexed_span(item, ASPECT, spans), _indexed_span(item, OPINION, spans), get_value(item, "polarity", str))
        for item in get_objects(record, "pairs")
    ]
    return Draft(text, spans, pairs)


def _indexed_span(pair: Mapping[str, Any], role: str, spans: Sequence[Span]) -> Span | None:
    if role in pair and pair[role] is None:
        return None
    index: int = get_value(pair, role, int)
    if not 0 <= index < len(spans):
        message = _("pairs: {role} {index}: expected null or the index, from 0, of one of the {count} spans")
        raise DataError(message.format(role=role, index=index, count=len(spans)))
    return spans[index]


def parse_cote(record: Mapping[str, Any], layout: OpinionLayout) -> Draft:
    """Parse ``{"s": text, "ot": target}``.

    All occurrences of the target become aspects, or only the first one, as ``layout.occurrences`` says.

    Source: Li et al. 2018, Character-based BiLSTM-CRF Incorporating POS and Dictionaries for Chinese Opinion Target
    Extraction, ACML.

    Raises:
        DataError: the object does not have this form, or the target does not occur in the text.
    """
    text, target = get_value(record, "s", str), get_value(record, "ot", str)
    starts = list(_occurrences(text, target)) if target.strip() else []
    if not starts:
        raise DataError(_("ot: the target {target!r} does not occur in the text").format(target=target[:40]))
    used = starts[:1] if layout.occurrences == "first" else starts
    return Draft(text, [Span(start, start + len(target), ASPECT) for start in used], None)


def _occurrences(text: str, term: str) -> Iterator[int]:
    start = text.find(term)
    while start >= 0:
        yield start
        start = text.find(term, start + len(term))
