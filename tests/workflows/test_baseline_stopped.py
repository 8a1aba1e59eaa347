"""A baseline that is stopped by Ctrl-C leaves nothing half written, and the older run where it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from paddle_tasks.tasks.classification.tfidf import Classifier
from paddle_tasks.training.result import RunResult
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.tracking import read_metrics
from paddle_tasks.workflows.baseline import baseline
from tests.training.reading import metrics_points, visualdl_points

from .folders import folder_state
from .test_baseline import SCORES


@pytest.fixture
def fresh_config(small_config, tmp_path) -> dict[str, Any]:
    return small_config(tmp_path, logging={"visualdl": False})


def interrupt_in(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Callable[[], None]:
    """Let a method raise KeyboardInterrupt, and return a function that restores it."""
    original = getattr(owner, name)

    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, interrupt)
    return lambda: monkeypatch.setattr(owner, name, original)


def test_nothing_is_written_when_it_is_stopped_while_fitting(fresh_config, tmp_path, monkeypatch):
    restore = interrupt_in(monkeypatch, Classifier, "fit")
    with pytest.raises(KeyboardInterrupt):
        baseline(fresh_config)
    assert list(tmp_path.iterdir()) == []
    restore()
    baseline(fresh_config)
    before = folder_state(tmp_path)
    interrupt_in(monkeypatch, Classifier, "fit")
    with pytest.raises(KeyboardInterrupt):
        baseline(fresh_config, fresh=True)
    assert folder_state(tmp_path) == before, "the older run stays where it was"


@pytest.mark.parametrize(("owner", "name"), [(RunFolder, "write_predictions"), (RunResult, "write")])
def test_it_starts_anew_when_it_was_stopped_while_writing(small_config, tmp_path, monkeypatch, owner, name):
    config = small_config(tmp_path)
    restore = interrupt_in(monkeypatch, owner, name)
    with pytest.raises(KeyboardInterrupt):
        baseline(config)
    assert not (tmp_path / "run-baseline/result.json").exists()
    restore()
    folder = baseline(config).folder
    assert len(read_metrics(folder / "metrics.jsonl")) == 2 * (len(SCORES) + 2)  # and F1 by label
    assert visualdl_points(folder / "vdl") == metrics_points(folder / "metrics.jsonl")
