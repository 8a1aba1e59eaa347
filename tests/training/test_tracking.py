"""metrics.jsonl and VisualDL hold the same points, are truncated on resuming, and survive unusual values."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from paddle_tasks.training.tracking import open_tracker, read_metrics

from .reading import metrics_points, visualdl_points, visualdl_texts


def write(folder, steps, positions=None, values=None):
    """Log each step and return the positions after it."""
    found = []
    with open_tracker(folder, visualdl=True, positions=positions) as tracker:
        for step in steps:
            tracker.write_scalars(step, 1, values or {"train/loss": step / 3, "dev/f1": 0.1})
            found.append(tracker.positions())
    return found


def test_a_record_has_the_keys_of_the_contract(tmp_path):
    write(tmp_path, [7], values={"train/loss": 1 / 3})
    (record,) = read_metrics(tmp_path / "metrics.jsonl")
    assert list(record) == ["step", "epoch", "tag", "value", "time"]
    assert (record["step"], record["epoch"], record["tag"], record["value"]) == (7, 1, "train/loss", 1 / 3)


def test_both_logs_hold_the_same_points(tmp_path):
    write(tmp_path, range(1, 6))
    points = visualdl_points(tmp_path / "vdl")
    assert points == metrics_points(tmp_path / "metrics.jsonl")
    assert [step for step, _ in points["train/loss"]] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("kept", [0, 2, 5])
def test_resuming_truncates_both_logs_and_continues_in_the_same_file(tmp_path, kept):
    positions = write(tmp_path, range(1, 6))
    write(tmp_path, range(kept + 1, 8), positions=positions[kept - 1] if kept else None)
    points = visualdl_points(tmp_path / "vdl")  # which fails if there is more than one file
    assert points == metrics_points(tmp_path / "metrics.jsonl")
    assert points["train/loss"] == [(step, float(np.float32(step / 3))) for step in range(1, 8)]


def test_positions_equal_the_sizes_on_disk_while_the_log_is_open(tmp_path):
    with open_tracker(tmp_path, visualdl=True) as tracker:
        tracker.write_scalars(1, 1, {"train/loss": 0.5})
        positions = tracker.positions()
        assert visualdl_points(tmp_path / "vdl") == metrics_points(tmp_path / "metrics.jsonl") != {}
        (log,) = (tmp_path / "vdl").iterdir()
        sizes = {"metrics": (tmp_path / "metrics.jsonl").stat().st_size, "visualdl": log.stat().st_size}
        assert positions == sizes


def test_a_log_that_lost_its_end_is_not_padded_with_zeros(tmp_path):
    (positions,) = write(tmp_path, [1])
    file = tmp_path / "metrics.jsonl"
    file.write_text(file.read_text().splitlines(keepends=True)[0])
    write(tmp_path, [2], positions=positions)
    assert [record["step"] for record in read_metrics(file)] == [1, 2, 2]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_break_neither_log(tmp_path, value):
    with open_tracker(tmp_path, visualdl=True) as tracker:
        tracker.write_scalars(1, 1, {"dev/loss": value, "dev/f1": 0.5})
        tracker.write_scalars(2, 1, {"dev/loss": 0.25, "dev/f1": 0.5})
    assert visualdl_points(tmp_path / "vdl") == {"dev/loss": [(2, 0.25)], "dev/f1": [(1, 0.5), (2, 0.5)]}
    assert math.isnan(read_metrics(tmp_path / "metrics.jsonl")[0]["value"])
    first, *_ = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["value"] is None, "NaN and Infinity are not JSON"


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_the_words_that_older_versions_wrote_are_read(tmp_path, word):
    file = tmp_path / "metrics.jsonl"
    file.write_text(f'{{"step": 1, "epoch": 1, "tag": "dev/loss", "value": {word}, "time": 0}}\n', encoding="utf-8")
    (record,) = read_metrics(file)
    assert not math.isfinite(record["value"])


def test_a_percent_sign_in_a_tag(tmp_path):
    write(tmp_path, [1], values={"dev/top 5 %": 0.5})
    assert visualdl_points(tmp_path / "vdl") == {"dev/top 5 percent": [(1, 0.5)]}
    assert metrics_points(tmp_path / "metrics.jsonl") == {"dev/top 5 %": [(1, 0.5)]}


def test_without_visualdl_there_is_only_the_file(tmp_path):
    with open_tracker(tmp_path, visualdl=False) as tracker:
        tracker.write_scalars(1, 1, {"dev/f1": 0.5})
        assert list(tracker.positions()) == ["metrics"]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_texts_are_written_to_visualdl_and_truncated_with_it(tmp_path):
    for positions in (None, {"metrics": 0, "visualdl": 0}):
        with open_tracker(tmp_path, visualdl=True, positions=positions) as tracker:
            tracker.write_texts(3, {"dev/review_1": "【房间｜aspect】😀 很大", "dev/50%": "甲"})
            kept = tracker.positions()
    with open_tracker(tmp_path, visualdl=True, positions=kept) as tracker:
        tracker.write_texts(4, {"dev/review_1": "乙"})
    assert visualdl_texts(tmp_path / "vdl") == {
        "dev/review_1": [(3, "【房间｜aspect】😀 很大"), (4, "乙")],
        "dev/50percent": [(3, "甲")],
    }
    assert read_metrics(tmp_path / "metrics.jsonl") == []
