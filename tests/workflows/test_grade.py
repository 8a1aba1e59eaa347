"""`grade`: the scores of a run's own predictions, and what is wrong with a submission."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from paddle_tasks import evaluate, tasks, train
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.pipelines import load_layer
from paddle_tasks.workflows.grade import grade, write_leaderboard

from ..helpers import ROOT

GOLD = "label\ttext\npositive\t很好\nnegative\t很差\nnegative\t太吵\npositive\t干净\n"
RIGHT = ["positive", "negative", "negative", "positive"]


@pytest.fixture
def gold(tmp_path) -> Path:
    path = tmp_path / "gold.tsv"
    path.write_text(GOLD, encoding="utf-8")
    return path


def write(path: Path, records: list[object]) -> Path:
    path.write_text("".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records), encoding="utf-8")
    return path


def labels(*names: str) -> list[object]:
    return [{"label": name} for name in names]


# ---- the scores of runs


@pytest.fixture(scope="module", params=tasks.names())
def finished(request, tmp_path_factory):
    """A short run of each task."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    steps = {"training.max_steps": 2, "logging.visualdl": False}
    return train(ROOT / "configs" / "quick" / f"{request.param}.yaml", run_dir=folder, **steps)


@pytest.mark.long
def test_grades_are_the_scores_of_a_run(finished):
    """Of the run's own predictions, by the run that they lie in; only what the records hold is scored."""
    source = str(finished.result["data"]["test"]["path"])
    submission, stored = finished.folder / "predictions" / "test.jsonl", finished.result["test"]
    if finished.result["task"] == "novel":  # the run scores some chapters of the books, and a file is read whole
        predictor = load_layer(finished.folder, device="cpu")
        evaluation = predictor.task.evaluate(predictor.model, predictor.task.read_answers(source), lambda: None)
        submission, stored = (
            write(submission.with_name("whole.jsonl"), list(evaluation.predictions)),
            evaluation.metrics,
        )
    found = grade(submission, source)
    assert found["task"] == finished.result["task"]
    assert found["metrics"]
    for name, value in found["metrics"].items():
        if isinstance(value, int | float):
            assert value == pytest.approx(stored[name], abs=1e-6), name


def test_a_shipped_model_names_labels_and_layout(tmp_path, gold):
    found = grade(write(tmp_path / "a.jsonl", labels(*RIGHT)), gold, task="sentiment")
    assert (found["task"], found["metrics"]["accuracy"]) == ("sentiment", 1)
    assert evaluate("builtin/sentiment", data=gold)["rows"] == found["rows"] == 4


# ---- which task


def test_without_a_task_every_one_that_reads_both_files_is_named(tmp_path, gold):
    found = grade(write(tmp_path / "a.jsonl", labels("positive", "negative", "positive", "positive")), gold)
    assert found["task"] == "long_text, news, sentiment"
    assert found["metrics"]["accuracy"] == 0.75
    assert found["main_metric"] == "accuracy"


def test_files_that_no_task_reads_are_refused_with_each_reason(tmp_path, gold):
    with pytest.raises(DataError, match=r"no task reads it(?s:.*)sentiment: .*a\.jsonl:1: the label None"):
        grade(write(tmp_path / "a.jsonl", [{"answer": 1}] * 4), gold)


def test_an_unknown_task_is_refused_with_the_nearest_one(tmp_path, gold):
    with pytest.raises(ConfigError, match=r"--task sentimnt: no task.*; did you mean 'sentiment'"):
        grade(write(tmp_path / "a.jsonl", labels(*RIGHT)), gold, task="sentimnt")


# ---- what is wrong with a submission


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"label": "positive"}', "{", "", ""], r"a\.jsonl:2: not JSON \(.*\); expected an object"),
        (['{"label": "positive"}', '["negative"]'], r"a\.jsonl:2: expected a JSON object, found \"\['negative'\]\""),
        (['{"label": "positive"}'] * 3, r"expected a record for each of the 4 rows .*, found 3"),
        (
            ['{"label": "positive"}', "", '{"label": "negativ"}', *['{"label": "positive"}'] * 2],
            r"a\.jsonl:3: the label 'negativ' is unknown; did you mean 'negative'",
        ),
        (
            ['{"label": "positive", "text": "很好"}', '{"label": "positive", "text": "太吵"}', *["{}"] * 2],
            r"a\.jsonl:2: the text '太吵' is not that of row 2 of the answers, '很差'",
        ),
        (["[" * 100_000, "{}"], r"a\.jsonl:1: not JSON"),
    ],
)
def test_a_bad_line_is_named(tmp_path, gold, lines, message):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        grade(path, gold, task="sentiment")


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path, gold):
    with pytest.raises(DataError, match=r"none\.jsonl: cannot be read \(No such file"):
        grade(tmp_path / "none.jsonl", gold, task="news")
    (tmp_path / "b.jsonl").write_bytes(b'{"label": "\xff"}')
    with pytest.raises(DataError, match=r"b\.jsonl: not UTF-8 text at byte 11"):
        grade(tmp_path / "b.jsonl", gold, task="news")


def test_the_layout_of_the_answers_can_be_given(tmp_path):
    gold = tmp_path / "gold.csv"
    gold.write_text("评论,类别\n很好,1\n很差,0\n", encoding="gb18030")
    settings = ["data.columns={text: 评论, label: 类别}", "data.encoding=gb18030"]
    submission = write(tmp_path / "a.jsonl", labels("1", "1"))
    assert grade(submission, gold, task="sentiment", settings=settings)["metrics"]["accuracy"] == 0.5


# ---- the leaderboard


def test_the_leaderboard_has_the_best_first_and_equal_ranks(tmp_path, gold):
    answers = {"a": ["positive"] * 4, "b": RIGHT, "c": ["negative"] * 4}
    graded = [
        grade(write(tmp_path / f"{name}.jsonl", labels(*given)), gold, task="news") for name, given in answers.items()
    ]
    write_leaderboard(tmp_path / "board.csv", graded)
    rows = list(csv.DictReader((tmp_path / "board.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert [(row["rank"], Path(row["submission"]).stem, row["accuracy"]) for row in rows] == [
        ("1", "b", "1.0"),
        ("2", "a", "0.5"),
        ("2", "c", "0.5"),
    ]


def test_a_metric_that_is_better_if_lower_is_ranked_so(tmp_path, gold):
    found = grade(write(tmp_path / "a.jsonl", labels(*RIGHT)), gold, task="sentiment")
    graded = [
        {**found, "submission": name, "main_metric": "loss", "metrics": {"loss": loss}}
        for name, loss in (("worse", 0.9), ("better", 0.1))
    ]
    write_leaderboard(tmp_path / "board.csv", graded)
    lines = (tmp_path / "board.csv").read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == ["better", "worse"]
