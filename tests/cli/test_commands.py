"""The commands on small data: stdout, stderr and files; every command has `--quiet` and `--help`."""

from __future__ import annotations

import json
import re
import shlex
import shutil

import pytest
import typer

from paddle_tasks import doctor
from paddle_tasks.cli.commands import app
from paddle_tasks.config import parse_yaml
from paddle_tasks.inference.outputs import rounded
from paddle_tasks.tasks import SETTINGS

from ..helpers import ROOT, table
from .conftest import QUICK, SPLITS

COMMANDS = sorted(typer.main.get_command(app).commands)
REPORT_KEYS = {"rows", "bad_rows", "duplicate_texts", "contradictory_texts", "leaked_texts"}  # DESIGN, section 3.1


def answers(stdout: str) -> list[dict]:
    return [json.loads(line) for line in stdout.splitlines()]


# ---- help


def test_help_names_every_command(cli):
    for arguments in (["--help"], ["-h"]):
        outcome = cli(*arguments)
        assert (outcome.code, outcome.stderr) == (0, "")
        assert all(f"  {command} " in outcome.stdout for command in COMMANDS)
    assert {"check-data", "config", "doctor", "evaluate", "list", "predict", "train"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_and_quiet(cli, command):
    outcome = cli(command, "--help")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert f"Usage: paddle-tasks {command}" in outcome.stdout
    assert "--quiet" in outcome.stdout


def test_without_a_command_help_is_shown(cli):
    outcome = cli()
    assert outcome.code == 2
    assert "Usage: paddle-tasks" in outcome.stdout + outcome.stderr


def test_the_version(cli):
    outcome = cli("--version")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.count(".") == 2


# ---- train


def test_training_prints_results_on_stdout_and_progress_on_stderr(cli, settings, tmp_path):
    arguments = ["train", QUICK, *settings, "run_dir=new"]
    outcome = cli(*arguments)
    assert outcome.code == 0
    dev, test, place, *advice = outcome.stdout.splitlines()
    assert [line for line in advice if line.endswith(":") and not line.startswith(" ")] == [
        "How good:",
        "Compared with a baseline:",
        "Where to look:",
        "What to try next:",
    ]
    assert dev.startswith("dev   accuracy ")
    assert "accuracy_deduplicated" in test
    assert place == "run   new"
    assert "epoch 1  step 1/4  loss" in outcome.stderr
    result = json.loads((tmp_path / "new" / "result.json").read_text(encoding="utf-8"))
    assert dev.startswith(f"dev   accuracy {result['dev']['accuracy']:.4f}")
    again = cli(*arguments)
    assert (again.code, again.stdout) == (0, outcome.stdout)
    assert again.stderr == "new is finished already; nothing to do (--fresh trains anew)\n"
    fresh = cli(*arguments, "--fresh", "--quiet", "seed=3")
    assert (fresh.code, fresh.stderr) == (0, "")
    assert fresh.stdout.splitlines()[2:] == ["run   new"]
    assert (tmp_path / "new.1" / "result.json").is_file()


@pytest.mark.long
def test_training_ends_with_commands_that_can_be_typed(cli, settings):
    outcome = cli("train", QUICK, *settings, "run_dir=runs/new", "logging.visualdl=true")
    commands = re.findall(r"\S*paddle-tasks ((?:dashboard|predict|report|baseline) .*)", outcome.stdout)
    baseline, dashboard, predict, report = map(shlex.split, commands)
    assert (dashboard, report) == (["dashboard", "runs"], ["report", "runs"])
    assert predict[:2] == ["predict", "runs/new"]
    assert json.loads(cli(*predict).stdout)["input"] == predict[2]
    assert cli(*baseline, "--quiet").code == 0
    again = cli("train", QUICK, *settings, "run_dir=runs/new", "logging.visualdl=true")
    assert "There is none" not in again.stdout
    assert re.search(r"The baseline is ahead|This run is ahead|Level with", again.stdout)
    assert "tfidf-char-svm" in again.stdout


# ---- config and list


def test_config_prints_what_is_merged(cli):
    outcome = cli("config", QUICK, "seed=5", "training.epochs=7", "--quiet")
    assert (outcome.code, outcome.stderr) == (0, "")
    merged = parse_yaml(outcome.stdout, "stdout")
    assert (merged["seed"], merged["training"]["epochs"], merged["optimizer"]["weight_decay"]) == (5, 7, 0.01)


def test_the_schema_is_a_json_schema(cli):
    outcome = cli("config", QUICK, "--schema")
    assert (outcome.code, outcome.stderr) == (0, "")
    schema = json.loads(outcome.stdout)
    assert schema["additionalProperties"] is False
    assert {"task", "data", "model"} <= set(schema["required"])


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("pipelines", ["sentiment", "fill-mask", "rewrite"]),
        ("tasks", ["sentiment"]),
        ("models", ["textcnn", "bilstm", "bert", "bert-base-chinese", "ernie-3.0-medium-zh"]),
        ("data", ["builtin/sentiment", "chnsenticorp"]),
        ("configs", ["sentiment", "quick/sentiment"]),
    ],
)
def test_names_are_listed(cli, monkeypatch, what, names):
    monkeypatch.chdir(ROOT)
    outcome = cli("list", what)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert set(names) <= set(outcome.stdout.splitlines())
    assert cli("list", what, "--quiet") == outcome
    everything = cli("list").stdout
    assert f"{what}:\n  " in everything
    assert set(names) <= {line.strip() for line in everything.splitlines()}


# ---- report


@pytest.mark.long
def test_the_report_writes_figures_and_names_them_on_stderr(cli, run, tmp_path):
    outcome = cli("report", run, "--png", tmp_path / "new" / "png")
    assert outcome.code == 0
    written = {path.name for path in (tmp_path / "new" / "png").iterdir()}
    assert {"run-curves.png", "run-dev-confusion.png", "run-test-calibration.png"} <= written
    assert {line.rpartition("/")[2] for line in outcome.stderr.splitlines()} == written
    (tmp_path / "file").touch()
    assert "is a file, expected a folder" in cli.fails("report", run, "--png", tmp_path / "file")


# ---- evaluate


def test_evaluating_gives_the_scores_of_the_run(cli, run):
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    for arguments, split in (([], "test"), (["--split", "dev", "--quiet"], "dev")):
        outcome = cli("evaluate", run, *arguments)
        assert (outcome.code, outcome.stderr) == (0, "")
        report = json.loads(outcome.stdout)
        assert (report["split"], report["rows"], report["skipped_rows"]) == (split, len(SPLITS[split]), 0)
        assert report["metrics"] == rounded(result[split])
    assert "accuracy_deduplicated" in result["test"]


def test_evaluating_another_file(cli, run, tmp_path):
    path = table(tmp_path / "other.tsv", ("label", "text"), ("positive", "喜欢"), ("negative", "失望"))
    outcome = cli("evaluate", run, "--data", path)
    report = json.loads(outcome.stdout)
    assert (report["rows"], report["data"]) == (2, str(path))
    assert list(report["metrics"]["per_label"]) == ["negative", "positive"]
    assert "accuracy_deduplicated" not in report["metrics"]


def test_a_run_can_be_scored_when_its_train_file_is_missing(cli, run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    for file in (tmp_path / "run" / "config.yaml", tmp_path / "run" / "model" / SETTINGS):
        text, path = file.read_text(encoding="utf-8"), str(run.parent / "train.tsv")
        assert path in text
        file.write_text(text.replace(path, str(tmp_path / "missing.tsv")), encoding="utf-8")
    report = json.loads(cli("evaluate", tmp_path / "run").stdout)
    assert "missing.tsv: no such file" in report["not_deduplicated"]
    assert "accuracy" in report["metrics"]
    assert "accuracy_deduplicated" not in report["metrics"]


# ---- predict


def test_predicting_gives_a_json_line_for_each_text(cli, run):
    outcome = cli("predict", run, "很好", "很差", "--quiet")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "很好" in outcome.stdout
    first, second = answers(outcome.stdout)
    assert [key for key in first if key != "unsure"] == ["input", "label", "score", "probabilities"]
    assert first["score"] == round(first["score"], 6) == first["probabilities"][first["label"]]
    assert (first["input"], second["input"]) == ("很好", "很差")
    assert first["label"] == max(first["probabilities"], key=first["probabilities"].get)
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=2e-6)
    assert first["probabilities"] != second["probabilities"]


def test_predicting_from_a_file_to_a_file(cli, run, tmp_path):
    (tmp_path / "in.txt").write_bytes("\ufeff很好\r\n很\u2028差\r\n\r\n".encode())
    outcome = cli("predict", run, "--input", "in.txt", "--output", "out.jsonl")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, "", "")
    written = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line)["input"] for line in written.split("\n")[:-1]] == ["很好", "很\u2028差"]
    assert cli("predict", run, "--input", "in.txt").stdout == written
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.jsonl"]


# ---- check-data


def test_the_report_as_json(cli, settings):
    outcome = cli("check-data", "sentiment", "train.tsv", "dev.tsv", "test.tsv", "--json", "--quiet")
    assert (outcome.code, outcome.stderr) == (0, "")
    report = json.loads(outcome.stdout)
    assert set(report) >= REPORT_KEYS
    assert report["rows"] == {name: len(rows) for name, rows in SPLITS.items()}
    assert report["leaked_texts"] == {"dev": 4, "test": 2}
    assert (report["bad_rows"], report["duplicate_texts"], report["contradictory_texts"]) == (0, 0, 0)


def test_the_report_for_people(cli, tmp_path):
    rows = [("好", "正"), ("好", "负"), ("", "正"), ("差", "负"), ("差", "负")]
    table(tmp_path / "a.csv", *rows, separator=";")
    table(tmp_path / "b.tsv", ("x", "y"), *rows)
    outcome = cli("check-data", "sentiment", "b.tsv", "b.tsv", "data.columns.text=x", "data.columns.label=y")
    assert (outcome.code, outcome.stderr) == (0, "")
    lines = outcome.stdout.splitlines()
    assert lines[0] == "train  4 rows, 1.0 characters on average, 95 % have at most 1, the longest 1"
    assert lines[1] == "       labels 负: 3, 正: 1"
    assert "  b.tsv:4: empty text" in lines
    assert [line for line in lines if line.startswith(("duplicate", "contradictory", "leaked", "bad"))] == [
        "bad rows               2",
        "duplicate texts        2 (train rows that repeat the text of an earlier row)",
        "contradictory texts    1 (distinct train texts with more than one label)",
        "leaked into dev        2 (distinct texts that are also in train)",
    ]


def test_a_file_whose_name_looks_like_a_setting_can_be_checked(cli, tmp_path):
    table(tmp_path / "seed=1.tsv", ("label", "text"), ("1", "好"), ("0", "差"))
    outcome = cli("check-data", "sentiment", "seed=1.tsv", "seed=1.tsv", "--json")
    assert json.loads(outcome.stdout)["leaked_texts"] == {"dev": 2}


def test_names_of_the_catalogue_can_be_checked(cli):
    report = json.loads(cli("check-data", "sentiment", *["builtin/sentiment"] * 3, "--json").stdout)
    assert report["leaked_texts"] == {"dev": 0, "test": 0}
    assert report["rows"]["train"] >= 500


# ---- doctor


@pytest.mark.parametrize(("options", "passed"), [([], []), (["--json"], ["--json"]), (["--quiet"], ["--quiet"])])
def test_the_doctors_code_is_the_commands(cli, monkeypatch, options, passed):
    given: list[list[str]] = []
    monkeypatch.setattr(doctor, "main", lambda arguments: given.append(arguments) or 1)
    assert cli("doctor", *options).code == 1
    assert given == [passed]
