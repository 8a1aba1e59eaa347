"""What tests read from run folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def read_jsonl(file: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON lines."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def folder_state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return modification time and content of every file in a folder, and the times of the folders in it.

    The time of the folder itself is left out: the lock file beside a run folder comes and goes.
    """
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }
