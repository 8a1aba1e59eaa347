"""The JSON lines of runs, read whatever state they are in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_records(path: Path) -> list[dict[str, Any]]:
    """Return the objects in a file of JSON lines; none when it is not there.

    A line that is no object, such as the last one of a run that is being written, is left out.
    """
    if not path.is_file():
        return []
    found = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                found.append(value)
    return found
