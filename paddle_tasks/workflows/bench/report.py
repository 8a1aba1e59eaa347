"""Timing in rounds, and the form of every report: medians, quartiles and ratios."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
Notify = Callable[[str], None]
"""Called with a message about the progress of a measurement."""


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeated measurements.

    Attributes:
        low: the first quartile.
        high: the third quartile.
        n: how many measurements there are.
    """

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def from_values(cls, values: Sequence[float]) -> Spread:
        """Compute the spread of one or more values."""
        low, median, high = (float(value) for value in np.percentile(values, (25, 50, 75)))
        return cls(median, low, high, len(values))

    def as_dict(self) -> dict[str, float]:
        """Return the spread for JSON."""
        return {"median": self.median, "low": self.low, "high": self.high, "n": self.n}


@dataclass(frozen=True)
class Measurement:
    """One thing that was timed.

    Attributes:
        seconds: time of one call.
        values: further numbers by name, such as ``tokens_per_second``; "figures" in JSON.
    """

    name: str
    seconds: Spread
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """The result of a `bench` command.

    Attributes:
        bench: the command's name.
        timed: what the seconds measure, for the first line of the table.
        measurements: "lines" in JSON; all ratios are relative to the first.
        settings: what the measurements depend on.
        environment: versions, device and threads.
        matmul_gflops: this machine's rate in matrix products of the first model's sizes, in GFLOP/s.
    """

    bench: str
    timed: str
    measurements: Sequence[Measurement]
    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    matmul_gflops: Spread | None = None

    def ratio(self, measurement: Measurement) -> float:
        """Return a measurement's median divided by the first one's; above 1 is slower."""
        return measurement.seconds.median / self.measurements[0].seconds.median

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        lines = [
            {
                "name": measurement.name,
                "seconds": measurement.seconds.as_dict(),
                "ratio": self.ratio(measurement),
                "figures": dict(measurement.values),
            }
            for measurement in self.measurements
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


def time_call(function: Callable[[], object]) -> float:
    """Return the seconds that one call takes."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def run_rounds(
    measures: Mapping[str, Callable[[], T]], repeats: int, *, warmup: int = 0, notify: Notify = lambda _text: None
) -> dict[str, list[T]]:
    """Call every measure once in each round, so that other load on the machine affects all of them alike.

    Args:
        measures: functions to call, by name.
        repeats: rounds that count, at least 1.
        warmup: rounds before them whose results are discarded.
        notify: called at the start of each round.

    Returns:
        The results of each measure, one for each round that counts.
    """
    results: dict[str, list[T]] = {name: [] for name in measures}
    for number in range(1, warmup + repeats + 1):
        notify(f"round {number} of {warmup + repeats}{' (warm-up)' * (number <= warmup)}")
        for name, measure in measures.items():
            result = measure()
            if number > warmup:
                results[name].append(result)
    return results
