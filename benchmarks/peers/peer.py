"""What the scripts that run a peer share; standard library only, since each has a Python of its own."""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

TEXT_COLUMNS = ("text_a", "text", "sentence", "review")


def settings() -> dict[str, Any]:
    """Return the settings in the JSON file that the script was given."""
    return json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))


def write_result(**figures: Any) -> None:
    """Write the figures where the script was told to."""
    Path(sys.argv[2]).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def read_rows(path: str) -> list[tuple[str, int]]:
    """Return texts and labels (0 or 1) of a tab-separated file with a header."""
    header, *lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    columns = header.rstrip("\r").split("\t")
    text = next(columns.index(name) for name in TEXT_COLUMNS if name in columns)
    label = columns.index("label")
    rows = [line.rstrip("\r").split("\t") for line in lines if line.strip()]
    return [(row[text], int(row[label])) for row in rows]


def some_batches(order: list[int], size: int, number: int, seed: int) -> list[int]:
    """Return the rows of some of an epoch's full batches, chosen at random."""
    starts = range(0, len(order) - size + 1, size)
    return [row for start in random.Random(seed).sample(starts, number) for row in order[start : start + size]]


class Counter:
    """Counts the batches of a training loop, and times it."""

    def __init__(self) -> None:
        self.n_batches = self.n_tokens = self.n_padded_tokens = 0
        self.seconds = 0.0
        self._started = 0.0

    def add(self, n_tokens: int, n_padded_tokens: int) -> None:
        """Count one batch."""
        self.n_batches += 1
        self.n_tokens += n_tokens
        self.n_padded_tokens += n_padded_tokens

    def start(self) -> None:
        """Start the clock."""
        self._started = time.perf_counter()

    def stop(self) -> dict[str, Any]:
        """Stop the clock and return the figures of the loop."""
        self.seconds = time.perf_counter() - self._started
        return {
            "train_seconds": self.seconds,
            "steps": self.n_batches,
            "tokens": self.n_tokens,
            "padded_tokens": self.n_padded_tokens,
        }
