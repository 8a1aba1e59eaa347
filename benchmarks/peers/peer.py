"""Shared by the scripts that run a peer. Standard library only, because each peer has a Python of its own."""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TEXT_COLUMNS = ("text_a", "text", "sentence", "review")
N_WARM_UP_TEXTS, N_WARM_UP_CALLS, N_CALLS = 64, 10, 100


def read_settings() -> dict[str, Any]:
    """Return the settings from the JSON file that is the script's first argument."""
    return json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))


def write_result(**values: Any) -> None:
    """Write values as JSON into the file that is the script's second argument."""
    Path(sys.argv[2]).write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_rows(path: str) -> list[tuple[str, int]]:
    """Return the text and the label (0 or 1) of each row of a tab-separated file with a header."""
    header, *lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    columns = header.rstrip("\r").split("\t")
    text = next(columns.index(name) for name in TEXT_COLUMNS if name in columns)
    label = columns.index("label")
    rows = [line.rstrip("\r").split("\t") for line in lines if line.strip()]
    return [(row[text], int(row[label])) for row in rows]


def sample_batches(order: list[int], batch_size: int, n_batches: int, seed: int) -> list[int]:
    """Return the rows of full batches of an epoch, chosen at random without replacement.

    Args:
        order: the rows of the epoch in their order.
        batch_size: rows of a batch; an incomplete last batch is never chosen.
        n_batches: how many batches to choose.
        seed: seed of the choice.
    """
    starts = range(0, len(order) - batch_size + 1, batch_size)
    return [row for start in random.Random(seed).sample(starts, n_batches) for row in order[start : start + batch_size]]


class Counter:
    """Counts the batches and tokens of a training loop, and times it."""

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
        """Stop the clock and return the times and counts of the loop."""
        self.seconds = time.perf_counter() - self._started
        return {
            "train_seconds": self.seconds,
            "steps": self.n_batches,
            "tokens": self.n_tokens,
            "padded_tokens": self.n_padded_tokens,
        }


def measure_prediction(predict: Callable[[list[str]], list[str]], settings: dict[str, Any]) -> dict[str, Any]:
    """Predict the labels of all test texts once and of one text many times, and time both.

    Args:
        predict: returns the labels of texts; the model is loaded already.
        settings: the file ``test`` and the single text ``text``.
    """
    texts = [text for text, _ in read_rows(settings["test"])]
    predict(texts[:N_WARM_UP_TEXTS])
    started = time.perf_counter()
    labels = predict(texts)
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "labels": labels, **measure_latency(lambda: predict([settings["text"]]))}


def measure_latency(call: Callable[[], object]) -> dict[str, float]:
    """Return the median and the 95th percentile of the milliseconds of a call."""
    milliseconds = []
    for _ in range(N_WARM_UP_CALLS + N_CALLS):
        started = time.perf_counter()
        call()
        milliseconds.append(1000 * (time.perf_counter() - started))
    measured = milliseconds[N_WARM_UP_CALLS:]
    return {"p50_ms": statistics.median(measured), "p95_ms": statistics.quantiles(measured, n=20)[18]}
