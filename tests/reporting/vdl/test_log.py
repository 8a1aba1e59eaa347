"""Reading damaged logs: every record before the damage is kept, nothing is made up, and nothing raises."""

from __future__ import annotations

import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_tasks.reporting.vdl.log import encode_log, make_meta, make_scalar, parse_log
from paddle_tasks.reporting.vdl.scalars import read_metrics_file
from paddle_tasks.training.tracking import read_metrics

from ...fuzzing import damaged, examples
from .logs import flipped, frames, log_bytes

WHOLE = log_bytes()
FRAMES = frames(WHOLE)


def payloads(data):
    return [record.payload for record in parse_log(data).records]


def test_a_whole_log():
    content = parse_log(WHOLE)
    assert content.damages == ()
    assert [record.payload for record in content.records] == [payload for _, _, payload in FRAMES]
    assert encode_log(content.records) == WHOLE
    assert {record.kind for record in content.records} == {"value", "text", "histogram", "image", "hparam", "meta_data"}


def test_a_record_is_parsed_as_it_was_made():
    record = make_scalar(3, "dev/f1 in %", 0.1, 1.5)
    assert (record.kind, record.tag, record.step, record.time) == ("value", "dev/f1 in percent", 3, 1500)
    assert record.value == struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert parse_log(encode_log([record])).records == (record,)
    assert parse_log(encode_log([make_meta("a", 5)])).records[0].payload == make_meta("a", 5).payload


def test_a_log_cut_short_anywhere():
    for length in range(len(WHOLE)):
        content = parse_log(WHOLE[:length])
        fitting = [payload for _, end, payload in FRAMES if end <= length]
        assert [record.payload for record in content.records] == fitting
        whole = max((end for _, end, _ in FRAMES if end <= length), default=0)
        assert [(damage.start, damage.n_bytes) for damage in content.damages] == [(whole, length - whole)] * (
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
        content = parse_log(flipped(WHOLE, start + bit % 3, bit))
        assert encode_log(content.records) == WHOLE
        assert [(damage.start, damage.n_bytes) for damage in content.damages] == [(start, 8)]


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
        (make_scalar(1, "", 1.0, 0).payload, "a record without a tag"),
        (make_scalar(1, "a", 1.0, 0).payload + b"\x18\x01", "a record with more than VisualDL writes"),
        (b"\x0a\x7f", "a record that cannot be parsed"),
    ],
)
def test_records_that_are_not_whole(payload, reason):
    good = encode_log([make_scalar(1, "train/loss", 0.5, 0)])
    content = parse_log(good + struct.pack("<Q", len(payload)) + payload + good)
    assert encode_log(content.records) == good * 2
    assert [(damage.start, damage.n_bytes, damage.reason) for damage in content.damages] == [
        (len(good), 8 + len(payload), reason)
    ]


def test_a_tag_has_one_kind():
    # VisualDL's server stops for good at a text under the tag of a scalar.
    text = next(record for record in parse_log(WHOLE).records if record.kind == "text")
    point = make_scalar(1, text.tag, 1.0, 0)
    content = parse_log(encode_log([text, point, text]))
    assert content.records == (text, text)
    assert "belongs to another kind" in content.damages[0].reason


def test_a_file_of_zeros():
    content = parse_log(bytes(5_000))
    assert content.records == ()
    assert content.n_lost_bytes == 5_000


parts = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from([WHOLE[start:end] for start, end, _ in FRAMES]),
        st.sampled_from([WHOLE[start + 3 : end] for start, end, _ in FRAMES]),
        st.sampled_from([b"\0\0\0\0\n", bytes(8), struct.pack("<Q", 2**64 - 1)]),
    ),
    max_size=8,
)


@settings(max_examples=300, deadline=None)
@given(parts)
def test_any_bytes(parts):
    data = b"".join(parts)
    content = parse_log(data)
    assert [parse_log(encode_log([record])).damages for record in content.records] == [()] * len(content.records)
    assert all(record.payload in data for record in content.records)
    end = 0
    for damage in content.damages:
        assert end <= damage.start < damage.start + damage.n_bytes <= len(data)
        end = damage.start + damage.n_bytes
    again = parse_log(encode_log(content.records))
    assert (again.records, again.damages) == (content.records, ())


# ---- fuzzing


@examples(100)
@given(content=damaged(WHOLE))
def test_any_damage_of_a_log_leaves_records(content):
    found = parse_log(content)
    assert sum(len(record.payload) for record in found.records) <= len(content)


METRICS = b'{"step": 1, "epoch": 1, "tag": "train/loss", "value": 0.5, "time": 1700000000.0}\n' * 3


@examples(100)
@given(content=damaged(METRICS))
def test_any_damage_of_metrics_leaves_records(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "metrics.jsonl"
    path.write_bytes(content)
    read_metrics_file(path)
    assert all({"step", "tag", "value"} <= record.keys() for record in read_metrics(path))
