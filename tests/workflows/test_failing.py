"""A run whose loss is not finite, and one that is interrupted: the message, the checkpoints and result.json."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest

from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.errors import NonFiniteError
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.training.loop import StepReport
from paddle_tasks.training.tracking import read_metrics
from paddle_tasks.workflows.train import train

from .snapshot import differing, snapshot
from .test_train import MAX_LENGTH, rows_of


def make_loss_nan(monkeypatch, call: int) -> None:
    """Make the loss of a batch, counted from 1, NaN."""
    original, calls = SentimentTask.loss, itertools.count(1)

    def loss(self: SentimentTask, model: Any, batch: Any) -> Any:
        value, count = original(self, model, batch)
        return (value * math.nan if next(calls) == call else value), count

    monkeypatch.setattr(SentimentTask, "loss", loss)


def test_stopping_names_the_rows_and_ends_the_run_as_failed(small_config, tmp_path, monkeypatch):
    config = small_config(tmp_path, training={"save_every_steps": 1, "keep_checkpoints": 9})
    make_loss_nan(monkeypatch, 8)
    with pytest.raises(NonFiniteError, match="step 8: loss nan") as caught:
        train(config)
    sampler = LengthGroupedBatchSampler([min(len(text) + 2, MAX_LENGTH) for _, text in rows_of("train")], 4, seed=1)
    sampler.set_epoch(1)
    assert f"counted from 0: {sampler.batches()[1]}." in str(caught.value)
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert (result["status"], result["train"]["optimizer_steps"]) == ("failed", 7)
    assert "dev" not in result
    assert (tmp_path / "run/checkpoints/latest").read_text() == "step-00000007\n"


def test_a_failed_run_can_be_continued(small_config, finished, tmp_path):
    config = small_config(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        make_loss_nan(patch, 8)
        with pytest.raises(NonFiniteError):
            train(config)
    assert differing(snapshot(train(config).folder), snapshot(finished)) == set()


def test_skipped_steps_are_counted_and_not_logged(small_config, tmp_path, monkeypatch):
    make_loss_nan(monkeypatch, 8)
    run = train(small_config(tmp_path, training={"on_nonfinite": "skip"}))
    assert (run.result["status"], run.result["train"]["skipped_steps"]) == ("finished", 1)
    steps = [r["step"] for r in read_metrics(run.folder / "metrics.jsonl") if r["tag"] == "train/loss"]
    assert steps == [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12]


def test_the_result_of_an_interrupted_run_says_so(small_config, tmp_path):
    def interrupt(event: Any) -> None:
        if isinstance(event, StepReport):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small_config(tmp_path), observe=interrupt)
    assert json.loads((tmp_path / "run/result.json").read_text())["status"] == "interrupted"
