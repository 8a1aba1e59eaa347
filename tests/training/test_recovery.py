"""A log that is shorter than its checkpoint says is rebuilt from the other one, or refused."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_tasks.errors import CheckpointError
from paddle_tasks.training.tracking import open_tracker, read_metrics, restore_positions

from .reading import metrics_points, visualdl_points

STEPS_PER_EPOCH = 3


def epoch_of(step: int) -> int:
    return math.ceil(step / STEPS_PER_EPOCH)


def write(folder: Path, steps: range, positions: dict[str, int] | None = None) -> dict[str, int]:
    """Log the steps and return the positions after the last one."""
    with open_tracker(folder, visualdl=True, positions=positions) as tracker:
        for step in steps:
            values = {"train/loss": step / 7, "dev/50 %": 0.1, "dev/loss": math.nan if step == 2 else 1 / step}
            tracker.write_scalars(step, epoch_of(step), values)
            tracker.write_texts(step, {"dev/review": "甲" * step})
        return tracker.positions()


@pytest.fixture
def positions(tmp_path) -> dict[str, int]:
    """Log six steps in ``tmp_path`` and return the positions after them; a copy is in ``whole``."""
    positions = write(tmp_path, range(1, 7))
    shutil.copytree(tmp_path / "vdl", tmp_path / "whole/vdl")
    shutil.copy(tmp_path / "metrics.jsonl", tmp_path / "whole")
    return positions


def restore(folder: Path, positions: dict[str, int], *, visualdl: bool = True) -> list[str]:
    return restore_positions(folder, positions, visualdl=visualdl, epoch_of=epoch_of)


def log_of(folder: Path) -> Path:
    (log,) = (folder / "vdl").glob("vdlrecords.*.log")
    return log


def rows(file: Path) -> list[tuple[Any, ...]]:
    """Return step, epoch, tag and single-precision value of the finite records."""
    return [
        (record["step"], record["epoch"], record["tag"].replace("%", "percent"), np.float32(record["value"]))
        for record in read_metrics(file)
        if math.isfinite(record["value"])
    ]


def test_whole_logs_are_left_alone(tmp_path, positions):
    before = (tmp_path / "metrics.jsonl").read_bytes(), log_of(tmp_path).read_bytes()
    assert restore(tmp_path, positions) == []
    write(tmp_path, range(7, 9), positions)  # which a crash left behind the checkpoint
    assert restore(tmp_path, positions) == []
    assert (tmp_path / "metrics.jsonl").read_bytes().startswith(before[0])
    assert log_of(tmp_path).read_bytes().startswith(before[1])


def remove(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def cut(part: float) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(file.read_bytes()[: int(part * file.stat().st_size)])


def cut_one_byte(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def spoil_a_line(file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    lines[4] = b"x" * (len(lines[4]) - 1) + b"\n"
    file.write_bytes(b"".join(lines))


def grow_again(file: Path) -> None:
    """Lose the start of the file, as when it was deleted and another process went on writing."""
    content = file.read_bytes()
    file.write_bytes(content[len(content) // 3 :] + content)


LOSSES = {
    "removed": remove,
    "empty": empty,
    "cut in a line": cut(0.4),
    "cut in the last line": cut_one_byte,
    "grown again": grow_again,
}


@pytest.mark.parametrize("lose", [*LOSSES.values(), spoil_a_line], ids=[*LOSSES, "a damaged line"])
def test_metrics_are_rebuilt_from_the_visualdl_log(tmp_path, positions, lose):
    metrics = tmp_path / "metrics.jsonl"
    lose(metrics)
    (note,) = restore(tmp_path, positions)
    assert "rebuilt from the VisualDL log" in note
    assert rows(metrics) == rows(tmp_path / "whole/metrics.jsonl")
    assert [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()], "every line is JSON"
    assert metrics.stat().st_size == positions["metrics"], "the same checkpoint may be continued again"
    assert restore(tmp_path, positions) == []
    write(tmp_path, range(7, 9), positions)
    assert visualdl_points(tmp_path / "vdl").keys() == {"train/loss", "dev/50 percent", "dev/loss"}
    assert [row for row in rows(metrics) if row[2] == "train/loss"][-1][:2] == (8, 3)


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_the_visualdl_log_is_rebuilt_from_the_metrics(tmp_path, positions, lose):
    lose(log_of(tmp_path))
    (note,) = restore(tmp_path, positions)
    assert "rebuilt from metrics.jsonl" in note
    finite = {
        tag.replace("%", "percent"): [point for point in points if math.isfinite(point[1])]
        for tag, points in metrics_points(tmp_path / "metrics.jsonl").items()
    }
    assert visualdl_points(tmp_path / "vdl") == finite
    write(tmp_path, range(7, 9), positions)
    assert [step for step, _ in visualdl_points(tmp_path / "vdl")["train/loss"]] == list(range(1, 9))


def test_a_rebuilt_log_that_grew_is_rebuilt_again(tmp_path, positions):
    """The process crashes before its next checkpoint, so that the old one is continued once more."""
    cut(0.4)(log_of(tmp_path))
    for _ in range(2):
        restore(tmp_path, positions)
        write(tmp_path, range(7, 12), positions)
        assert [step for step, _ in visualdl_points(tmp_path / "vdl")["train/loss"]] == list(range(1, 12))


def test_it_is_refused_when_both_are_shorter(tmp_path, positions):
    cut(0.4)(log_of(tmp_path))
    (tmp_path / "metrics.jsonl").unlink()
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl: no such file, and no VisualDL log .* --fresh"):
        restore(tmp_path, positions)


def test_it_is_refused_without_a_visualdl_log(tmp_path, positions):
    cut(0.4)(tmp_path / "metrics.jsonl")
    del positions["visualdl"]
    with pytest.raises(CheckpointError, match="holds 7 whole records, fewer than the checkpoint counted"):
        restore(tmp_path, positions, visualdl=False)


def test_logs_of_different_runs_are_refused(tmp_path, positions):
    metrics = tmp_path / "metrics.jsonl"
    cut(0.4)(metrics)
    metrics.write_bytes(metrics.read_bytes().replace(b"train/loss", b"train/cost"))
    with pytest.raises(CheckpointError, match="--fresh"):
        restore(tmp_path, positions)
