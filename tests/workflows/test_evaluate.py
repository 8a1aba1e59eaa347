"""`evaluate` from Python: shipped models, settings as a mapping, and how the result is displayed."""

from __future__ import annotations

import json

import pytest

from paddle_tasks.errors import ConfigError
from paddle_tasks.workflows.check_data import check_data
from paddle_tasks.workflows.evaluate import display_scores, evaluate

from ..helpers import table

COLUMNS = {"text": "review", "label": "label"}


@pytest.mark.parametrize("name", ["sentiment", "builtin/sentiment"])
def test_a_shipped_model_says_that_it_needs_data(name):
    with pytest.raises(ConfigError) as caught:
        evaluate(name)
    assert str(caught.value) == (
        f"{name}: ships without its train data; name the data to score with --data (in Python data=), for example:\n"
        f"  paddle-tasks evaluate {name} --data builtin/sentiment"
    )


def test_a_shipped_model_is_scored_on_a_file(tmp_path):
    file = table(tmp_path / "mine.csv", ("review", "stars"), ("太吵了", "0"), ("服务很好", "1"), separator=",")
    label_map = {"1": "positive", "0": "negative"}
    settings = {"data": {"columns": {**COLUMNS, "label": "stars"}, "label_map": label_map}}
    scores = evaluate("builtin/sentiment", data=file, settings=settings)
    assert (scores["rows"], scores["metrics"]["accuracy"]) == (2, 1.0)
    assert scores["not_deduplicated"] == "builtin/sentiment: ships without its train data"
    assert json.loads(json.dumps(scores)) == scores
    assert evaluate("builtin/sentiment", data=file, settings=scores["settings"]) == scores


def test_scores_are_displayed(finished):
    scores = evaluate(finished, split="dev")
    lines = [line[0].text for line in display_scores(scores, ("accuracy", "macro_f1", "nothing"))]
    assert lines[0].startswith(f"{finished}: dev, {scores['rows']} rows of ")
    assert [line.strip() for line in lines[1:]] == [
        f"{shown} {scores['metrics'][name]:.4f}" for shown, name in (("accuracy", "accuracy"), ("macro f1", "macro_f1"))
    ]
    assert f"accuracy {scores['metrics']['accuracy']:.4f}" in scores.to_html()


def test_a_data_report_is_displayed(tmp_path):
    file = table(tmp_path / "train.csv", ("review", "label"), ("太吵了", "0"), ("服务很好", "1"), separator=",")
    report = check_data("sentiment", {"train": file}, {"data.columns": COLUMNS})
    assert report["rows"] == {"train": 2}
    assert "2 rows" in report.to_html()
    assert report == check_data("sentiment", {"train": str(file)}, ["data.columns={text: review, label: label}"])
