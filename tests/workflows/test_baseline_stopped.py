"""A baseline that is stopped by Ctrl-C: nothing half done, and the older run stays where it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from paddle_tasks.tasks.classification.tfidf import Classifier
from paddle_tasks.training.tracking import read_metrics
from paddle_tasks.workflows.baseline import baseline
from paddle_tasks.workflows.run_folder import RunFolder
from tests.training.reading import metrics_points, visualdl_points

from .test_baseline import SCORES, state


@pytest.fixture
def fresh_config(small_config, tmp_path) -> dict[str, Any]:
    return small_config(tmp_path, logging={"visualdl": False})


def stopped_in(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> Callable[[], None]:
    """Have a method stop as by Ctrl-C, and return what puts it back."""
    original = getattr(owner, name)

    def stop(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, name, stop)
    return lambda: monkeypatch.setattr(owner, name, original)


def test_stopped_while_it_computes_it_has_written_nothing(fresh_config, tmp_path, monkeypatch):
    go_on = stopped_in(monkeypatch, Classifier, "fit")
    with pytest.raises(KeyboardInterrupt):
        baseline(fresh_config)
    assert list(tmp_path.iterdir()) == []
    go_on()
    baseline(fresh_config)
    before = state(tmp_path)
    stopped_in(monkeypatch, Classifier, "fit")
    with pytest.raises(KeyboardInterrupt):
        baseline(fresh_config, fresh=True)
    assert state(tmp_path) == before, "the older run stays where it was"


@pytest.mark.parametrize("where", ["write_predictions", "write_result"])
def test_stopped_while_it_writes_it_is_done_anew(small_config, tmp_path, monkeypatch, where):
    config = small_config(tmp_path)
    go_on = stopped_in(monkeypatch, RunFolder, where)
    with pytest.raises(KeyboardInterrupt):
        baseline(config)
    assert not (tmp_path / "run-baseline/result.json").exists()
    go_on()
    folder = baseline(config).folder
    assert len(read_metrics(folder / "metrics.jsonl")) == 2 * (len(SCORES) + 2)  # and F1 by label
    assert visualdl_points(folder / "vdl") == metrics_points(folder / "metrics.jsonl")
