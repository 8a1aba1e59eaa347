"""A review in all formats, and what a file of reviews is read as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from paddle_tasks.data.opinion.examples import KnownNames, OpinionExample, OpinionLayout
from paddle_tasks.data.opinion.readers import read_opinions
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.text.spans import Pair, Span

TEXT = "味道很好，太贵了"
TASTE, GOOD, DEAR = SPANS = Span(0, 2, "aspect"), Span(2, 4, "opinion"), Span(5, 7, "opinion")
PAIRS = (Pair(TASTE, GOOD, "positive"), Pair(None, DEAR, "negative"))


def good(path: Path, **layout: Any) -> list[OpinionExample]:
    """Return the examples of a file without bad rows."""
    rows = list(read_opinions(path, OpinionLayout(**layout)))
    assert not [str(row) for row in rows if isinstance(row, BadRow)]
    return [row for row in rows if isinstance(row, OpinionExample)]


def bad(path: Path, known: KnownNames = KnownNames(), **layout: Any) -> str:  # noqa: B008
    """Return the message of the only bad row of a file, without the folder."""
    (row,) = [row for row in read_opinions(path, OpinionLayout(**layout), known) if isinstance(row, BadRow)]
    return str(row).removeprefix(f"{path.parent}/")


def json_lines(rows: list[Any]) -> str:
    """Return the rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(path: Path, content: str | bytes | list[Any]) -> Path:
    """Write text, bytes, or rows as JSON lines, to a file."""
    text = json_lines(content) if isinstance(content, list) else content
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def region(name: str, span: Span, text: str = TEXT, shift: int = 0) -> dict[str, Any]:
    """Return a region of a Label Studio task."""
    value = {"start": span.start + shift, "end": span.end + shift, "labels": [span.label]}
    return {"id": name, "type": "labels", "value": {**value, "text": text[span.start : span.end]}}


def task(*results: dict[str, Any], text: str = TEXT) -> dict[str, Any]:
    """Return a task of Label Studio with one annotation."""
    return {"id": 5, "data": {"text": text}, "annotations": [{"was_cancelled": False, "result": list(results)}]}


def typed(kind: str, name: str, span: Span, **value: Any) -> dict[str, Any]:
    """Return a region of a type, at the offsets of its span unless ``value`` has others."""
    term = TEXT[span.start : span.end]
    return {
        "id": name,
        "type": kind,
        "value": {"start": span.start, "end": span.end, "text": term, kind: [span.label], **value},
    }
