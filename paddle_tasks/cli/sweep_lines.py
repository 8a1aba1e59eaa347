"""The results of a sweep as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def format_sweep(summary: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Yield a line for each combination of a sweep, and lines for the best one on dev.

    Args:
        summary: the content of sweep.json.
        folder: the folder of the sweep.
    """
    metric = summary["metric"]
    for point in summary["points"]:
        scores = [
            f"{split} {metric} {_format_spread(point[split][metric])}" for split in ("dev", "test") if point[split]
        ]
        yield f"{point['name'] or 'mean'}  {'  '.join(scores)}  ({point['finished']} seeds)"
    if best := summary["best"]:
        if len(summary["points"]) > 1:
            yield f"best  {best['point']}, by {summary['chosen_by']}: {best['dev']['mean']:.4f}"
        yield f"best run by dev  {folder / best['run']}"
    yield f"sweep {folder}"


def _format_spread(spread: Mapping[str, Any]) -> str:
    """Return the mean, and the standard deviation if there is one."""
    deviation = spread["deviation"]
    return f"{spread['mean']:.4f}" + (f" ± {deviation:.4f}" if deviation is not None else "")
