"""The scalars of a run as metrics.jsonl has them, and a VisualDL log made to agree with them."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from paddle_tasks.reporting.vdl.log import META, SCALAR, Entry, scalar, tag_key

# Both files of a run are written one after the other; times further apart than this are damage.
_MOST_MILLISECONDS_APART = 60_000


@dataclass(frozen=True)
class Truth:
    """What a metrics.jsonl says.

    Attributes:
        scalars: the points that VisualDL shows, in order: all whose value is finite.
        bad_lines: the numbers of the lines that are no record, from 1. A last line without its end is none of them:
            it is being written.
    """

    scalars: tuple[Entry, ...]
    bad_lines: tuple[int, ...]


def read_truth(path: Path) -> Truth:
    """Return the scalars of a metrics.jsonl; a file that is not there has none."""
    data = path.read_bytes() if path.is_file() else b""
    *lines, _ = data.split(b"\n")
    scalars: list[Entry] = []
    bad: list[int] = []
    for number, line in enumerate(lines, 1):
        try:
            point = _point(line)
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            bad.append(number)
        else:
            scalars += [point] if point else []
    return Truth(tuple(scalars), tuple(bad))


@lru_cache(2**18)  # a file that grows is read again and again
def _point(line: bytes) -> Entry | None:
    record = json.loads(line)
    step, tag, value, seconds = (record[name] for name in ("step", "tag", "value", "time"))
    return scalar(step, tag, value, seconds) if math.isfinite(value) else None


def agrees(entries: Iterable[Entry], truth: Truth) -> bool:
    """Tell whether the scalars of a log are those of metrics.jsonl: tags, steps and values, and the times about."""
    found, expected = _by_tag(entries), _by_tag(truth.scalars)
    return found.keys() == expected.keys() and all(
        len(found[tag]) == len(points) and all(map(_same, found[tag], points)) for tag, points in expected.items()
    )


def _by_tag(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    tags: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.kind == SCALAR:
            tags[entry.tag].append(entry)
    return tags


def _same(one: Entry, other: Entry) -> bool:
    near = abs(one.time - other.time) <= _MOST_MILLISECONDS_APART
    return near and (one.step, one.value) == (other.step, other.value)


def with_scalars(entries: Sequence[Entry], truth: Truth) -> list[Entry]:
    """Return the records of a log with the scalars of metrics.jsonl in place of its own, in the order of the steps."""
    named = {tag_key(point.tag) for point in truth.scalars}
    kept = [entry for entry in entries if entry.kind != SCALAR and tag_key(entry.tag) not in named]
    first = [entry for entry in kept if entry.kind == META]
    rest = [entry for entry in kept if entry.kind != META]
    return first + sorted((*truth.scalars, *rest), key=lambda entry: entry.step)
