"""Check that the logs of a run are as long as its checkpoint says, and rebuild one that is not from the other.

Both logs hold the same scalars in the same order. metrics.jsonl holds them exactly, and those that are not finite too;
the VisualDL log holds them in single precision, beside texts and pictures.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import parse_json, to_json, write_bytes
from paddle_tasks.language import _
from paddle_tasks.training.tracking.metrics_file import is_metric

if TYPE_CHECKING:
    from types import ModuleType

Scalar = tuple[int, str]
"""Step and tag, in VisualDL's spelling."""

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class _Log:
    """What is left of a log.

    Attributes:
        path: the file, which may be missing.
        content: its bytes up to the end of the last whole entry.
        entries: the metrics as JSON objects, or the records of VisualDL.
        is_complete: whether ``content`` is all that the checkpoint counted.
    """

    path: Path
    content: bytes
    entries: Sequence[Any]
    is_complete: bool


def restore_logs(
    run: Path, log: Path | None, positions: Mapping[str, int], epoch_of: Callable[[int], int]
) -> list[str]:
    """Rebuild a log that is shorter than its checkpoint says from the other one.

    Args:
        run: the run folder.
        log: the VisualDL log, which may be missing; None if the run writes none.
        positions: the lengths of both files in bytes, as a checkpoint recorded them.
        epoch_of: returns the epoch of a step.

    Returns:
        What was rebuilt, for the user.

    Raises:
        CheckpointError: neither log is whole, or they contradict each other.
    """
    metrics = _read_metrics(run / "metrics.jsonl", positions.get("metrics", 0))
    shown = _read_log(log, positions.get("visualdl", 0)) if log and "visualdl" in positions else None
    if metrics.is_complete:
        if shown is None or (shown.is_complete and _scalars_of_log(shown) == _scalars_of(metrics)):
            return []
        return [_rebuild_log(shown, metrics)]
    if shown is None or not shown.is_complete or _starts_otherwise(metrics, shown):
        problem = _(
            "{file}: {state}, and no VisualDL log holds what is missing; restore the file, or start anew with --fresh"
        )
        raise CheckpointError(problem.format(file=metrics.path, state=_describe(metrics)))
    return [_rebuild_metrics(metrics, shown, positions["metrics"], epoch_of)]


def _describe(log: _Log) -> str:
    if not log.path.exists():
        return _("no such file")
    return _("holds {count} whole records, fewer than the checkpoint counted").format(count=len(log.entries))


# ---- reading


def _read_metrics(path: Path, position: int) -> _Log:
    data = path.read_bytes() if path.is_file() else b""
    records: list[dict[str, Any]] = []
    end = 0
    for line in data[:position].splitlines(keepends=True):
        record = _parse_line(line)
        if record is None:
            break
        records.append(record)
        end += len(line)
    return _Log(path, data[:end], records, end == position)


def _parse_line(line: bytes) -> dict[str, Any] | None:
    try:
        record = parse_json(line.decode()) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return record if is_metric(record) else None


def _read_log(path: Path, position: int) -> _Log:
    data = path.read_bytes() if path.is_file() else b""
    frames = list(_frames(data[:position]))
    end = frames[-1][0] if frames else 0
    return _Log(path, data[:end], [record for _end, record in frames], end == position)


def _frames(data: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the end and the record of each whole frame: a length of 8 bytes and a record."""
    start, record_type = 0, _records().Record
    while start + _LENGTH.size <= len(data):
        end = start + _LENGTH.size + _LENGTH.unpack_from(data, start)[0]
        try:
            record = record_type.FromString(data[start + _LENGTH.size : end])
        except Exception:  # DecodeError, which is another class in each implementation of protobuf
            return
        if end > len(data) or len(record.values) != 1:
            return
        yield end, record
        start = end


def _finite(metrics: _Log) -> list[dict[str, Any]]:
    """Return the records that VisualDL shows; a value that is not finite is null, or NaN in older files."""
    return [record for record in metrics.entries if record["value"] is not None and math.isfinite(record["value"])]


def _scalars_of(metrics: _Log) -> list[Scalar]:
    clean_tag = _records().clean_tag
    return [(record["step"], clean_tag(record["tag"])) for record in _finite(metrics)]


def _is_scalar(record: Any) -> bool:
    return bool(record.values[0].WhichOneof("one_value") == "value")


def _scalar(record: Any) -> Scalar:
    return record.values[0].id, record.values[0].tag


def _scalars_of_log(log: _Log) -> list[Scalar]:
    return [_scalar(record) for record in log.entries if _is_scalar(record)]


def _starts_otherwise(metrics: _Log, log: _Log) -> bool:
    scalars = _scalars_of(metrics)
    return _scalars_of_log(log)[: len(scalars)] != scalars


# ---- rebuilding


def _rebuild_metrics(metrics: _Log, log: _Log, position: int, epoch_of: Callable[[int], int]) -> str:
    missing = [record.values[0] for record in log.entries if _is_scalar(record)][len(_finite(metrics)) :]
    content = metrics.content + b"".join(_line(value, epoch_of) for value in missing)
    if len(content) > position:  # it would not be cut at the end of this line again
        problem = _("{file}: {state}; restore the file, or start anew with --fresh")
        raise CheckpointError(problem.format(file=metrics.path, state=_describe(metrics)))
    # Blanks, which JSON allows, give the file the length that the checkpoints recorded.
    write_bytes(metrics.path, content[:-1] + b" " * (position - len(content)) + b"\n")
    return _(
        "{file}: {state}; {count} records were rebuilt from the VisualDL log, with values rounded to single precision "
        "and without those that were not finite"
    ).format(file=metrics.path, state=_describe(metrics), count=len(missing))


def _line(value: Any, epoch_of: Callable[[int], int]) -> bytes:
    number = float(str(np.float32(value.value)))  # the shortest decimal, such as 0.1
    record = {"step": value.id, "epoch": epoch_of(value.id), "tag": value.tag, "value": number}
    return to_json({**record, "time": value.timestamp / 1000}).encode() + b"\n"


def _rebuild_log(log: _Log, metrics: _Log) -> str:
    kept = log.entries[: _n_agreeing(log, metrics)]
    missing = _finite(metrics)[sum(map(_is_scalar, kept)) :]
    log.path.parent.mkdir(exist_ok=True)
    write_bytes(log.path, b"".join(map(_records().encode_record, [*kept, *map(_record, missing)])))
    return _(
        "{file}: the log is not the one that the checkpoint counted; {kept} records were kept and {rebuilt} scalars "
        "rebuilt from metrics.jsonl; the texts and pictures among the missing records are lost"
    ).format(file=log.path, kept=len(kept), rebuilt=len(missing))


def _n_agreeing(log: _Log, metrics: _Log) -> int:
    """Return the number of records of a VisualDL log before the first scalar that differs from metrics.jsonl."""
    expected = iter(_scalars_of(metrics))
    for number, record in enumerate(log.entries):
        if _is_scalar(record) and _scalar(record) != next(expected, None):
            return number
    return len(log.entries)


def _record(record: Mapping[str, Any]) -> Any:
    return _records().make_scalar(record["step"], record["tag"], record["value"], record.get("time", 0))


def _records() -> ModuleType:
    from paddle_tasks.training.tracking import records  # imports VisualDL, which a run without its log may lack

    return records
