"""Write reviews with spans and pairs as JSON lines for import into doccano."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from paddle_tasks.data.opinion.examples import OpinionExample
from paddle_tasks.files import write_text
from paddle_tasks.text.spans import Span


def to_doccano(example: OpinionExample, first_id: int = 0) -> dict[str, Any]:
    """Return an example as an object of doccano's JSON lines, with entities and relations.

    The doccano project must allow relations and, if spans overlap, overlapping spans. A pair whose aspect or opinion
    is implicit becomes a relation of its other span to itself, which doccano accepts.
    Source: https://github.com/doccano/doccano, backend/labels/models.py and backend/data_import/pipeline/labels.py.

    Args:
        example: the example.
        first_id: the id of its first entity, and of its first relation.
    """
    spans = list(example.spans)
    entities = [
        {"id": first_id + index, "start_offset": span.start, "end_offset": span.end, "label": span.label}
        for index, span in enumerate(spans)
    ]
    record: dict[str, Any] = {"text": example.text, "entities": entities}
    if example.pairs is None:
        return record
    relations = [
        {
            "id": first_id + index,
            "from_id": first_id + spans.index(_explicit(pair.aspect, pair.opinion)),
            "to_id": first_id + spans.index(_explicit(pair.opinion, pair.aspect)),
            "type": pair.polarity,
        }
        for index, pair in enumerate(example.pairs)
    ]
    return {**record, "relations": relations}


def _explicit(span: Span | None, other: Span | None) -> Span:
    """Return ``span``, or ``other`` if ``span`` is implicit."""
    explicit = span or other
    if explicit is None:
        raise ValueError("a pair with neither aspect nor opinion")
    return explicit


def write_doccano(path: Path, examples: Iterable[OpinionExample]) -> None:
    """Write examples as JSON lines for doccano's import; ids of entities and relations are unique within the file."""
    lines, first_id = [], 0
    for example in examples:
        lines.append(json.dumps(to_doccano(example, first_id), ensure_ascii=False) + "\n")
        first_id += max(len(example.spans), len(example.pairs or ()))
    write_text(path, "".join(lines))
