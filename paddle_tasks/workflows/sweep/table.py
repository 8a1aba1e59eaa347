"""The table that displays a sweep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks.language import _
from paddle_tasks.metrics.names import score_name
from paddle_tasks.training.display import Cell, Table
from paddle_tasks.workflows.sweep.results import SPLITS


def sweep_table(summary: Mapping[str, Any], folder: Path) -> Table:
    """Return a row for each grid point: its settings, its finished runs and its scores over the seeds."""
    best = (summary["best"] or {}).get("point")
    metric = summary["metric"]
    columns = (_("settings"), _("runs"), *(score_name(split, metric) for split in SPLITS), "")
    rows = [
        [
            Cell(_settings(point)),
            Cell(str(point["finished"])),
            *(_spread(point[split].get(metric)) for split in SPLITS),
            Cell(_("best on dev") if point["name"] == best else ""),
        ]
        for point in summary["points"]
    ]
    title = _("{task}: {folder}").format(task=summary["task"], folder=folder)
    return Table(title, columns, rows, range(1, 2 + len(SPLITS)))


def _settings(point: Mapping[str, Any]) -> str:
    settings = [f"{key}={configuration.dump_inline(value)}" for key, value in point["settings"].items()]
    return ", ".join(settings) or _("as configured")


def _spread(spread: Mapping[str, Any] | None) -> Cell:
    """Return mean and standard deviation."""
    if not spread or spread["mean"] is None:
        return Cell("")
    deviation = spread["deviation"]
    return Cell(f"{spread['mean']:.4f}" + ("" if deviation is None else f" ± {deviation:.4f}"))
