"""What a sweep came to, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def lines(summary: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Yield a line for each grid point of a sweep.json, and for the one that dev has chosen."""
    metric = summary["metric"]
    for point in summary["points"]:
        scores = [f"{split} {metric} {_spread(point[split][metric])}" for split in ("dev", "test") if point[split]]
        yield f"{point['name'] or 'mean'}  {'  '.join(scores)}  ({point['finished']} seeds)"
    if best := summary["best"]:
        if len(summary["points"]) > 1:
            yield f"best  {best['point']}, by {summary['chosen_by']}: {best['dev']['mean']:.4f}"
        yield f"best run by dev  {folder / best['run']}"
    yield f"sweep {folder}"


def _spread(spread: Mapping[str, Any]) -> str:
    deviation = spread["deviation"]
    return f"{spread['mean']:.4f}" + (f" ± {deviation:.4f}" if deviation is not None else "")
