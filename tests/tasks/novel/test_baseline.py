"""The n-gram twin has the vocabulary, the characters and the metrics of the models beside it."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.tasks.novel.baseline import NgramTwin
from paddle_tasks.workflows.baseline import baseline

from ..conftest import quick_config
from .test_task import build, read, score


@pytest.fixture(scope="module")
def task():
    return read()


def test_its_characters_are_those_of_a_model(task):
    twin = NgramTwin.fit(task.splits["train"].examples, task.config.data, order=3)
    own, other = twin.score(task.splits["dev"].examples), score(task, build(task))
    assert twin.vocabulary.entries == task.vocabulary.entries
    assert (own.texts.ids == other.texts.ids).all()
    assert own.n_unknown_types == other.n_unknown_types
    assert own.metrics().keys() == other.metrics().keys()


def test_longer_grams_know_train_better(task):
    chapters = task.splits["train"].examples
    losses = [NgramTwin.fit(chapters, task.config.data, order).score(chapters).metrics()["loss"] for order in (1, 2, 4)]
    assert np.all(np.diff(losses) < -0.3)


def test_the_command_scores_the_held_out_chapters(tmp_path):
    run = baseline(quick_config("novel"), options={"order": 3}, run_dir=str(tmp_path / "run"))
    assert run.result["status"] == "finished"
    assert 10 < run.result["test"]["perplexity"] < 3000
    assert run.result["model"]["encoder"] == "kneser-ney"
