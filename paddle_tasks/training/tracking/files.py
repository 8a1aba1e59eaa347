"""Files that only grow, cut back to where a checkpoint saw them end."""

from __future__ import annotations

import os
from pathlib import Path


def cut(path: Path, position: int) -> None:
    """Cut a file, if it is there, back to a length in bytes; a shorter one stays as it is."""
    if path.exists():
        os.truncate(path, min(position, path.stat().st_size))  # a longer one would be filled with zeros
