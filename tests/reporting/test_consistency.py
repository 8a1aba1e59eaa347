"""Whether predictions give the scores of result.json, and the remark of the report."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from paddle_tasks.reporting.consistency import find_contradiction
from paddle_tasks.reporting.entries import read_entries
from paddle_tasks.reporting.report import report

from ..helpers import ROOT
from .folders import tables

STORED = ROOT / "tests" / "stored"
LABELLED = [
    {"gold": "0", "predicted": "0", "loss": 0.1},
    {"gold": "1", "predicted": "1", "loss": 0.2},
    {"gold": "1", "predicted": "0", "loss": 1.2},
    {"gold": "0", "predicted": "1", "loss": 0.9},
]
SCORES = {"accuracy": 0.5, "loss": 0.6, "precision": 0.5, "recall": 0.5, "f1": 0.5, "per_label": {"0": {}, "1": {}}}
SPAN = {"start": 0, "end": 2, "label": "aspect"}
OTHER = {"start": 0, "end": 3, "label": "aspect"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, ""),
        ({"accuracy": 0.50001}, "accuracy 0.5000, but 0.5000 by its predictions"),
        ({"accuracy": 0.75}, "accuracy 0.7500, but 0.5000 by its predictions"),
        ({"loss": 0.5}, "loss 0.5000, but 0.6000 by its predictions"),
        ({"f1": 0.9}, "f1 0.9000, but 0.5000 by its predictions"),
        ({"macro_f1": 0.9}, ""),
    ],
)
def test_scores_of_labels(changed, message):
    assert find_contradiction(LABELLED, {**SCORES, **changed}, 4) == message


def test_missing_predictions():
    assert find_contradiction(LABELLED, SCORES, 5) == "4 predictions of 5 rows"
    assert find_contradiction([], SCORES, 5) == ""


def test_scores_of_spans():
    records = [{"gold": [SPAN], "predicted": [SPAN, OTHER]}, {"gold": [], "predicted": []}]
    assert find_contradiction(records, {"precision": 0.5, "recall": 1.0, "f1": 2 / 3}, 2) == ""
    assert find_contradiction(records, {"f1": 0.7}, 2) == "f1 0.7000, but 0.6667 by its predictions"
    assert find_contradiction([{"gold": [SPAN], "predicted": []}], {"f1": 0.0}, 1) == ""


def test_scores_of_hidden_tokens():
    records = [{"gold": ["一", "二"], "predicted": ["一", "三"]}, {"gold": ["四"], "predicted": ["四"]}]
    assert find_contradiction(records, {"accuracy": 2 / 3}, 1) == ""
    assert find_contradiction(records, {"accuracy": 1.0}, 1) == "accuracy 1.0000, but 0.6667 by its predictions"


TEXTS = [
    {"gold": "甲乙丙", "predicted": "甲乙丁", "loss": 2.0},
    {"gold": "戊", "predicted": "己", "loss": 6.0},
    {"gold": "", "predicted": "", "loss": 0.0},
]
TEXT_SCORES = {"accuracy": 0.5, "loss": 3.0, "perplexity": math.exp(3.0)}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, ""),
        ({"mixture_loss": 1.0}, ""),
        ({"accuracy": 0.0}, "accuracy 0.0000, but 0.5000 by its predictions"),
        ({"loss": 4.0}, "loss 4.0000, but 3.0000 by its predictions"),
        ({"perplexity": 20.0}, "perplexity 20.0000, but 20.0855 by its predictions"),
    ],
)
def test_scores_of_the_characters_of_texts(changed, message):
    assert find_contradiction(TEXTS, {**TEXT_SCORES, **changed}, 3) == message


def test_texts_that_hold_no_scores():
    assert find_contradiction(TEXTS, TEXT_SCORES, 4) == "3 predictions of 4 rows"
    assert find_contradiction([{**TEXTS[0], "predicted": "甲"}], TEXT_SCORES, 1) == ""
    assert find_contradiction(TEXTS[2:], TEXT_SCORES, 1) == ""


@pytest.mark.parametrize(
    "records", [[{"text": "好"}], [{"gold": 1, "predicted": 2}], [{"gold": ["一"], "predicted": []}]]
)
def test_records_that_hold_no_scores(records):
    assert find_contradiction(records, {"accuracy": 0.5}, 1) == ""


def remarks(*folders: Path) -> list[str]:
    return [entry.remark for entry in read_entries(folders)]


@pytest.mark.parametrize("name", ["baseline", "long_text", "news", "opinion", "pretrain", "sentiment", "similarity"])
def test_runs_of_every_task_agree(name):
    assert remarks(STORED / name / "finished") == [""]


def test_a_changed_result_is_marked_in_the_table(tmp_path):
    run = shutil.copytree(STORED / "sentiment" / "finished", tmp_path / "run")
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    accuracy = result["test"]["accuracy"]
    result["test"]["accuracy"] = 0.9912
    (run / "result.json").write_text(json.dumps(result), encoding="utf-8")
    expected = f"(test accuracy 0.9912, but {accuracy:.4f} by its predictions)"
    assert remarks(run) == [f"**scores do not agree with predictions** {expected}"]
    (row,) = tables(report([run]).markdown)[0]
    assert row["remark"] == remarks(run)[0]


def test_changed_predictions_are_marked(tmp_path):
    run = shutil.copytree(STORED / "news" / "finished", tmp_path / "run")
    lines = (run / "predictions" / "dev.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (run / "predictions" / "dev.jsonl").write_text("".join(lines[1:]), encoding="utf-8")
    assert f"dev {len(lines) - 1} predictions of {len(lines)} rows" in remarks(run)[0]
