"""Reading damaged logs: every record before the damage is kept, nothing is made up, and nothing raises."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_tasks.reporting.vdl.log import encode, meta, salvage, scalar

from .logs import flipped, frames, log_bytes

WHOLE = log_bytes()
FRAMES = frames(WHOLE)


def payloads(data):
    return [entry.payload for entry in salvage(data).entries]


def test_a_whole_log():
    found = salvage(WHOLE)
    assert found.damages == ()
    assert [entry.payload for entry in found.entries] == [payload for _, _, payload in FRAMES]
    assert encode(found.entries) == WHOLE
    assert {entry.kind for entry in found.entries} == {"value", "text", "histogram", "image", "hparam", "meta_data"}


def test_a_record_is_told(tmp_path):
    entry = scalar(3, "dev/f1 in %", 0.1, 1.5)
    assert (entry.kind, entry.tag, entry.step, entry.time) == ("value", "dev/f1 in percent", 3, 1500)
    assert entry.value == struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert salvage(encode([entry])).entries == (entry,)
    assert salvage(encode([meta("a", 5)])).entries[0].payload == meta("a", 5).payload


def test_a_log_cut_short_anywhere():
    for length in range(len(WHOLE)):
        found = salvage(WHOLE[:length])
        fitting = [payload for _, end, payload in FRAMES if end <= length]
        assert [entry.payload for entry in found.entries] == fitting
        whole = max((end for _, end, _ in FRAMES if end <= length), default=0)
        assert [(damage.start, damage.n_bytes) for damage in found.damages] == [(whole, length - whole)] * (
            whole < length
        )


def test_1_to_200_bytes_cut_out_of_the_middle():
    pick = random.Random(1)
    for n_bytes in range(1, 201):
        at = pick.randrange(len(WHOLE) - n_bytes)
        kept = payloads(WHOLE[:at] + WHOLE[at + n_bytes :])
        before = [payload for _, end, payload in FRAMES if end <= at]
        behind = [payload for start, _, payload in FRAMES if start >= at + n_bytes]
        assert kept[: len(before)] == before
        assert kept[len(kept) - len(behind) :] == behind
        assert len(kept) <= len(before) + len(behind) + 1  # where only a length is gone, its record is found


def test_every_flipped_bit_costs_one_record_at_most():
    pick = random.Random(2)
    for _ in range(600):
        position, bit = pick.randrange(len(WHOLE)), pick.randrange(8)
        hit = next(number for number, (_, end, _) in enumerate(FRAMES) if position < end)
        kept = payloads(flipped(WHOLE, position, bit))
        others = [payload for number, (_, _, payload) in enumerate(FRAMES) if number != hit]
        assert kept[:hit] == others[:hit], (position, bit)
        assert kept[-(len(others) - hit) :] == others[hit:] or hit == len(others), (position, bit)
        assert len(kept) - len(others) in (0, 1)


@pytest.mark.parametrize("bit", range(8))
def test_a_damaged_length_costs_nothing(bit):
    for start, _, _ in FRAMES:
        found = salvage(flipped(WHOLE, start + bit % 3, bit))
        assert encode(found.entries) == WHOLE
        assert [(damage.start, damage.n_bytes) for damage in found.damages] == [(start, 8)]


def without_value(tag):
    from visualdl.proto.record_pb2 import Record

    return Record(values=[Record.Value(tag=tag)]).SerializeToString()


def two_values():
    from visualdl.proto.record_pb2 import Record

    return Record(values=[Record.Value(tag="a", value=1.0)] * 2).SerializeToString()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "a record with 0 values, expected one"),
        (two_values(), "a record with 2 values, expected one"),
        (without_value("a"), "a record with a value of no known kind"),
        (scalar(1, "", 1.0, 0).payload, "a record without a tag"),
        (scalar(1, "a", 1.0, 0).payload + b"\x18\x01", "a record with more than VisualDL writes"),
        (b"\x0a\x7f", "a record that cannot be parsed"),
    ],
)
def test_what_is_not_whole(payload, reason):
    good = encode([scalar(1, "train/loss", 0.5, 0)])
    found = salvage(good + struct.pack("<Q", len(payload)) + payload + good)
    assert encode(found.entries) == good * 2
    assert [(damage.start, damage.n_bytes, damage.reason) for damage in found.damages] == [
        (len(good), 8 + len(payload), reason)
    ]


def test_a_tag_has_one_kind():
    # VisualDL's server stops for good at a text under the tag of a scalar.
    text = next(entry for entry in salvage(WHOLE).entries if entry.kind == "text")
    point = scalar(1, text.tag, 1.0, 0)
    found = salvage(encode([text, point, text]))
    assert found.entries == (text, text)
    assert "is that of another kind" in found.damages[0].reason


def test_a_file_of_zeros():
    found = salvage(bytes(5_000))
    assert found.entries == ()
    assert found.n_lost_bytes == 5_000


pieces = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([WHOLE[start:end] for start, end, _ in FRAMES]),
        st.sampled_from([WHOLE[start + 3 : end] for start, end, _ in FRAMES]),
        st.sampled_from([b"\0\0\0\0\n", bytes(8), struct.pack("<Q", 2**64 - 1)]),
    ),
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(pieces)
def test_any_bytes(found):
    data = b"".join(found)
    salvaged = salvage(data)
    assert [salvage(encode([entry])).damages for entry in salvaged.entries] == [()] * len(salvaged.entries)
    assert all(entry.payload in data for entry in salvaged.entries)
    end = 0
    for damage in salvaged.damages:
        assert end <= damage.start < damage.start + damage.n_bytes <= len(data)
        end = damage.start + damage.n_bytes
    again = salvage(encode(salvaged.entries))
    assert (again.entries, again.damages) == (salvaged.entries, ())
