"""Print results to stdout."""

from __future__ import annotations

import json
import sys
from typing import Any


def print_text(text: str) -> None:
    """Print a text and a line break."""
    sys.stdout.write(text + "\n")


def print_json(value: Any) -> None:
    """Print a value as indented JSON."""
    print_text(json.dumps(value, ensure_ascii=False, indent=2))
