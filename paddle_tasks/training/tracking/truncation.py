"""Truncating append-only files to the length that a checkpoint recorded."""

from __future__ import annotations

import os
from pathlib import Path


def truncate(path: Path, position: int) -> None:
    """Truncate a file, if it exists, to ``position`` bytes; a shorter file stays as it is."""
    if path.exists():
        os.truncate(path, min(position, path.stat().st_size))  # os.truncate would pad a shorter file with zeros
