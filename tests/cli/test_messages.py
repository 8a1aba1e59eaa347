"""Mistakes of the user: exit code 2, one message with the nearest right name, and nothing written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from paddle_tasks import doctor
from paddle_tasks.workflows import catalogue

from ..helpers import ROOT, table
from .conftest import QUICK

SENTIMENT = ROOT / "configs" / "sentiment.yaml"


def snapshot(folder: Path, *, is_locked: bool) -> dict[str, tuple[int, int]]:
    """Return size and time of change of everything in a folder.

    Args:
        folder: the folder.
        is_locked: leave out the times of folders, since a lock file is created beside a run folder, and removed.
    """
    paths = [folder, *folder.rglob("*")]
    times = {path: 0 if is_locked and path.is_dir() else path.stat().st_mtime_ns for path in paths}
    return {str(path): (path.stat().st_size, time) for path, time in times.items()}


def refused(cli, tmp_path: Path, *arguments: object) -> str:
    """Run a command that must be refused and change nothing, and return its message."""
    is_locked = arguments[0] == "train"
    before = snapshot(tmp_path, is_locked=is_locked)
    message = cli.fails(*arguments)
    assert snapshot(tmp_path, is_locked=is_locked) == before
    return message


# ---- configurations


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("data.trian=x", r"sentiment\.yaml: 1 problem\n  data\.trian: unknown key; did you mean 'train'\?"),
        ("epochs=3", r"epochs: unknown key; did you mean 'training\.epochs'\?"),
        ("evaluation.metric=acc", r"evaluation\.metric: 'acc' is unknown.* \(one of accuracy, "),
        ("training.epochs=many", r"training\.epochs: input should be a valid integer, found 'many'"),
        ("training.epochs", "'training.epochs': expected KEY=VALUE, for example training.epochs=3"),
        ("run_dir={{ name }}", "run_dir:1: a list or mapping cannot be a key"),
        ("task=sentimental", "task: 'sentimental' is unknown; did you mean 'sentiment'"),
        ("data.train=trian.tsv", r"data\.train: trian\.tsv: no such file.*; did you mean 'train\.tsv'\?"),
        ("data.dev=builtin/sentimnt", r"data\.dev: builtin/sentimnt.*did you mean 'builtin/sentiment'\?"),
        ("model.encoder=textcn", "'textcn'.*did you mean 'textcnn'"),
        ("model.encoder=bert-base-chines", "did you mean 'bert-base-chinese'"),
        ("model.encoder=builtin/bert-mini", "builtin/bert-mini: no such built-in model"),
        ("model.encoder=./nowhere", r"\./nowhere: no such folder"),
        ("training.max_length=1", "max_length: expected at least 2"),
        ("data.columns.text=1", "data.columns: expected text and label, found text"),
    ],
)
def test_a_setting_that_cannot_be_used(cli, settings, tmp_path, setting, message):
    assert re.search(message, refused(cli, tmp_path, "train", QUICK, *settings, setting, "run_dir=new"))


def test_a_text_longer_than_the_encoder_can_read(cli, settings, tmp_path):
    small = ["model.encoder=bert", "model.hidden_size=8", "model.n_heads=2", "model.max_positions=20"]
    arguments = ["train", QUICK, *settings, *small, "training.max_length=21", "run_dir=new"]
    assert "training.max_length: 21 is more than the 20 tokens that bert reads" in refused(cli, tmp_path, *arguments)


def test_all_mistakes_are_reported_at_once(cli, tmp_path):
    message = refused(cli, tmp_path, "config", SENTIMENT, "data.trian=x", "seed=true", "optimizer.schedule=linaer")
    assert "3 problems" in message
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == [
        "seed",
        "data.trian",
        "optimizer.schedule",
    ]


@pytest.mark.parametrize("command", ["train", "config"])
def test_a_file_that_is_no_configuration(cli, tmp_path, command):
    assert "no such configuration file" in refused(cli, tmp_path, command, "configs/sentiment.yaml")
    twice = tmp_path / "twice.yaml"
    twice.write_text("task: sentiment\ndata:\n  train: a\n  train: b\n")
    assert "twice.yaml:4: key 'train' is already defined in line 3" in refused(cli, tmp_path, command, twice)
    twice.write_text("task: sentiment\n")
    message = refused(cli, tmp_path, command, twice)
    assert "data: missing" in message
    assert "model: missing" in message


# ---- data


def test_a_broken_line(cli, settings, tmp_path):
    path = table(tmp_path / "broken.tsv", ("label", "text"), ("positive", "好"), ("negative", "差", "多"), ("", "中"))
    message = refused(cli, tmp_path, "train", QUICK, *settings, f"data.dev={path.name}", "run_dir=new")
    heading, *rows, advice = message.splitlines()
    assert heading.endswith("data.dev: 2 of 3 rows cannot be used:")
    assert rows == ["  broken.tsv:3: expected 2 columns, found 3", "  broken.tsv:4: empty label"]
    assert "data.on_bad_row=skip" in advice


def test_a_label_that_train_does_not_have(cli, settings, tmp_path):
    path = table(tmp_path / "other.tsv", ("label", "text"), ("positive", "好"), ("neutral", "中"))
    message = refused(cli, tmp_path, "train", QUICK, *settings, f"data.test={path.name}", "run_dir=new")
    assert "other.tsv:3: unknown label 'neutral' (one of negative, positive; data.labels may name others)" in message


def test_three_labels_for_a_sigmoid(cli, settings, tmp_path):
    path = table(tmp_path / "three.tsv", ("label", "text"), ("1", "好"), ("0", "差"), ("2", "中"))
    data = [f"data.{name}={path.name}" for name in ("train", "dev", "test")]
    arguments = ["train", QUICK, *settings, *data, "model.output=sigmoid", "run_dir=new"]
    assert "model.output: sigmoid is for two labels, the data has 3" in refused(cli, tmp_path, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sentimnt", "train.tsv"], "task: 'sentimnt' is unknown; did you mean 'sentiment'"),
        (["sentiment", "trian.tsv"], "data.train: trian.tsv: no such file"),
        (["sentiment", "train.tsv", "data.encodng=gbk"], "data.encodng: unknown key; did you mean 'encoding'"),
        (["sentiment", "train.tsv", "encoding=gbk"], "encoding: unknown key; did you mean 'data.encoding'"),
        (["sentiment", "train.tsv", "data.encoding=gbkk"], "data.encoding: 'gbkk' is not a known encoding"),
        (["sentiment", "train.tsv", "data.format=cvs"], "did you mean 'csv'"),
        (["sentiment", "train.tsv", "dev.tsv", "test.tsv", "x.tsv"], "expected TRAIN [DEV [TEST]], found 4 files"),
    ],
)
@pytest.mark.usefixtures("settings")
def test_data_that_cannot_be_checked(cli, tmp_path, arguments, message):
    assert message in refused(cli, tmp_path, "check-data", *arguments)


# ---- run folders


@pytest.mark.parametrize("fresh", [[], ["--fresh"]])
def test_a_folder_that_is_no_run_is_left_alone(cli, settings, tmp_path, fresh):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    message = refused(cli, tmp_path, "train", QUICK, *settings, "run_dir=mine", *fresh)
    assert "mine: exists, but is not a run folder (it has no config.yaml); choose another run_dir" in message
    (tmp_path / "file").write_text("x")
    assert "file: exists, but is not a run folder" in refused(
        cli, tmp_path, "train", QUICK, *settings, "run_dir=file", *fresh
    )


def test_a_run_of_another_configuration_is_left_alone(cli, run):
    message = refused(cli, run, "train", run / "config.yaml", f"run_dir={run}", "seed=7", "training.epochs=9")
    assert "holds a run with another configuration:" in message
    assert [line.strip() for line in message.splitlines()[1:-1]] == ["seed: 2026 -> 7", "training.epochs: 2 -> 9"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "RUN", "--data", "missing.tsv"], "data.test: missing.tsv: no such file"),
        (["evaluate", "RUN", "--split", "train"], "--split train: expected dev or test"),
        (["evaluate", "nowhere"], "nowhere: no such run folder"),
        (["evaluate", "."], "holds no trained model yet"),
        (["predict", "nowhere", "好"], "nowhere: no such run folder, and no shipped model or pipeline"),
        (["predict", ".", "好"], "holds no trained model yet"),
        (["predict", "RUN"], "nothing to predict: expected a text, or --input FILE"),
        (["predict", "RUN", "好", " \u3000"], "nothing to predict: text 2 of 2 is blank"),
        (["predict", "RUN", "--input", "missing.txt"], "--input missing.txt: no such file"),
        (["predict", "RUN", "好", "--input", "a.txt"], "give texts or --input FILE, not both"),
        (["predict", "RUN", "--input", "blank.txt"], "nothing to predict"),
        (["predict", "RUN", "--input", "gbk.csv"], "gbk.csv:1: not valid utf-8 (name another with --encoding, "),
        (["predict", "RUN", "\udcff好"], "'\\udcff好': this text is not UTF-8"),
        (["predict", "RUN", "好", "--output", "."], "--output .: is a folder, expected a file"),
        (["predict", "RUN", "好", "--output", "nowhere/a.jsonl"], "no such folder nowhere"),
        (["predict", "RUN", "好", "--device", "gpu:7"], "--device gpu:7: Paddle sees 0 GPUs"),
        (["evaluate", "RUN", "--device", "cpu:"], "--device cpu:: expected auto, cpu, gpu or gpu:N"),
    ],
)
def test_a_run_that_cannot_be_used(cli, run, tmp_path, arguments, message):
    (tmp_path / "blank.txt").write_text("\n \n")
    (tmp_path / "gbk.csv").write_text("好\n", encoding="gbk")
    assert message in refused(cli, tmp_path, *(run if word == "RUN" else word for word in arguments))


def test_the_nearest_run_is_named(cli, run, monkeypatch):
    monkeypatch.chdir(run.parent)
    assert "did you mean 'run'?" in cli.fails("predict", "runn", "好")
    assert "did you mean 'run'?" in cli.fails("evaluate", "runn")


@pytest.mark.parametrize("command", [["predict", "hotels", "好"], ["evaluate", "hotels"]])
def test_a_run_without_its_folder_is_named(cli, tmp_path, command):
    (tmp_path / "runs" / "hotels").mkdir(parents=True)
    assert "did you mean 'runs/hotels'?" in cli.fails(*command)


# ---- the command itself


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian", "x.yaml"], "no such command: trian; did you mean 'train'?\nUsage: paddle-tasks COMMAND"),
        (["train"], "CONFIG is missing. A configuration file, or the name of one that ships, such as sentiment."),
        (["train", "x.yaml", "--devise", "cpu"], "no such option: --devise; did you mean '--device'?"),
        (
            ["train", "x.yaml", "--epochs", "3"],
            "no such option: --epochs; settings are written without dashes, as in t",
        ),
        (["train", "x.yaml", "--device"], "--device: expected a value after it"),
        (["train", "x.yaml", "--fresh=yes"], "--fresh: takes no value"),
        (["sweep", "x.yaml"], "--seeds 1,2,3 is missing. The seeds; "),
        (["predict", "x", "y", "--top-k", "0"], "--top-k 0: expected a whole number of at least 1"),
        (["predict", "x", "y", "--top-k", "two"], "--top-k two: expected a whole number of at least 1"),
        (["predict", "x", "y", "--share", "2"], "--share 2: expected a number from 0 to 1"),
        (["list", "tasks", "twice"], "twice: more than the command takes"),
        (["list", "model"], "list model: unknown; did you mean 'models'? (one of pipelines, tasks, models, data, con"),
    ],
)
def test_a_mistyped_command(cli, tmp_path, arguments, message):
    assert message in refused(cli, tmp_path, *arguments)


@pytest.mark.usefixtures("in_chinese")
def test_a_mistyped_command_in_chinese(cli, tmp_path):
    for arguments in (["trian"], ["train"], ["train", "x", "--devise"], ["list", "tasks", "twice"], ["train", "-x"]):
        message = refused(cli, tmp_path, *arguments)
        for line in message.splitlines():
            assert re.search("[一-鿿]", line), line


@pytest.mark.parametrize("command", [["config", QUICK], ["predict", "x", "好"], ["check-data", "sentiment", "x.tsv"]])
def test_a_wrong_number_of_threads(cli, tmp_path, monkeypatch, command):
    monkeypatch.setenv("PADDLE_TASKS_THREADS", "many")
    message = refused(cli, tmp_path, *command)
    assert message == "paddle-tasks: PADDLE_TASKS_THREADS='many': expected a whole number above 0\n"


def test_the_doctor_works_with_a_wrong_number_of_threads(cli, monkeypatch):
    monkeypatch.setenv("PADDLE_TASKS_THREADS", "many")
    monkeypatch.setattr(doctor, "examine", list)
    outcome = cli("doctor")
    assert (outcome.code, outcome.stdout) == (0, "training works\n")


# ---- other ends


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "paddle-tasks: stopped\n"),
        (PermissionError(13, "Permission denied", "x.tsv"), 2, "paddle-tasks: [Errno 13] Permission denied: 'x.tsv'\n"),
    ],
)
def test_what_is_not_the_users_mistake(cli, monkeypatch, error, code, message):
    def fail(kind: str) -> None:
        raise error

    monkeypatch.setattr(catalogue, "catalogue", fail)
    outcome = cli("list", "tasks")
    assert (outcome.code, outcome.stderr) == (code, message)


def test_a_mistake_of_ours_keeps_its_traceback(cli, monkeypatch):
    monkeypatch.setattr(catalogue, "catalogue", lambda kind: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli("list", "tasks")
