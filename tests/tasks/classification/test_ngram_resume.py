"""A run with n-grams that was stopped and resumed equals one that was not, its n-grams and their weight included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.tasks.classification import task as classifier

from ..resuming import (
    INTERRUPTIONS,
    interrupt,
    resume,
    test_a_resumed_run_equals_an_uninterrupted_one,
    test_a_run_with_another_seed_differs,
    uninterrupted,
)

__all__ = ["test_a_resumed_run_equals_an_uninterrupted_one", "test_a_run_with_another_seed_differs", "uninterrupted"]


@pytest.fixture(scope="module")
def resumable(small_config):
    def make(folder: Path) -> dict[str, Any]:
        training = {"epochs": 2, "batch_size": 8, "save_every_steps": 2, "calibrate": True}
        return {**small_config(folder, model={"ngrams": {"min_df": 1}}, training=training), "seed": 3}

    return make


def test_there_are_ngrams_to_compare(uninterrupted):
    (ngrams,) = uninterrupted["n-grams"]
    assert ngrams.keys() == {"text", "sizes", "idf", "weight", "bias"}
    assert uninterrupted["scores"]["dev"]["ngram_weight"] > 0


def test_the_ngrams_of_a_resumed_run_are_those_of_its_checkpoint(resumable, uninterrupted, tmp_path, monkeypatch):
    """Another processor would fit slightly different ones."""
    config = resumable(tmp_path)
    interrupt(config, INTERRUPTIONS["signal in mid-epoch"])
    fit = classifier.fit_ngrams

    def fit_otherwise(*arguments):
        model = fit(*arguments)
        model.weight = model.weight + 1
        return model

    monkeypatch.setattr(classifier, "fit_ngrams", fit_otherwise)
    resumed, _notes = resume(config)
    assert resumed["n-grams"] == uninterrupted["n-grams"]
    assert resumed["scores"] == uninterrupted["scores"]
