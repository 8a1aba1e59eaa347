"""The results of a sweep as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paddle_tasks.language import _, plural
from paddle_tasks.metrics.names import split_name


def format_sweep(summary: Mapping[str, Any], folder: Path) -> Iterator[str]:
    """Yield a line for each combination of a sweep, and lines for the best one on dev.

    Args:
        summary: the content of sweep.json.
        folder: the folder of the sweep.
    """
    metric = summary["metric"]
    for point in summary["points"]:
        scores = [
            f"{split_name(split)} {_format_spread(point[split][metric])}" for split in ("dev", "test") if point[split]
        ]
        seeds = plural("{count} seed", "{count} seeds", point["finished"])
        name = point["name"] or _("mean")
        yield f"{name}  {metric}: {'  '.join(scores)}  ({seeds})"
    if best := summary["best"]:
        if len(summary["points"]) > 1:
            line = _("best  {point}, by {criterion}: {score:.4f}")
            yield line.format(point=best["point"], criterion=summary["chosen_by"], score=best["dev"]["mean"])
        yield _("best run by dev  {folder}").format(folder=folder / best["run"])
    yield _("sweep {folder}").format(folder=folder)


def _format_spread(spread: Mapping[str, Any]) -> str:
    """Return the mean, and the standard deviation if there is one."""
    deviation = spread["deviation"]
    return f"{spread['mean']:.4f}" + (f" ± {deviation:.4f}" if deviation is not None else "")
