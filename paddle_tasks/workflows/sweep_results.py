"""What the runs of a sweep come to: mean and deviation over seeds, and the grid point that dev has chosen."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from paddle_tasks.training.session import LOWER_IS_BETTER

SPLITS = ("dev", "test")

Record = Mapping[str, Any]


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return mean, sample standard deviation (None for one value), smallest, largest and number of values."""
    mean = math.fsum(values) / len(values)
    deviation = statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else None
    return {"mean": mean, "deviation": deviation, "min": min(values), "max": max(values), "n": len(values)}


def spreads(records: Iterable[Record]) -> dict[str, dict[str, Any]]:
    """Return the spread of every plain number that all of the records hold."""
    records = list(records)
    shared = [name for name in records[0] if all(_is_number(record.get(name)) for record in records)] if records else []
    return {name: spread([float(record[name]) for record in records]) for name in shared}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def describe_point(
    name: str, settings: Mapping[str, Any], runs: Sequence[Record], results: Mapping[str, Record], metric: str
) -> dict[str, Any]:
    """Return what sweep.json says of a grid point.

    Args:
        name: what its runs are called.
        settings: its part of the grid.
        runs: ``run``, ``seed`` and ``status`` of each of its runs.
        results: the result.json of those that are finished, by run.
        metric: the one of dev that chooses.
    """
    finished = [results[run["run"]] for run in runs if run["run"] in results]
    train = spreads(result["train"] for result in finished)
    return {
        "name": name,
        "settings": dict(settings),
        "runs": [{**run, **_scores(results.get(run["run"]), metric)} for run in runs],
        "finished": len(finished),
        **{split: spreads(result[split] for result in finished if split in result) for split in SPLITS},
        "seconds": train.get("seconds"),
        "tokens_per_second": train.get("tokens_per_second"),
        "best_run": _best_run(runs, results, metric),
    }


def _scores(result: Record | None, metric: str) -> dict[str, Any]:
    return {split: result[split].get(metric) for split in SPLITS if split in result} if result else {}


def _best_run(runs: Sequence[Record], results: Mapping[str, Record], metric: str) -> str | None:
    """Return the run with the best dev score, whatever it has on test."""
    scores = {run["run"]: results[run["run"]]["dev"][metric] for run in runs if run["run"] in results}
    return best_of(scores, metric)


def best_of(scores: Mapping[str, float], metric: str) -> str | None:
    """Return the name with the best score, the first of equal ones; a score that is no number never wins."""
    sign = -1 if metric in LOWER_IS_BETTER else 1
    whole = {name: sign * score for name, score in scores.items() if not math.isnan(score)}
    return max(whole, key=lambda name: whole[name]) if whole else None


def choose(points: Sequence[Record], metric: str) -> dict[str, Any] | None:
    """Return the grid point with the best mean dev score, and that score; None as long as a run is missing."""
    if any(point["finished"] < len(point["runs"]) for point in points):
        return None
    name = best_of({point["name"]: point["dev"][metric]["mean"] for point in points}, metric)
    if name is None:
        return None
    point = next(point for point in points if point["name"] == name)
    return {
        "point": name,
        "settings": point["settings"],
        "run": point["best_run"],
        **{split: point[split][metric] for split in SPLITS if metric in point[split]},
    }
