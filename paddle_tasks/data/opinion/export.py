"""Write reviews with their spans and pairs: as our own JSON lines, and as doccano imports them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from paddle_tasks.data.opinion.examples import OpinionExample
from paddle_tasks.files import write_text
from paddle_tasks.text.spans import Pair, Span


def as_record(example: OpinionExample) -> dict[str, Any]:
    """Return an example as an object of our own JSON lines; the place it was read from is left out."""
    spans = [{"start": span.start, "end": span.end, "label": span.label} for span in example.spans]
    record: dict[str, Any] = {"text": example.text, "spans": spans}
    if example.pairs is None:
        return record
    return {**record, "pairs": [_own_pair(pair, example.spans) for pair in example.pairs]}


def _own_pair(pair: Pair, spans: tuple[Span, ...]) -> dict[str, Any]:
    sides = {"aspect": pair.aspect, "opinion": pair.opinion}
    return {**{name: span and spans.index(span) for name, span in sides.items()}, "polarity": pair.polarity}


def as_doccano(example: OpinionExample, first_id: int = 0) -> dict[str, Any]:
    """Return an example as an object of doccano's JSON lines with entities and relations.

    The project has to allow relations and, where spans overlap, overlapping spans. A pair without an aspect or an
    opinion in the text is a relation of its one span to itself, which doccano takes.
    Source: https://github.com/doccano/doccano, backend/labels/models.py and backend/data_import/pipeline/labels.py.

    Args:
        example: the example.
        first_id: the number of its first entity, and of its first relation.
    """
    spans = list(example.spans)
    entities = [
        {"id": first_id + at, "start_offset": span.start, "end_offset": span.end, "label": span.label}
        for at, span in enumerate(spans)
    ]
    record: dict[str, Any] = {"text": example.text, "entities": entities}
    if example.pairs is None:
        return record
    relations = [
        {
            "id": first_id + at,
            "from_id": first_id + spans.index(_said(pair.aspect, pair.opinion)),
            "to_id": first_id + spans.index(_said(pair.opinion, pair.aspect)),
            "type": pair.polarity,
        }
        for at, pair in enumerate(example.pairs)
    ]
    return {**record, "relations": relations}


def _said(span: Span | None, other: Span | None) -> Span:
    found = span or other
    if found is None:
        raise ValueError("a pair with neither aspect nor opinion")
    return found


def write_records(path: Path, examples: Iterable[OpinionExample]) -> None:
    """Write examples as our own JSON lines."""
    write_text(path, "".join(f"{json.dumps(as_record(example), ensure_ascii=False)}\n" for example in examples))


def write_doccano(path: Path, examples: Iterable[OpinionExample]) -> None:
    """Write examples as JSON lines for doccano's import; the numbers of entities and relations are the file's own."""
    lines, first_id = [], 0
    for example in examples:
        lines.append(json.dumps(as_doccano(example, first_id), ensure_ascii=False) + "\n")
        first_id += max(len(example.spans), len(example.pairs or ()))
    write_text(path, "".join(lines))
