"""Repaired logs: scalars come from metrics.jsonl, originals are kept, intact logs and logs in use stay as they are."""

from __future__ import annotations

import fcntl
import random

import pytest

from paddle_tasks.reporting.vdl import repair
from paddle_tasks.reporting.vdl.log import SCALAR, encode_log, make_scalar, parse_log, read_log
from paddle_tasks.reporting.vdl.repair import find_shown_log, repair_log, repair_logs, run_folder

from .logs import LOG, expected, flipped, frames, log_bytes, make_run, points, shown, write_metrics

WHOLE = log_bytes()
ASIDE = "damaged-{}-records.1700000000.log"


def others(data):
    return [record for record in parse_log(data).records if record.kind != SCALAR]


def test_a_fine_log_is_not_touched(tmp_path):
    log = make_run(tmp_path / "run")
    before = log.stat().st_mtime_ns, log.read_bytes()
    report = repair_log(log)
    assert report.is_intact
    assert report.lines() == []
    assert repair_logs([log]) == []
    assert log.read_bytes() == WHOLE
    assert (log.stat().st_mtime_ns, log.read_bytes()) == before
    assert [path.name for path in log.parent.iterdir()] == [LOG]


@pytest.mark.parametrize("n_bytes", [1, 7, 8, 9, 60, 200, len(WHOLE)])
def test_a_log_cut_short(tmp_path, n_bytes):
    cut = WHOLE[: len(WHOLE) - n_bytes]
    log = make_run(tmp_path / "run", cut)
    report = repair_log(log)
    assert shown(log) == expected(points())
    assert others(log.read_bytes()) == others(cut)
    assert report.backup == log.with_name(ASIDE.format(1))
    assert report.backup.read_bytes() == cut
    assert log.stat().st_mode == report.backup.stat().st_mode
    assert repair_log(log).is_intact


def test_200_flipped_bits(tmp_path):
    pick = random.Random(3)
    log = make_run(tmp_path / "run")
    spans = frames(WHOLE)
    for _ in range(200):
        position, bit = pick.randrange(len(WHOLE)), pick.randrange(8)
        bad = flipped(WHOLE, position, bit)
        log.write_bytes(bad)
        repair_log(log)
        mended = log.read_bytes()
        assert shown(log) == expected(points()), (position, bit)
        before = [payload for _, end, payload in spans if end <= position]
        found = {record.payload for record in parse_log(mended).records}
        assert {record.payload for record in others(WHOLE) if record.payload in before} <= found
        assert repair_log(log).is_intact
        assert log.read_bytes() == mended


def test_a_flipped_value_is_noticed_only_by_comparison_with_metrics_jsonl(tmp_path):
    end = next(end for _, end, payload in frames(WHOLE) if b"train/loss" in payload)
    bad = flipped(WHOLE, end - 2, 1)
    assert parse_log(bad).damages == ()
    log = make_run(tmp_path / "run", bad)
    report = repair_log(log)
    assert report.lines() == [
        f"{log}: its scalars differ from those in metrics.jsonl",
        f"  {len(frames(WHOLE))} records kept, 0 bytes lost, 33 scalars rebuilt from metrics.jsonl; "
        f"the original is now {ASIDE.format(1)}",
    ]
    assert shown(log) == expected(points())


@pytest.mark.parametrize(
    "change",
    [
        lambda point: point._replace(step=99),
        lambda point: point._replace(tag="train/lost"),
        lambda point: point._replace(value=7.0),
        lambda point: point._replace(time=point.time + 3_600_000),
    ],
)
def test_each_part_of_a_point_counts(tmp_path, change):
    records = list(parse_log(WHOLE).records)
    number = next(number for number, record in enumerate(records) if record.kind == SCALAR)
    changed = change(records[number])
    records[number] = make_scalar(changed.step, changed.tag, changed.value, changed.time / 1000)
    log = make_run(tmp_path / "run", encode_log(records))
    assert repair_log(log).repaired.n_rebuilt == 33
    assert shown(log) == expected(points())


def test_a_tag_that_metrics_jsonl_does_not_have(tmp_path):
    log = make_run(tmp_path / "run", WHOLE + encode_log([make_scalar(1, "train/extra", 1.0, 1_700_000_000.0)]))
    assert repair_log(log).repaired.n_rebuilt == 33
    assert shown(log) == expected(points())


def test_records_of_other_kinds_keep_their_order(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-5])
    repair_log(log)
    steps = [record.step for record in read_log(log).records if record.kind != "meta_data"]
    assert steps == sorted(steps)
    assert read_log(log).records[0].kind == "meta_data"


def test_two_damaged_logs_are_kept(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    first = repair_log(log)
    log.write_bytes(WHOLE[:-2])
    second = repair_log(log)
    assert [first.backup.name, second.backup.name] == [ASIDE.format(1), ASIDE.format(2)]
    assert first.backup.read_bytes() == WHOLE[:-1]
    assert second.backup.read_bytes() == WHOLE[:-2]
    assert find_shown_log(log.parent) == log
    assert not [path for path in log.parent.iterdir() if "vdlrecords" in path.name and path != log]


def test_without_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(repair.os, "link", refuse)
    log = make_run(tmp_path / "run", WHOLE[:-1])
    first = repair_log(log)
    log.write_bytes(WHOLE[:-2])
    second = repair_log(log)
    assert (first.backup.read_bytes(), second.backup.read_bytes()) == (WHOLE[:-1], WHOLE[:-2])
    assert shown(log) == expected(points())


def test_without_metrics_the_whole_records_are_kept(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    (tmp_path / "run" / "metrics.jsonl").unlink()
    report = repair_log(log)
    assert report.repaired.n_rebuilt == 0
    assert log.read_bytes() == WHOLE[: frames(WHOLE)[-1][0]]


def test_a_damaged_metrics_file_is_not_used(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    metrics = tmp_path / "run" / "metrics.jsonl"
    metrics.write_text(metrics.read_text(encoding="utf-8").replace('"step": 3', '"step": "3"'), encoding="utf-8")
    report = repair_log(log)
    assert "metrics.jsonl:8 is damaged too and was not used" in report.lines()[1]
    assert log.read_bytes() == WHOLE[: frames(WHOLE)[-1][0]]


def test_the_last_line_of_metrics_may_be_incomplete(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    with (tmp_path / "run" / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 9')
    repair_log(log)
    assert shown(log) == expected(points())


@pytest.mark.parametrize(
    ("status", "left"),
    [("interrupted", "is not finished"), ("failed", "is not finished"), (None, "is not finished"), ("finished", "")],
)
def test_the_log_of_a_run_that_training_would_continue_is_left(tmp_path, status, left):
    log = make_run(tmp_path / "run", WHOLE[:-1], status)
    report = repair_log(log)
    assert left in report.left_because
    assert bool(report.left_because) == bool(left)
    assert (log.read_bytes() == WHOLE[:-1]) == bool(left)
    assert report.repaired.n_rebuilt == 33


@pytest.mark.parametrize("content", ["{", "[]", '{"status": "finished"}'])
def test_a_result_that_cannot_be_read_is_none(tmp_path, content):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    (tmp_path / "run" / "result.json").write_text(content, encoding="utf-8")
    assert "is not finished" in repair_log(log).left_because
    (tmp_path / "run" / "checkpoints").rmdir()
    assert repair_log(log).left_because == ""


def test_a_run_that_is_being_trained(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    with (tmp_path / "run" / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        report = repair_log(log)
    assert report.left_because == "its run is being trained"
    assert log.read_bytes() == WHOLE[:-1]
    assert repair_log(log).left_because == ""


def test_a_log_of_another_program_that_grows_meanwhile(tmp_path, monkeypatch):
    log = tmp_path / LOG
    log.write_bytes(WHOLE[:-1])

    def slow_repair(*arguments, real=repair.repair_records):
        log.write_bytes(WHOLE)
        return real(*arguments)

    monkeypatch.setattr(repair, "repair_records", slow_repair)
    assert repair_log(log).left_because == "it is being written"
    assert log.read_bytes() == WHOLE


def test_a_log_of_another_program(tmp_path):
    log = tmp_path / "elsewhere" / LOG
    log.parent.mkdir()
    log.write_bytes(WHOLE[:-1])
    assert run_folder(log) == log.parent
    repair_log(log)
    assert log.read_bytes() == WHOLE[: frames(WHOLE)[-1][0]]


def test_metrics_beyond_single_precision(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    write_metrics(tmp_path / "run", [{"step": 1, "epoch": 1, "tag": "a", "value": 1e300, "time": 1.0}])
    repair_log(log)
    assert shown(log) == {"a": [(1, float("inf"))]}
    assert repair_log(log).is_intact
