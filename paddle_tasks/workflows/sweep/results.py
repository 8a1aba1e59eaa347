"""The results of a sweep: mean and deviation over seeds, and the grid point that dev has chosen."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paddle_tasks.training.result import RunResult

SPLITS = ("dev", "test")

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """The metric of dev that chooses, and whether its lowest value is the best."""

    metric: str
    lower_is_better: bool = False


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, sample standard deviation (None for one value), minimum, maximum and number of values."""
    mean = math.fsum(values) / len(values)
    deviation = statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else None
    return {"mean": mean, "deviation": deviation, "min": min(values), "max": max(values), "n": len(values)}


def spreads(records: Iterable[Record]) -> dict[str, dict[str, Any]]:
    """Return the spread of every number that all records have."""
    records = list(records)
    shared = [name for name in records[0] if all(_is_number(record.get(name)) for record in records)] if records else []
    return {name: spread([float(record[name]) for record in records]) for name in shared}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def describe_point(
    name: str, settings: Mapping[str, Any], runs: Sequence[Record], results: Mapping[str, RunResult], choice: Choice
) -> dict[str, Any]:
    """Return the object of a grid point in sweep.json.

    Args:
        name: the name of the point.
        settings: the values of the grid.
        runs: ``run``, ``seed`` and ``status`` of each of its runs.
        results: the results of the finished runs, by run.
        choice: the metric of dev that chooses.
    """
    finished = [results[run["run"]] for run in runs if run["run"] in results]
    train = spreads(result.train.model_dump() for result in finished)
    return {
        "name": name,
        "settings": dict(settings),
        "runs": [{**run, **_scores(results.get(run["run"]), choice.metric)} for run in runs],
        "finished": len(finished),
        **{split: spreads(result.scores[split] for result in finished if split in result.scores) for split in SPLITS},
        "seconds": train.get("seconds"),
        "tokens_per_second": train.get("tokens_per_second"),
        "best_run": _best_run(runs, results, choice),
    }


def _scores(result: RunResult | None, metric: str) -> dict[str, Any]:
    return {split: metrics.get(metric) for split, metrics in result.scores.items()} if result else {}


def _best_run(runs: Sequence[Record], results: Mapping[str, RunResult], choice: Choice) -> str | None:
    """Return the run with the best dev score, whatever its test score."""
    finished = [run["run"] for run in runs if run["run"] in results]
    return best_of({name: results[name].scores["dev"].get(choice.metric) for name in finished}, choice)


def best_of(scores: Mapping[str, float | None], choice: Choice) -> str | None:
    """Return the name with the best score, the first of equal ones; NaN, which is None in a file, never wins."""
    sign = -1 if choice.lower_is_better else 1
    numbers = {name: sign * score for name, score in scores.items() if score is not None and not math.isnan(score)}
    return max(numbers, key=lambda name: numbers[name]) if numbers else None


def choose(points: Sequence[Record], choice: Choice) -> dict[str, Any] | None:
    """Return the grid point with the best mean dev score, with its scores; None as long as a run is missing."""
    if any(point["finished"] < len(point["runs"]) for point in points):
        return None
    means = {point["name"]: point["dev"].get(choice.metric, {}).get("mean") for point in points}
    name = best_of(means, choice)
    if name is None:
        return None
    point = next(point for point in points if point["name"] == name)
    return {
        "point": name,
        "settings": point["settings"],
        "run": point["best_run"],
        **{split: point[split][choice.metric] for split in SPLITS if choice.metric in point[split]},
    }
