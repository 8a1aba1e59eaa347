"""The copies that VisualDL's server reads: whole whatever the logs are like, growing with them, without doubles."""

from __future__ import annotations

import json
import os

import pytest

from paddle_tasks.reporting.vdl.live_copy import COPY_NAME, GRAPH_NAME, LiveCopy, find_sources
from paddle_tasks.reporting.vdl.log import META, read_log

from .logs import GRAPH, LOG, expected, frames, log_bytes, make_run, points, shown, write_metrics

WHOLE = log_bytes()


@pytest.fixture
def runs(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def copy(runs, tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    return LiveCopy(runs, folder)


def copied(tmp_path, name="one"):
    return tmp_path / "copies" / name / COPY_NAME


def kinds(path):
    return sorted(record.kind for record in read_log(path).records)


def test_names(runs):
    make_run(runs / "one")
    make_run(runs / "sweep" / "seed-1")
    (runs / "elsewhere").mkdir()
    (runs / "elsewhere" / "vdlrecords.1.log").write_bytes(WHOLE)
    (runs / "without").mkdir()
    write_metrics(runs / "without", points())
    (runs / ".hidden.tmp" / "vdl").mkdir(parents=True)
    (runs / ".hidden.tmp" / "vdl" / LOG).write_bytes(WHOLE)
    (runs / "empty" / "vdl").mkdir(parents=True)
    (runs / "loop").symlink_to(runs)
    assert sorted(find_sources(runs)) == ["elsewhere", "one", "sweep/seed-1", "without"]
    assert list(find_sources(runs / "one")) == list(find_sources(runs / "one" / "vdl")) == ["one"]
    assert list(find_sources(runs / "elsewhere")) == ["elsewhere"]


def test_a_folder_and_its_vdl_both_with_logs(runs):
    log = make_run(runs / "one")
    (runs / "one" / "vdlrecords.1.log").write_bytes(log.read_bytes())
    assert sorted(find_sources(runs)) == ["one", "one/vdl"]


def test_the_last_named_log_of_a_folder(runs):
    log = make_run(runs / "one")
    later = log.with_name("vdlrecords.1800000000.log")
    later.write_bytes(WHOLE)
    log.with_name(f".{LOG}.x.tmp").write_bytes(b"")
    assert find_sources(runs)["one"].log == later


def test_a_copy_has_every_record_and_the_name(runs, copy, tmp_path):
    make_run(runs / "one")
    assert copy.update()
    records = read_log(copied(tmp_path)).records
    assert b"one" in records[0].payload
    assert [record.payload for record in records[1:]] == [payload for _, _, payload in frames(WHOLE)[1:]]
    assert [record.kind for record in records].count(META) == 1


def test_a_run_in_training_is_followed(runs, copy, tmp_path):
    log = make_run(runs / "one", b"", status=None)
    (runs / "one" / "metrics.jsonl").write_text("", encoding="utf-8")
    grown = []
    lines = points()
    for length in range(0, len(WHOLE) + 1, 97):
        log.write_bytes(WHOLE[:length])  # most of these end inside a record
        write_metrics(runs / "one", lines[: len(lines) * length // len(WHOLE)])
        assert copy.update()
        data = copied(tmp_path).read_bytes()
        assert read_log(copied(tmp_path)).damages == ()
        assert not grown or data.startswith(grown[-1])
        grown.append(data)
    log.write_bytes(WHOLE)
    write_metrics(runs / "one", lines)
    copy.update()
    assert shown(copied(tmp_path)) == expected(lines)
    assert kinds(copied(tmp_path)) == kinds(log)
    assert log.read_bytes() == WHOLE


def test_a_run_that_continues_from_a_checkpoint(runs, copy, tmp_path):
    log = make_run(runs / "one", status="interrupted")
    lines = points()
    copy.update()
    for length, n_lines in ((300, 5), (900, 20), (len(WHOLE), len(lines))):
        log.write_bytes(WHOLE[:length])
        write_metrics(runs / "one", lines[:n_lines])
        assert copy.update()
    further = {"step": 50, "epoch": 2, "tag": "train/loss", "value": 0.25, "time": 1_700_000_100.0}
    write_metrics(runs / "one", [*lines, further])
    copy.update()
    assert shown(copied(tmp_path)) == expected([*lines, further])
    assert kinds(copied(tmp_path)) == sorted([*kinds(log), "value"])


def test_nothing_new_writes_nothing(runs, copy, tmp_path):
    make_run(runs / "one")
    copy.update()
    before = copied(tmp_path).stat()
    os.utime(runs / "one" / "metrics.jsonl")
    copy.update()
    copy.update()
    assert copied(tmp_path).stat() == before


def test_a_run_without_a_log_is_shown_from_its_metrics(runs, copy, tmp_path):
    (runs / "one").mkdir()
    write_metrics(runs / "one", points())
    copy.update()
    assert shown(copied(tmp_path)) == expected(points())
    (runs / "one" / "vdl").mkdir()
    (runs / "one" / "vdl" / LOG).write_bytes(WHOLE)  # the first records come a second later than the first lines
    assert copy.update()
    assert kinds(copied(tmp_path)) == kinds(runs / "one" / "vdl" / LOG)


def test_runs_that_come_and_go(runs, copy):
    log = make_run(runs / "one")
    assert copy.update()
    make_run(runs / "two")
    assert copy.update()
    assert copy.n_runs == 2
    (runs / "two").rename(runs / "two.1")
    assert not copy.update()
    (runs / "two.1").rename(runs / "two")
    assert copy.update()
    log.rename(log.with_name("vdlrecords.1900000000.log"))  # --fresh
    assert not copy.update()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (json.dumps(GRAPH), None),
        (json.dumps(GRAPH)[:-3], "JSONDecodeError"),
        (json.dumps(GRAPH).replace("nodes", "nodfs", 1), "KeyError"),
        ("[]", "TypeError"),
        ("\x00\xff", "JSONDecodeError"),
    ],
)
def test_graphs(runs, copy, tmp_path, text, fault):
    log = make_run(runs / "one")
    graph = log.with_name("vdlgraph.1.log")
    graph.write_text(text, encoding="utf-8")
    assert copy.update()
    assert copied(tmp_path).with_name(GRAPH_NAME).exists() == (fault is None)
    assert list(copy.unreadable) == ([] if fault is None else [graph])
    assert fault is None or fault in copy.unreadable[graph]
    assert shown(copied(tmp_path)) == expected(points())


def test_a_log_that_cannot_be_read_leaves_the_others(runs, copy, tmp_path, monkeypatch):
    log = make_run(runs / "bad")
    make_run(runs / "one")
    real = type(log).read_bytes

    def refuse(path):
        if path == log:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(type(log), "read_bytes", refuse)
    assert copy.update()
    assert "Permission denied" in copy.unreadable[log]
    assert shown(copied(tmp_path)) == expected(points())
