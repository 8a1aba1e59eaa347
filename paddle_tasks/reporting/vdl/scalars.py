"""Read the scalars of metrics.jsonl, compare them with a VisualDL log, and put them into it."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from paddle_tasks.reporting.vdl.log import META, SCALAR, LogRecord, make_scalar, tag_key

# Both files of a run are written one after the other; times that differ by more are damaged.
_MAX_MILLISECONDS_APART = 60_000


@dataclass(frozen=True)
class MetricsFile:
    """The content of a metrics.jsonl.

    Attributes:
        scalars: the points with a finite value, in order; VisualDL shows no others.
        bad_lines: the numbers, from 1, of lines that are not records. A last line without a line end is ignored: it is
            being written.
    """

    scalars: tuple[LogRecord, ...]
    bad_lines: tuple[int, ...]


def read_metrics_file(path: Path) -> MetricsFile:
    """Return the content of a metrics.jsonl, empty when there is no such file."""
    data = path.read_bytes() if path.is_file() else b""
    *lines, _ = data.split(b"\n")
    scalars: list[LogRecord] = []
    bad_lines: list[int] = []
    for number, line in enumerate(lines, 1):
        try:
            scalar = _parse_line(line)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            bad_lines.append(number)
        else:
            scalars += [scalar] if scalar else []
    return MetricsFile(tuple(scalars), tuple(bad_lines))


@lru_cache(2**18)  # a file that grows is read again and again
def _parse_line(line: bytes) -> LogRecord | None:
    record = json.loads(line)
    step, tag, value, seconds = (record[name] for name in ("step", "tag", "value", "time"))
    if value is None or not math.isfinite(value):  # null is NaN or infinity; older versions wrote these words
        return None
    return make_scalar(step, tag, value, seconds)


def has_same_scalars(records: Iterable[LogRecord], metrics: MetricsFile) -> bool:
    """Return whether a log has the scalars of metrics.jsonl: equal tags, steps and values, times within a minute."""
    logged, expected = _group_by_tag(records), _group_by_tag(metrics.scalars)
    return logged.keys() == expected.keys() and all(
        len(logged[tag]) == len(scalars) and all(map(_is_same, logged[tag], scalars))
        for tag, scalars in expected.items()
    )


def _group_by_tag(records: Iterable[LogRecord]) -> dict[str, list[LogRecord]]:
    tags: dict[str, list[LogRecord]] = defaultdict(list)
    for record in records:
        if record.kind == SCALAR:
            tags[record.tag].append(record)
    return tags


def _is_same(first: LogRecord, second: LogRecord) -> bool:
    is_near = abs(first.time - second.time) <= _MAX_MILLISECONDS_APART
    return is_near and (first.step, first.value) == (second.step, second.value)


def replace_scalars(records: Sequence[LogRecord], metrics: MetricsFile) -> list[LogRecord]:
    """Return the records of a log, ordered by step, with the scalars of metrics.jsonl in place of the log's scalars.

    Records of other kinds are dropped where metrics.jsonl has a scalar of the same tag.
    """
    scalar_tags = {tag_key(scalar.tag) for scalar in metrics.scalars}
    kept = [record for record in records if record.kind != SCALAR and tag_key(record.tag) not in scalar_tags]
    meta = [record for record in kept if record.kind == META]
    others = [record for record in kept if record.kind != META]
    return meta + sorted((*metrics.scalars, *others), key=lambda record: record.step)
