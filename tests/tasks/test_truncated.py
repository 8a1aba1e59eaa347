"""A record is marked if the model reads only a part of its text, and only then."""

from __future__ import annotations

from typing import Any

import pytest

from paddle_tasks import load, pipeline
from paddle_tasks.workflows.train import train

from .conftest import fixture_of, quick_config, sources

LENGTH = 12
"""Tokens of an input, with [CLS] and [SEP]."""


@pytest.fixture(scope="module")
def predict(tmp_path_factory):
    """Return a function that trains a task for one step with inputs of 12 tokens, and returns a predictor."""
    trained: dict[tuple[Any, ...], Any] = {}

    def make(name: str, **settings: Any) -> Any:
        key = (name, *settings.items())
        if key not in trained:
            folder = tmp_path_factory.mktemp("truncated") / "run"
            small = {"training.max_length": LENGTH, "training.max_steps": 1, "logging.visualdl": False}
            config = quick_config(name)
            trained[key] = load(train(config, run_dir=folder, **sources(fixture_of(name)), **small, **settings).folder)
        return trained[key]

    return make


def is_truncated(predictor: Any, *texts: str) -> list[bool]:
    return ["truncated" in record for record in predictor(list(texts))]


@pytest.mark.parametrize("name", ["sentiment", "news"])
def test_a_text_of_more_tokens_than_are_read(predict, name):
    assert is_truncated(predict(name), "好" * 10, "好" * 11, "好", "好" * 500) == [False, True, False, True]
    assert predict(name)("好" * 11)["truncated"] is True


def test_the_rest_of_the_text_changes_nothing(predict):
    short, long = predict("sentiment")(["好" * 10, "好" * 10 + "差" * 50])
    assert long["probabilities"] == pytest.approx(short["probabilities"], abs=1e-6)


@pytest.mark.parametrize("truncation", ["head", "tail", "head_tail"])
def test_truncation_of_long_texts(predict, truncation):
    predictor = predict("long_text", **{"data.truncation": truncation})
    assert is_truncated(predictor, "好" * 10, "好" * 11) == [False, True]


def test_windows_of_long_texts(predict):
    windows = {"data.truncation": "windows", "data.window_overlap": 2}
    # Three windows of 10 tokens; the second and the third begin with the last 2 tokens of the one before.
    predictor = predict("long_text", **windows, **{"data.max_windows": 3})
    assert is_truncated(predictor, "好" * 11, "好" * 26, "好" * 27) == [False, False, True]
    predictor = predict("long_text", **windows, **{"data.max_windows": None})
    assert is_truncated(predictor, "好" * 1000) == [False]


@pytest.mark.parametrize(("kind", "expected"), [("cross", [False, True, True]), ("bi", [False, False, True])])
def test_pairs(predict, kind, expected):
    predictor = predict("similarity", **{"model.kind": kind})
    pairs = ["好" * 4 + "\t" + "差" * 5, "好" * 5 + "\t" + "差" * 5, "好" * 11 + "\t差"]
    assert is_truncated(predictor, *pairs) == expected


def test_opinions_are_read_whole(predict):
    predictor = predict("opinion", **{"data.window_overlap": 2})
    assert is_truncated(predictor, "房间干净" * 200) == [False]


def test_the_context_of_masks():
    fill_mask = pipeline("fill-mask")
    assert is_truncated(fill_mask, "今天天气真[MASK]。", "好" * 2000 + "[MASK]") == [False, True]
