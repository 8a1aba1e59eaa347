"""Read and build the records of a VisualDL log, and find its damaged parts.

A log is a sequence of frames. A frame is the length of a record (8 bytes, little-endian) and the record, a
`visualdl.proto.Record`. There is no checksum, and VisualDL's server stops at the first record that it cannot read. So a
record counts as whole only when nothing about it is unusual, and after damage the next whole record is searched for.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from paddle_tasks.errors import SetupError
from paddle_tasks.language import _

SCALAR, META = "value", "meta_data"  # names of fields in VisualDL's record_pb2
_LENGTH = struct.Struct("<Q")
# The end of a length and the start of a record: no record has 4 GB, so the upper 4 bytes of its length are zero, and
# its first byte is the tag of field 1.
_BOUNDARY, _BOUNDARY_OFFSET = b"\0\0\0\0\n", 4


class LogRecord(NamedTuple):
    """One whole record.

    Attributes:
        payload: its bytes, without the length.
        kind: the name of VisualDL's field for its value: `SCALAR`, `META`, ``text``, ``image``, …
        tag: the tag, in VisualDL's spelling.
        step: the step.
        time: milliseconds since 1970.
        value: the single-precision number of a scalar; NaN for other kinds.
    """

    payload: bytes
    kind: str
    tag: str
    step: int
    time: int
    value: float


@dataclass(frozen=True)
class Damage:
    """A range of bytes that belongs to no whole record."""

    start: int
    n_bytes: int
    reason: str


@dataclass(frozen=True)
class LogContent:
    """The whole records of a log in order, and the damage between them."""

    records: tuple[LogRecord, ...]
    damages: tuple[Damage, ...]

    @property
    def n_lost_bytes(self) -> int:
        """The number of bytes that belong to no whole record."""
        return sum(damage.n_bytes for damage in self.damages)


class _DamagedRecordError(Exception):
    """Says why a record is not whole."""


def read_log(path: Path) -> LogContent:
    """Return the whole records of a file and its damaged parts."""
    return parse_log(path.read_bytes())


def parse_log(data: bytes) -> LogContent:
    """Return the whole records of a log and its damaged parts; every record before the damage is kept.

    A record whose tag belongs to another kind of record counts as damage: VisualDL's server stops there.
    """
    records: list[LogRecord] = []
    damages: list[Damage] = []
    kinds: dict[str, str] = {}
    for start, end, part in _split(data):
        if isinstance(part, Damage):
            damages.append(part)
        elif kinds.setdefault(tag_key(part.tag), part.kind) != part.kind:
            reason = _("the tag {tag!r} belongs to another kind of record, {kind}").format(
                tag=part.tag, kind=kinds[tag_key(part.tag)]
            )
            damages.append(Damage(start, end - start, reason))
        else:
            records.append(part)
    return LogContent(tuple(records), tuple(damages))


def tag_key(tag: str) -> str:
    """Return the form of a tag that VisualDL's reader compares."""
    return tag.replace("/", "%")


def encode_log(records: Iterable[LogRecord]) -> bytes:
    """Return a log of these records."""
    return b"".join(_LENGTH.pack(len(record.payload)) + record.payload for record in records)


def make_scalar(step: int, tag: str, value: float, seconds: float) -> LogRecord:
    """Return the record of one scalar, as VisualDL's writer would make it; ``seconds`` count from 1970.

    Raises:
        ValueError, TypeError, OverflowError: a record cannot hold one of the arguments.
    """
    return _build(id=step, tag=tag.replace("%", "percent"), timestamp=int(seconds * 1000), value=value)


def make_meta(display_name: str, time: int) -> LogRecord:
    """Return the record with the name of the run; ``time`` is in milliseconds since 1970."""
    meta_data = _record_type().MetaData(display_name=display_name)
    return _build(id=0, tag="meta_data_tag", timestamp=time, meta_data=meta_data)


def _build(**fields: Any) -> LogRecord:
    record = _record_type()(values=[_record_type().Value(**fields)])
    return _from_value(record.values[0], record.SerializeToString())


@cache
def _record_type() -> Any:
    try:
        from visualdl.proto.record_pb2 import Record
    except Exception as error:  # broken installs raise more than ImportError
        problem = _("visualdl cannot be imported ({error}); run `paddle-tasks doctor`").format(error=error)
        raise SetupError(problem) from error
    return Record


# ---- frames


def _split(data: bytes) -> Iterator[tuple[int, int, LogRecord | Damage]]:
    """Yield the consecutive parts of a log: start, end, and the record or damage between them.

    A record is yielded only when the part behind it is known: damage there may have begun inside the record.
    """
    start, pending = 0, None
    while start < len(data):
        try:
            record, end = _read_frame(data, start)
        except _DamagedRecordError as error:
            if pending and (truncated := _find_truncated(data, pending[0], start)):
                pending, start = None, truncated.start + truncated.n_bytes
                yield truncated.start, start, truncated
                continue
            if pending:
                yield pending
            pending = None
            relengthed = _read_by_inner_length(data, start)
            end = relengthed[1] if relengthed else _find_frame(data, start + 1)
            yield start, end, Damage(start, _LENGTH.size if relengthed else end - start, str(error))
            if relengthed:
                yield start, end, relengthed[0]
        else:
            if pending:
                yield pending
            pending = start, end, record
        start = end
    if pending:
        yield pending


def _find_truncated(data: bytes, first: int, damaged: int) -> Damage | None:
    """Return the damage of a record that lacks some of its bytes and took the start of the next records instead.

    Such a record can look whole: any bytes are valid numbers or pixels. It is recognised by records inside it that
    continue beyond its end.

    Args:
        data: the log.
        first: offset of the frame of the suspected record.
        damaged: offset at which that frame ends and no frame can be read.
    """
    start = _find_frame(data, first + 1)
    while start < damaged:
        if _end_of_frames(data, start, damaged) > damaged:
            return Damage(first, start - first, _("a record that lacks some of its bytes"))
        start = _find_frame(data, start + 1)
    return None


def _end_of_frames(data: bytes, start: int, limit: int) -> int:
    """Return the end of the last of the consecutive whole records that start before ``limit``."""
    while start < limit:
        try:
            start = _read_frame(data, start)[1]
        except _DamagedRecordError:
            break
    return start


def _read_frame(data: bytes, start: int) -> tuple[LogRecord, int]:
    """Return the whole record of the frame at ``start``, and the offset of its end."""
    body = start + _LENGTH.size
    if body > len(data):
        problem = _("the file ends after {count} of the 8 bytes of a length")
        raise _DamagedRecordError(problem.format(count=len(data) - start))
    (length,) = _LENGTH.unpack_from(data, start)
    if length > len(data) - body:
        problem = _("a record of {length} bytes, but the file ends after {count} of them")
        raise _DamagedRecordError(problem.format(length=length, count=len(data) - body))
    return _parse_record(data[body : body + length]), body + length


def _read_by_inner_length(data: bytes, start: int) -> tuple[LogRecord, int] | None:
    """Return the record of a frame whose length is damaged and nothing else, by the length inside the record."""
    body = start + _LENGTH.size
    end = _end_by_inner_length(data, body)
    if end is None or end > len(data):
        return None
    try:
        record = _parse_record(data[body:end])
        if end < len(data):
            _read_frame(data, end)
    except _DamagedRecordError:
        return None
    return record, end


def _end_by_inner_length(data: bytes, body: int) -> int | None:
    """Return the end of the record at ``body`` by the length of its one value: field 1 and a varint of 5 bytes at most.

    None when no such field starts there.
    """
    if data[body : body + 1] != b"\n":
        return None
    length = 0
    for index, byte in enumerate(data[body + 1 : body + 6]):
        length |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return body + 2 + index + length
    return None


def _find_frame(data: bytes, start: int) -> int:
    """Return the offset of the first frame with a whole record from ``start`` on, or the end of the data."""
    boundary = data.find(_BOUNDARY, start + _BOUNDARY_OFFSET)
    while boundary >= 0:
        frame = boundary - _BOUNDARY_OFFSET
        body = frame + _LENGTH.size
        if _end_by_inner_length(data, body) == body + _LENGTH.unpack_from(data, frame)[0]:
            try:
                _read_frame(data, frame)
            except _DamagedRecordError:
                pass
            else:
                return frame
        boundary = data.find(_BOUNDARY, boundary + 1)
    return len(data)


# ---- records


@lru_cache(2**18)  # a log that grows is read again and again
def _parse_record(payload: bytes) -> LogRecord:
    try:
        record = _record_type().FromString(payload)
    except SetupError:
        raise
    except Exception as error:  # DecodeError, which is another class in each implementation of protobuf
        raise _DamagedRecordError(_("a record that cannot be parsed")) from error
    if len(record.values) != 1:
        raise _DamagedRecordError(_("a record with {count} values, expected one").format(count=len(record.values)))
    parsed = _from_value(record.values[0], payload)
    if not parsed.tag:
        raise _DamagedRecordError(_("a record without a tag"))
    record.DiscardUnknownFields()  # they would be serialised unchanged
    if record.SerializeToString() != payload:
        raise _DamagedRecordError(_("a record with more than VisualDL writes"))
    return parsed


def _from_value(value: Any, payload: bytes) -> LogRecord:
    kind = value.WhichOneof("one_value")
    if kind is None:
        raise _DamagedRecordError(_("a record with a value of no known kind"))
    number = value.value if kind == SCALAR else math.nan
    return LogRecord(payload, kind, value.tag, value.id, value.timestamp, number)
