"""The n-gram model has the vocabulary, the characters and the metrics of the models beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.tasks.novel.mixing import best_weight, mixture_metrics
from paddle_tasks.tasks.novel.mixture import FittedMixture, Partner
from paddle_tasks.tasks.novel.ngrams import FittedNgrams, NgramSection
from paddle_tasks.workflows.baseline import baseline, load_config
from paddle_tasks.workflows.train import train
from paddle_tasks.workflows.verify import verify

from ..conftest import quick_config
from .test_task import build, read, score

DATA = {"train": [{"path": "a.txt"}], "dev": [{"path": "b.txt"}]}


def fit(task: Any, order: int) -> FittedNgrams:
    return FittedNgrams(task.splits["train"].examples, task.config.data, NgramSection(order=order), lambda _text: None)


@pytest.fixture(scope="module")
def task():
    return read()


def test_its_characters_are_those_of_a_model(task):
    ngrams = fit(task, 3)
    own, other = ngrams.score_characters(task.splits["dev"]), score(task, build(task))
    assert ngrams.vocabulary.entries == task.vocabulary.entries
    assert (own.texts.ids == other.texts.ids).all()
    assert own.n_unknown_types == other.n_unknown_types
    assert own.metrics().keys() == other.metrics().keys()


def test_longer_grams_know_train_better(task):
    losses = [fit(task, order).score_characters(task.splits["train"]).metrics()["loss"] for order in (1, 2, 4)]
    assert np.all(np.diff(losses) < -0.3)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    options = {"order": 3, "n_prompts": 4}
    return baseline(quick_config("novel"), options=options, run_dir=str(tmp_path_factory.mktemp("alone") / "run"))


def test_the_command_scores_the_held_out_chapters(alone):
    assert alone.result["status"] == "finished"
    assert alone.result["model"]["encoder"] == "kneser-ney"
    assert 10 < alone.result["test"]["perplexity"] < 3000
    assert set(alone.result["test"]["contexts"]) == {"1", "2"}
    assert "generated" not in alone.result["dev"]
    assert alone.result["test"]["generated"]["train"]["longest_copy"] >= 3


def test_it_can_be_verified_although_its_speed_differs(alone):
    assert verify(alone.folder).differences == []


def test_a_mixture_costs_what_the_probabilities_of_both_models_give(task):
    ngrams, model, dev = fit(task, 2), build(task), task.splits["dev"]
    mixture = FittedMixture(ngrams, Partner(task, model), dev, lambda _text: None)
    own, other = score(task, model), ngrams.score_characters(dev)
    assert mixture.weight == best_weight(own, other)
    mixture.weight = 0.25
    expected = mixture_metrics(own, other, 0.25)["mixture_loss"]
    assert mixture.evaluate(dev).metrics["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_command_mixes_a_trained_model_with_the_n_grams(tmp_path):
    config, options = quick_config("novel"), {"order": 1, "n_prompts": 2}
    settings = {"training": {"max_steps": 2}, "evaluation": {"n_continuations": 0}}
    trained = train(config, run_dir=str(tmp_path / "gpt"), **settings)
    mixed = baseline(config, options={**options, "mixture": str(trained.folder)}, run_dir=str(tmp_path / "mixture"))
    assert 0 < mixed.result["dev"]["causal_weight"] < 1
    assert mixed.result["model"]["encoder"] == "kneser-ney-mixture"
    assert mixed.result["model"]["parameters"] > trained.result["model"]["parameters"]
    assert set(mixed.result["test"]["generated"]) == {"held_out", "train", "original"}
    assert "generated" not in trained.result["test"]


def test_a_mixture_without_a_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"model\.mixture: .*nothing: holds no trained model"):
        baseline(quick_config("novel"), options={"mixture": str(tmp_path / "nothing")}, run_dir=str(tmp_path / "run"))


def test_a_mixture_is_named_so():
    with pytest.raises(ConfigError, match="expected the encoder kneser-ney-mixture exactly if mixture is given"):
        load_config({"task": "novel", "data": DATA, "model": {"encoder": "kneser-ney", "mixture": "runs/x"}})
