"""What `train` returns: tables of scores, predictions and errors, and how a notebook shows it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from operator import methodcaller
from pathlib import Path

import pytest

from paddle_tasks.training.result import RunResult
from paddle_tasks.workflows.baseline import baseline
from paddle_tasks.workflows.run import Run
from paddle_tasks.workflows.train import train

html_of = methodcaller("_repr_html_")
"""What a notebook asks for."""


@pytest.fixture(scope="module")
def run(small_config, tmp_path_factory) -> Run:
    """A run with a baseline beside it."""
    config = small_config(tmp_path_factory.mktemp("runs"))
    done = train(config)
    baseline(config)
    return done


@pytest.fixture
def alone(run, tmp_path) -> Run:
    """A copy of the run without a baseline."""
    folder = tmp_path / "alone"
    shutil.copytree(run.folder, folder)
    return Run(folder, run.outcome)


def stored(run: Run, name: str) -> list[dict]:
    return [json.loads(line) for line in (run.folder / "predictions" / name).read_text(encoding="utf-8").splitlines()]


# ---- tables


def test_scores_have_a_row_for_each_metric_and_the_baseline_beside(run):
    scores, other = run.scores, run.baseline
    assert list(scores.columns) == ["dev", "dev baseline", "test", "test baseline"]
    assert scores.loc["accuracy"].to_dict() == {
        "dev": run.outcome.dev["accuracy"],
        "dev baseline": other.dev["accuracy"],
        "test": run.outcome.test["accuracy"],
        "test baseline": other.test["accuracy"],
    }
    assert "per_label" not in scores.index


def test_without_a_baseline_there_are_the_runs_own_scores(alone):
    assert alone.baseline is None
    assert list(alone.scores.columns) == ["dev", "test"]


@pytest.mark.parametrize(("split", "columns"), [("train", ["dev", "test"]), ("test", ["dev", "dev baseline", "test"])])
def test_a_baseline_of_other_data_is_not_beside(run, alone, split, columns):
    folder = alone.folder.with_name("alone-baseline")
    tree = run.baseline.to_json()
    tree["data"][split]["sha256"] = "0" * 64
    folder.mkdir()
    RunResult.model_validate(tree).write(folder)
    assert list(alone.scores.columns) == columns


def test_another_baseline_is_found_if_the_default_one_is_missing(run, alone):
    folder = alone.folder.with_name("alone-baseline-other")
    folder.mkdir()
    run.baseline.write(folder)
    assert alone.baseline == run.baseline


def test_a_damaged_baseline_is_left_out(alone):
    folder = alone.folder.with_name("alone-baseline")
    folder.mkdir()
    (folder / "result.json").write_text("{", encoding="utf-8")
    assert alone.baseline is None


def test_predictions_and_errors_are_those_of_the_files(run):
    predictions, errors = run.predictions, run.errors
    expected = [{"split": split, **record} for split in ("dev", "test") for record in stored(run, f"{split}.jsonl")]
    assert predictions.to_dict("records") == expected
    assert errors.to_dict("records") == stored(run, "errors.jsonl")
    assert len(predictions.query("predicted != gold")) == len(errors) > 0


def test_without_pandas_there_are_lists(run, monkeypatch):
    frames = run.scores, run.predictions
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run.scores[0] == {"metric": frames[0].index[0], **frames[0].iloc[0].to_dict()}
    assert run.predictions == frames[1].to_dict("records")
    assert run.errors == stored(run, "errors.jsonl")


def test_files_are_read_when_they_are_asked_for(run):
    lost = Run(Path("nowhere"), run.outcome)
    assert len(lost.errors) == len(lost.predictions) == 0
    assert lost.baseline is None


def test_a_run_without_scores_has_an_empty_table(run):
    tree = {name: value for name, value in run.result.items() if name not in ("dev", "test")}
    assert len(Run(Path("nowhere"), RunResult.model_validate(tree)).scores) == 0
    assert "sentiment: nowhere" in repr(Run(Path("nowhere"), RunResult.model_validate(tree)))


# ---- display


def test_a_run_is_a_short_table(run):
    lines = repr(run).splitlines()
    assert lines[0] == f"sentiment: {run.folder}"
    assert max(len(lines), 3) < 20
    cells = [line.split() for line in lines]
    assert ["model", "textcnn", "·", f"{run.outcome.model.parameters:,}", "parameters"] in cells
    assert ["dev", "dev", "baseline", "test", "test", "baseline"] in cells
    both = [run.outcome, run.baseline]
    accuracies = [f"{one.scores[split]['accuracy']:.4f}" for split in ("dev", "test") for one in both]
    assert ["accuracy", *accuracies] in cells
    assert "baseline: tfidf-char-svm" in lines


def test_a_notebook_shows_the_same_with_links(run, monkeypatch):
    monkeypatch.chdir(run.folder.parent)
    (run.folder / "figures").mkdir()
    (run.folder / "figures" / "curve.png").write_bytes(b"")
    shown = html_of(run)
    shutil.rmtree(run.folder / "figures")
    assert "tfidf-char-svm" in shown
    for name in ("run", "run/predictions/errors.jsonl", "run/figures/curve.png"):
        assert f'<a href="{name}"' in shown
    assert "figures" not in html_of(run)


def test_no_link_leads_outside_of_the_notebooks_folder(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "<a " not in html_of(run)


@pytest.mark.usefixtures("in_chinese")
def test_a_run_is_shown_in_chinese(run):
    assert "模型" in repr(run)
    assert "准确率" in repr(run)
    assert "dev" in run.scores.columns


def test_runs_are_equal_by_folder_and_result(run):
    assert Run(run.folder, run.outcome) == run
    assert Run(Path("other"), run.outcome) != run
