"""Mended logs: scalars are those of metrics.jsonl, originals are kept, and what is fine or in use is not touched."""

from __future__ import annotations

import fcntl
import random

import pytest

from paddle_tasks.reporting.vdl import repair as vdl_repair
from paddle_tasks.reporting.vdl.log import SCALAR, encode, read_log, salvage, scalar
from paddle_tasks.reporting.vdl.repair import repair_log, repair_logs, run_of, shown_log

from .logs import LOG, expected, flipped, frames, log_bytes, make_run, points, shown, write_metrics

WHOLE = log_bytes()
ASIDE = "damaged-{}-records.1700000000.log"


def others(data):
    return [entry for entry in salvage(data).entries if entry.kind != SCALAR]


def test_a_fine_log_is_not_touched(tmp_path):
    log = make_run(tmp_path / "run")
    before = log.stat().st_mtime_ns, log.read_bytes()
    report = repair_log(log)
    assert report.is_whole
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
    assert report.aside == log.with_name(ASIDE.format(1))
    assert report.aside.read_bytes() == cut
    assert log.stat().st_mode == report.aside.stat().st_mode
    assert repair_log(log).is_whole


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
        found = {entry.payload for entry in salvage(mended).entries}
        assert {entry.payload for entry in others(WHOLE) if entry.payload in before} <= found
        assert repair_log(log).is_whole
        assert log.read_bytes() == mended


def test_a_flipped_value_is_noticed_by_metrics_jsonl_alone(tmp_path):
    end = next(end for _, end, payload in frames(WHOLE) if b"train/loss" in payload)
    bad = flipped(WHOLE, end - 2, 1)
    assert salvage(bad).damages == ()
    log = make_run(tmp_path / "run", bad)
    report = repair_log(log)
    assert report.lines() == [
        f"{log}: its scalars are not those of metrics.jsonl",
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
    entries = list(salvage(WHOLE).entries)
    number = next(number for number, entry in enumerate(entries) if entry.kind == SCALAR)
    changed = change(entries[number])
    entries[number] = scalar(changed.step, changed.tag, changed.value, changed.time / 1000)
    log = make_run(tmp_path / "run", encode(entries))
    assert repair_log(log).mended.n_rebuilt == 33
    assert shown(log) == expected(points())


def test_a_tag_that_metrics_jsonl_does_not_have(tmp_path):
    log = make_run(tmp_path / "run", WHOLE + encode([scalar(1, "train/extra", 1.0, 1_700_000_000.0)]))
    assert repair_log(log).mended.n_rebuilt == 33
    assert shown(log) == expected(points())


def test_what_is_not_a_scalar_keeps_its_place(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-5])
    repair_log(log)
    steps = [entry.step for entry in read_log(log).entries if entry.kind != "meta_data"]
    assert steps == sorted(steps)
    assert read_log(log).entries[0].kind == "meta_data"


def test_two_damaged_logs_are_kept(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    first = repair_log(log)
    log.write_bytes(WHOLE[:-2])
    second = repair_log(log)
    assert [first.aside.name, second.aside.name] == [ASIDE.format(1), ASIDE.format(2)]
    assert first.aside.read_bytes() == WHOLE[:-1]
    assert second.aside.read_bytes() == WHOLE[:-2]
    assert shown_log(log.parent) == log
    assert not [path for path in log.parent.iterdir() if "vdlrecords" in path.name and path != log]


def test_without_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(vdl_repair.os, "link", refuse)
    log = make_run(tmp_path / "run", WHOLE[:-1])
    first = repair_log(log)
    log.write_bytes(WHOLE[:-2])
    second = repair_log(log)
    assert (first.aside.read_bytes(), second.aside.read_bytes()) == (WHOLE[:-1], WHOLE[:-2])
    assert shown(log) == expected(points())


def test_without_metrics_what_is_whole_is_kept(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    (tmp_path / "run" / "metrics.jsonl").unlink()
    report = repair_log(log)
    assert report.mended.n_rebuilt == 0
    assert log.read_bytes() == WHOLE[: frames(WHOLE)[-1][0]]


def test_a_damaged_metrics_file_is_not_used(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    metrics = tmp_path / "run" / "metrics.jsonl"
    metrics.write_text(metrics.read_text(encoding="utf-8").replace('"step": 3', '"step": "3"'), encoding="utf-8")
    report = repair_log(log)
    assert "metrics.jsonl:8 is damaged too and was not used" in report.lines()[1]
    assert log.read_bytes() == WHOLE[: frames(WHOLE)[-1][0]]


def test_the_last_line_of_metrics_may_be_half_there(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    with (tmp_path / "run" / "metrics.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"step": 9')
    repair_log(log)
    assert shown(log) == expected(points())


@pytest.mark.parametrize(
    ("status", "left"),
    [("interrupted", "is not finished"), ("failed", "is not finished"), (None, "is not finished"), ("finished", "")],
)
def test_a_run_that_training_would_go_on_with(tmp_path, status, left):
    log = make_run(tmp_path / "run", WHOLE[:-1], status)
    report = repair_log(log)
    assert left in report.left
    assert bool(report.left) == bool(left)
    assert (log.read_bytes() == WHOLE[:-1]) == bool(left)
    assert report.mended.n_rebuilt == 33


def test_a_run_that_is_being_trained(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    with (tmp_path / "run" / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        report = repair_log(log)
    assert report.left == "its run is being trained"
    assert log.read_bytes() == WHOLE[:-1]
    assert repair_log(log).left == ""


def test_a_log_of_another_program_that_grows_meanwhile(tmp_path, monkeypatch):
    log = tmp_path / LOG
    log.write_bytes(WHOLE[:-1])

    def slow_mend(*arguments, real=vdl_repair.mend):
        log.write_bytes(WHOLE)
        return real(*arguments)

    monkeypatch.setattr(vdl_repair, "mend", slow_mend)
    assert repair_log(log).left == "it is being written"
    assert log.read_bytes() == WHOLE


def test_a_log_of_another_program(tmp_path):
    log = tmp_path / "elsewhere" / LOG
    log.parent.mkdir()
    log.write_bytes(WHOLE[:-1])
    assert run_of(log) == log.parent
    repair_log(log)
    assert log.read_bytes() == WHOLE[: frames(WHOLE)[-1][0]]


def test_metrics_beyond_single_precision(tmp_path):
    log = make_run(tmp_path / "run", WHOLE[:-1])
    write_metrics(tmp_path / "run", [{"step": 1, "epoch": 1, "tag": "a", "value": 1e300, "time": 1.0}])
    repair_log(log)
    assert shown(log) == {"a": [(1, float("inf"))]}
    assert repair_log(log).is_whole
