"""The data report as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LABELS_SHOWN = 20
_OVERLAPS_SHOWN = 5


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a report of `paddle_tasks.data.tables.checks.check` or `check_opinions`."""
    for split, rows in report["rows"].items():
        lengths = report["characters"][split]
        spread = f"{lengths['mean']} characters on average, p95 {lengths['p95']:.0f}, longest {lengths['max']}"
        yield f"{split:6} {rows} rows, {spread}"
        counts = list(report["labels"][split].items())
        more = f" … and {len(counts) - _LABELS_SHOWN} more" if len(counts) > _LABELS_SHOWN else ""
        yield "       labels " + ", ".join(f"{label}: {count}" for label, count in counts[:_LABELS_SHOWN]) + more
        if "polarities" in report:
            yield from _of_opinions(report, split)
    yield f"bad rows               {report['bad_rows']}"
    yield from (f"  {bad}" for bad in report["examples"]["bad_rows"])
    yield f"duplicate texts        {report['duplicate_texts']} (train rows less their distinct texts)"
    differ = "whose spans or pairs differ" if "polarities" in report else "with more than one label"
    yield f"contradictory texts    {report['contradictory_texts']} (distinct train texts {differ})"
    for split, count in report["leaked_texts"].items():
        yield f"leaked into {split:10} {count} (distinct texts that stand in train too)"


def _of_opinions(report: Mapping[str, Any], split: str) -> Iterator[str]:
    polarities = ", ".join(f"{polarity}: {count}" for polarity, count in report["polarities"][split].items())
    yield f"       pairs  {polarities or 'none'}"
    if report["overlapping_spans"][split]:
        count = report["overlapping_spans"][split]
        yield f"       {count} spans overlap another one; one layer of tags holds only some of them:"
        yield from (f"         {found}" for found in report["examples"]["overlapping_spans"][split][:_OVERLAPS_SHOWN])
