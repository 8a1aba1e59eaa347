"""Timing in rounds, and the form that every measurement takes: medians, quartiles and ratios."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing: their median and quartiles."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of one value or more."""
        low, median, high = (float(value) for value in np.percentile(values, (25, 50, 75)))
        return cls(median, low, high, len(values))

    def as_dict(self) -> dict[str, float]:
        """Return it for JSON."""
        return {"median": self.median, "low": self.low, "high": self.high, "n": self.n}


@dataclass(frozen=True)
class Line:
    """One thing that was measured, with what follows from its median."""

    name: str
    seconds: Spread
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """A measurement of one thing or of several that are compared.

    Attributes:
        bench: the command's name.
        timed: what the seconds are those of.
        lines: the first one is what the ratios of all are over.
        settings: what the figures depend on.
        environment: versions, device and threads.
        matmul_gflops: the machine's rate in matrix products of the sizes of the first model's, in GFLOP/s.
    """

    bench: str
    timed: str
    lines: Sequence[Line]
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    matmul_gflops: Spread | None = None

    def ratio(self, line: Line) -> float:
        """Return a line's median over that of the first: above 1 is slower."""
        return line.seconds.median / self.lines[0].seconds.median

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        lines = [
            {
                "name": line.name,
                "seconds": line.seconds.as_dict(),
                "ratio": self.ratio(line),
                "figures": dict(line.figures),
            }
            for line in self.lines
        ]
        return {
            "schema": 1,
            "bench": self.bench,
            "timed": self.timed,
            "settings": dict(self.settings),
            "matmul_gflops": self.matmul_gflops.as_dict() if self.matmul_gflops else None,
            "lines": lines,
            "environment": dict(self.environment),
        }


def seconds_of(function: Callable[[], object]) -> float:
    """Return how long one call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def rounds(
    measures: Mapping[str, Callable[[], T]], repeats: int, *, warmup: int = 0, say: Say = lambda _text: None
) -> dict[str, list[T]]:
    """Call each measure once a round, so that what disturbs the machine meanwhile disturbs all of them alike.

    Args:
        measures: what is called, by name.
        repeats: rounds that count, at least 1.
        warmup: rounds before these, whose results are left out.
        say: is told of each round.

    Returns:
        The results of each measure, in order.
    """
    results: dict[str, list[T]] = {name: [] for name in measures}
    for number in range(1, warmup + repeats + 1):
        say(f"round {number} of {warmup + repeats}{' (warm-up)' * (number <= warmup)}")
        for name, measure in measures.items():
            result = measure()
            if number > warmup:
                results[name].append(result)
    return results
