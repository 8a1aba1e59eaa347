"""`paddle-tasks baseline` on small data: what it prints where, its options, and mistakes with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paddle_tasks.config import read
from paddle_tasks.tasks.classification.tfidf import Classifier

from .conftest import QUICK


def test_results_on_stdout_and_the_rest_on_stderr(cli, settings, tmp_path):
    arguments = ["baseline", QUICK, *settings]
    outcome = cli(*arguments)
    result = json.loads((tmp_path / "runs/quick-sentiment-baseline/result.json").read_text(encoding="utf-8"))
    assert outcome.code == 0
    dev, test, place, *advice = outcome.stdout.splitlines()
    assert dev.startswith(f"dev   accuracy {result['dev']['accuracy']:.4f}")
    assert f"accuracy_deduplicated {result['test']['accuracy_deduplicated']:.4f}" in test
    assert place == "run   runs/quick-sentiment-baseline"
    assert [line for line in advice if line.endswith(":")] == ["How good:", "Where to look:", "What to try next:"]
    assert any(f"paddle-tasks train {QUICK} data.train=" in line for line in advice)
    assert "tfidf-char-svm: fitting " in outcome.stderr
    again = cli(*arguments)
    assert (again.code, again.stdout) == (0, outcome.stdout)
    assert again.stderr.endswith("is finished already; nothing to do (--fresh starts anew)\n")
    fresh = cli(*arguments, "--fresh", "--quiet", "seed=3")
    assert (fresh.code, fresh.stderr, len(fresh.stdout.splitlines())) == (0, "", 3)
    assert (tmp_path / "runs/quick-sentiment-baseline.1/result.json").is_file()


def test_options_are_in_the_configuration_of_the_run(cli, settings):
    options = ["--features", "word", "--classifier", "logistic", "--c", "3", "--ngrams", "1-4", "--min-df", "1"]
    assert cli("baseline", QUICK, *settings, "run_dir=new", *options).code == 0
    expected = {"encoder": "tfidf-word-logistic", "ngrams": [1, 4], "min_df": 1, "c": 3.0}
    assert read(Path("new/config.yaml"))["model"] == expected
    assert cli("baseline", QUICK, *settings, "run_dir=two", "--ngrams", "2").code == 0
    assert read(Path("two/config.yaml"))["model"]["ngrams"] == [2, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--features", "chars"], "--features chars: expected char or word; did you mean 'char'?"),
        (["--classifier", "tree"], "--classifier tree: expected svm or logistic"),
        (["--ngrams", "0-3"], "--ngrams 0-3: expected the shortest and the longest length, as in 1-3"),
        (["--ngrams", "1,3"], "--ngrams 1,3: expected the shortest"),
        (["--ngrams", "3-1"], "model.ngrams: expected the shortest and the longest"),
        (["--c", "0"], "model.c: input should be greater than 0"),
        (["--c", "nan"], "model.c: "),
        (["--min-df", "99"], "occurs in 99 texts or more; use a smaller min_df"),
        (["task=pretrain"], "task: pretrain has no baseline"),
        (["data.trian=x"], "data.trian: unknown key; did you mean 'train'"),
    ],
)
def test_mistakes(cli, settings, tmp_path, arguments, message):
    before = sorted(tmp_path.rglob("*"))
    assert message in cli.fails("baseline", QUICK, *settings, *arguments)
    assert sorted(tmp_path.rglob("*")) == before


def test_ctrl_c_leaves_nothing(cli, settings, tmp_path, monkeypatch):
    def stop(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Classifier, "fit", stop)
    outcome = cli("baseline", QUICK, *settings)
    assert (outcome.code, outcome.stdout) == (130, "")
    assert outcome.stderr.endswith("paddle-tasks: stopped\n")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("command", [["predict", "new", "很好"], ["evaluate", "new"]])
def test_a_baseline_cannot_predict(cli, settings, command):
    assert cli("baseline", QUICK, *settings, "run_dir=new").code == 0
    assert "new: holds a baseline, which keeps no model" in cli.fails(*command)
