"""The data report as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LABELS_SHOWN = 20


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a report of `paddle_tasks.data.checks.check`."""
    for split, rows in report["rows"].items():
        lengths = report["characters"][split]
        spread = f"{lengths['mean']} characters on average, p95 {lengths['p95']:.0f}, longest {lengths['max']}"
        yield f"{split:6} {rows} rows, {spread}"
        counts = list(report["labels"][split].items())
        more = f" … and {len(counts) - _LABELS_SHOWN} more" if len(counts) > _LABELS_SHOWN else ""
        yield "       labels " + ", ".join(f"{label}: {count}" for label, count in counts[:_LABELS_SHOWN]) + more
    yield f"bad rows               {report['bad_rows']}"
    yield from (f"  {bad}" for bad in report["examples"]["bad_rows"])
    yield f"duplicate texts        {report['duplicate_texts']} (train rows less their distinct texts)"
    yield f"contradictory texts    {report['contradictory_texts']} (distinct train texts with more than one label)"
    for split, count in report["leaked_texts"].items():
        yield f"leaked into {split:10} {count} (distinct texts that stand in train too)"
