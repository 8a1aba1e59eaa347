"""The records of a VisualDL log: which of them are whole, and what lies between them.

A log is a row of frames: the length of a record (8 bytes, little-endian) and the record, a `visualdl.proto.Record`.
There is no checksum, and VisualDL's server stops at the first record that it cannot read; so a record counts as whole
only when nothing about it is odd, and after damage the next whole one is looked for.
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

SCALAR, META = "value", "meta_data"  # the names of their fields in VisualDL's record_pb2
_HEADER = struct.Struct("<Q")
# A record starts with its field 1, and no length reaches 4 GB: what the end of a header and the start of a record are.
_SEAM, _SEAM_AT = b"\0\0\0\0\n", 4


class Entry(NamedTuple):
    """One whole record.

    Attributes:
        payload: its bytes, without the length.
        kind: which of VisualDL's values it holds, `SCALAR`, ``text``, ``image``, … by the name of its field.
        time: milliseconds since 1970.
        value: that of a scalar, as the single-precision number that it is; NaN for the other kinds.
    """

    payload: bytes
    kind: str
    tag: str
    step: int
    time: int
    value: float


@dataclass(frozen=True)
class Damage:
    """A stretch of bytes that belongs to no whole record."""

    start: int
    n_bytes: int
    reason: str


@dataclass(frozen=True)
class Salvage:
    """What a log holds: its whole records in order, and the damage between them."""

    entries: tuple[Entry, ...]
    damages: tuple[Damage, ...]

    @property
    def n_lost_bytes(self) -> int:
        """The bytes that belong to no whole record."""
        return sum(damage.n_bytes for damage in self.damages)


class _NotWholeError(Exception):
    """Says what is odd about a record."""


def salvage(data: bytes) -> Salvage:
    """Return the whole records of a log and where it is damaged; every record before the damage is among them."""
    entries: list[Entry] = []
    damages: list[Damage] = []
    kinds: dict[str, str] = {}
    for start, end, found in _pieces(data):
        if isinstance(found, Damage):
            damages.append(found)
        elif kinds.setdefault(tag_key(found.tag), found.kind) != found.kind:
            reason = f"the tag {found.tag!r} is that of another kind of record, {kinds[tag_key(found.tag)]}"
            damages.append(Damage(start, end - start, reason))
        else:
            entries.append(found)
    return Salvage(tuple(entries), tuple(damages))


def tag_key(tag: str) -> str:
    """Return what VisualDL's reader tells tags apart by."""
    return tag.replace("/", "%")


def read_log(path: Path) -> Salvage:
    """Return the whole records of a file and where it is damaged."""
    return salvage(path.read_bytes())


def encode(entries: Iterable[Entry]) -> bytes:
    """Return a log of these records."""
    return b"".join(_HEADER.pack(len(entry.payload)) + entry.payload for entry in entries)


def scalar(step: int, tag: str, value: float, seconds: float) -> Entry:
    """Return the record of one point, as VisualDL's writer would make it.

    Raises:
        ValueError, TypeError, OverflowError: one of them is not what a record can hold.
    """
    return _build(id=step, tag=tag.replace("%", "percent"), timestamp=int(seconds * 1000), value=value)


def meta(display_name: str, time: int) -> Entry:
    """Return the record by which a log names its run."""
    display = _record_type().MetaData(display_name=display_name)
    return _build(id=0, tag="meta_data_tag", timestamp=time, meta_data=display)


def _build(**fields: Any) -> Entry:
    record = _record_type()(values=[_record_type().Value(**fields)])
    return _told(record.values[0], record.SerializeToString())


@cache
def _record_type() -> Any:
    try:
        from visualdl.proto.record_pb2 import Record
    except Exception as error:  # broken installs raise more than ImportError
        raise SetupError(f"visualdl cannot be imported ({error}); run `paddle-tasks doctor`") from error
    return Record


def _pieces(data: bytes) -> Iterator[tuple[int, int, Entry | Damage]]:
    """Yield what a log consists of, from its first byte to its last: start, end, and a record or damage."""
    start, last = 0, None
    while start < len(data):
        try:
            entry, end = _frame(data, start)
        except _NotWholeError as error:
            if last and (across := _frame_across(data, last[0], start)):
                last, start = None, across[0]
                yield across[1].start, start, across[1]
                continue
            if last:
                yield last
            last = None
            mended = _with_another_length(data, start)
            end = mended[1] if mended else _next_frame(data, start + 1)
            yield start, end, Damage(start, _HEADER.size if mended else end - start, str(error))
            if mended:
                yield start, end, mended[0]
        else:
            if last:
                yield last
            last = start, end, entry
        start = end
    if last:
        yield last


def _frame_across(data: bytes, first: int, start: int) -> tuple[int, Damage] | None:
    """Return where records begin in the one before damage, when they go on behind it.

    Then that one lacks bytes, and took those of its neighbours for its own: of numbers or pixels any will do.
    """
    found = _next_frame(data, first + 1)
    while found < start:
        if _end_of_row(data, found, start) > start:
            return found, Damage(first, found - first, "a record that lacks some of its bytes")
        found = _next_frame(data, found + 1)
    return None


def _end_of_row(data: bytes, found: int, limit: int) -> int:
    """Return where the whole records end that follow one another, as far as they begin before the limit."""
    while found < limit:
        try:
            found = _frame(data, found)[1]
        except _NotWholeError:
            break
    return found


def _frame(data: bytes, start: int) -> tuple[Entry, int]:
    """Return the whole record whose length stands at ``start``, and where it ends."""
    body = start + _HEADER.size
    if body > len(data):
        raise _NotWholeError(f"the file ends after {len(data) - start} of the 8 bytes of a length")
    (length,) = _HEADER.unpack_from(data, start)
    if length > len(data) - body:
        raise _NotWholeError(f"a record of {length} bytes, and the file ends after {len(data) - body} of them")
    return _entry(data[body : body + length]), body + length


def _with_another_length(data: bytes, start: int) -> tuple[Entry, int] | None:
    """Return the record whose length alone is damaged: what it holds begins with a length too."""
    body = start + _HEADER.size
    end = _own_end(data, body)
    if end is None or end > len(data):
        return None
    try:
        entry = _entry(data[body:end])
        if end < len(data):
            _frame(data, end)
    except _NotWholeError:
        return None
    return entry, end


def _own_end(data: bytes, body: int) -> int | None:
    """Return where a record ends that has one value and begins at ``body``, by the value's own length."""
    if data[body : body + 1] != b"\n":
        return None
    length = 0
    for number, byte in enumerate(data[body + 1 : body + 6]):
        length |= (byte & 0x7F) << 7 * number
        if byte < 0x80:
            return body + 2 + number + length
    return None


def _next_frame(data: bytes, start: int) -> int:
    """Return where the next whole record begins, or the end."""
    seam = data.find(_SEAM, start + _SEAM_AT)
    while seam >= 0:
        found = seam - _SEAM_AT
        if _own_end(data, found + _HEADER.size) == found + _HEADER.size + _HEADER.unpack_from(data, found)[0]:
            try:
                _frame(data, found)
            except _NotWholeError:
                pass
            else:
                return found
        seam = data.find(_SEAM, seam + 1)
    return len(data)


@lru_cache(2**18)  # a log that grows is read again and again
def _entry(payload: bytes) -> Entry:
    try:
        record = _record_type().FromString(payload)
    except SetupError:
        raise
    except Exception as error:  # protobuf's DecodeError, a class of its own in each of its implementations
        raise _NotWholeError("a record that cannot be parsed") from error
    if len(record.values) != 1:
        raise _NotWholeError(f"a record with {len(record.values)} values, expected one")
    entry = _told(record.values[0], payload)
    if not entry.tag:
        raise _NotWholeError("a record without a tag")
    record.DiscardUnknownFields()  # which would be written again as they came
    if record.SerializeToString() != payload:
        raise _NotWholeError("a record with more than VisualDL writes")
    return entry


def _told(value: Any, payload: bytes) -> Entry:
    kind = value.WhichOneof("one_value")
    if kind is None:
        raise _NotWholeError("a record with a value of no known kind")
    return Entry(payload, kind, value.tag, value.id, value.timestamp, value.value if kind == SCALAR else math.nan)
