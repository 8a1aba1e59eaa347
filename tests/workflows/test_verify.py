"""`verify`: stored runs agree with what is recomputed, and every change of a file is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.errors import CheckpointError, DataError
from paddle_tasks.workflows.verify import Verification, describe, verify

from ..helpers import ROOT, CommandLine

STORED = ROOT / "tests" / "stored"


@pytest.fixture(autouse=True)
def _in_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)  # the paths of the data in the stored configurations start here


@pytest.fixture
def run(tmp_path) -> Path:
    """Return a copy of a finished run."""
    return shutil.copytree(STORED / "sentiment" / "finished", tmp_path / "run")


@pytest.fixture
def cli(capsys, monkeypatch) -> CommandLine:
    return CommandLine(capsys, monkeypatch)


def change_result(run: Path, change: Callable[[dict[str, Any]], None]) -> None:
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    change(result)
    (run / "result.json").write_text(json.dumps(result), encoding="utf-8")


def change_lines(file: Path, change: Callable[[list[dict[str, Any]]], None]) -> None:
    records = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    change(records)
    file.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8")


def places(verification: Verification) -> list[str]:
    return [difference.place for difference in verification.differences]


@pytest.mark.parametrize("name", ["baseline", "long_text", "news", "opinion", "pretrain", "sentiment", "similarity"])
def test_runs_of_every_task_agree(name):
    verification = verify(STORED / name / "finished")
    assert places(verification) == []
    for split in ("dev", "test"):
        n_metrics, n_predictions = verification.agreeing[split]
        lines = (STORED / name / "finished" / "predictions" / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        assert n_metrics > 2
        assert n_predictions == len(lines)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda result: result["test"].update(accuracy=result["test"]["accuracy"] + 1e-4), "test.accuracy"),
        (lambda result: result["dev"].update(loss=result["dev"]["loss"] * 1.001), "dev.loss"),
        (lambda result: result["test"].update(extra=0.5), "test.extra"),
        (lambda result: result["test"].pop("macro_f1"), "test.macro_f1"),
        (lambda result: result["test"]["per_label"]["positive"].update(f1=0.99), "test.per_label.positive.f1"),
        (lambda result: result["model"].update(parameters=3), "model.parameters"),
        (lambda result: result["data"]["test"].update(rows=1000), "data.test.rows"),
        (lambda result: result.update(seed=9), "seed"),
        (lambda result: result.update(task="news"), "task"),
    ],
)
def test_a_changed_value_of_the_result_is_found(run, change, place):
    change_result(run, change)
    assert places(verify(run)) == [f"result.json: {place}"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda rows: rows[2].update(predicted="neutral"), ["row 2: predicted"]),
        (lambda rows: rows[2]["probabilities"].update(positive=0.123), ["row 2: probabilities.positive"]),
        (lambda rows: rows[0].update(text="别的"), ["row 0: text"]),
        (lambda rows: rows[0].update(where="elsewhere.tsv:2"), []),
        (lambda rows: rows.pop(), ["number of records"]),
    ],
)
def test_a_changed_prediction_is_found(run, change, expected):
    change_lines(run / "predictions" / "test.jsonl", change)
    assert places(verify(run)) == [f"predictions/test.jsonl: {place}" for place in expected]


def test_a_missing_error_is_found(run):
    change_lines(run / "predictions" / "errors.jsonl", lambda rows: rows.pop(0))
    (place,) = places(verify(run))
    assert place.startswith("predictions/errors.jsonl: errors of test row ")


def test_other_weights_are_found(run):
    shutil.rmtree(run / "model")
    shutil.copytree(STORED / "sentiment" / "interrupted" / "model", run / "model")
    assert "result.json: test.loss" in places(verify(run))


def test_the_last_digits_may_differ(run):
    change_result(run, lambda result: result["test"].update(loss=result["test"]["loss"] * (1 + 8e-6)))
    assert places(verify(run)) == []
    assert places(verify(run, tolerance=4e-6)) == ["result.json: test.loss"]


# ---- what cannot be recomputed


def test_changed_data_cannot_be_scored(run, tmp_path):
    settings = json.loads((run / "model" / "paddle_tasks.json").read_text(encoding="utf-8"))
    changed = shutil.copy(ROOT / settings["config"]["data"]["test"], tmp_path / "test.tsv")
    Path(changed).write_text(Path(changed).read_text(encoding="utf-8") + "positive\t好\n", encoding="utf-8")
    settings["config"]["data"]["test"] = str(changed)
    (run / "model" / "paddle_tasks.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(DataError, match=r"data\.test: .*test\.tsv is not what the run was scored on"):
        verify(run)


def test_missing_data_and_runs_without_scores(run, tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match="no such run folder"):
        verify(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"has no result\.json yet|has no scores"):
        verify(STORED / "sentiment" / "interrupted")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"data\.train: .*no such file"):
        verify(run)


# ---- the command


def test_the_command_says_what_agrees(cli, run):
    outcome = cli("verify", run)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.splitlines()[-1] == f"run   {run}: agrees"
    assert cli("verify", run, "--quiet").stdout == ""


def test_the_command_says_what_differs(cli, run):
    change_result(run, lambda result: result["test"].update(accuracy=0.9912))
    outcome = cli("verify", run)
    accuracy = json.loads((STORED / "sentiment/finished/result.json").read_text(encoding="utf-8"))["test"]["accuracy"]
    assert outcome.code == 1
    assert f"differs: result.json: test.accuracy: 0.9912, recomputed {accuracy}" in outcome.stdout.splitlines()
    assert outcome.stdout.splitlines()[-1] == f"run   {run}: 1 value differs"
    report = json.loads(cli("verify", run, "--json").stdout)
    assert (report["agrees"], report["differences"][0]["stored"]) == (False, 0.9912)


def test_what_cannot_be_recomputed_is_the_users_mistake(cli, tmp_path):
    assert "no such run folder" in cli.fails("verify", tmp_path / "nowhere")


def test_many_differences_are_cut(run):
    change_lines(run / "predictions" / "test.jsonl", lambda rows: [row.update(predicted="x") for row in rows])
    lines = list(describe(verify(run), max_shown=3))
    assert sum(line.startswith("differs: ") for line in lines) == 3
    assert lines[-2].startswith("… and ")
