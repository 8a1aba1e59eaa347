"""Output formats that suit the records of every task."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]


def json_lines(records: Sequence[Record]) -> list[str]:
    """Return each record as a line of JSON."""
    return [json.dumps(record, ensure_ascii=False) for record in records]


WRITERS: Mapping[str, Callable[[Sequence[Record]], list[str]]] = {"jsonl": json_lines}
"""Functions that turn records into lines of text, by the name of the format."""
