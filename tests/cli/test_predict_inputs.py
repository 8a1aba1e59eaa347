"""`predict` over files: pairs, CLUE's test files with their ids, and its submission files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paddle_tasks import train

from ..helpers import ROOT

FIXTURE = ROOT / "tests" / "fixtures" / "similarity.tsv"
PAIRS = [("怎么提前还款", "还款日是哪天"), ("款", "货"), ("怎么开发票", "发票在哪里开")]


@pytest.fixture(scope="module")
def pairs_run(tmp_path_factory) -> Path:
    """Return a small run of similarity, which no test may change."""
    files = {f"data.{split}": str(FIXTURE) for split in ("train", "dev")}
    quick, folder = ROOT / "configs" / "quick" / "similarity.yaml", tmp_path_factory.mktemp("pairs") / "run"
    return train(quick, run_dir=folder, **files, **{"data.test": None, "logging.visualdl": False}).folder


@pytest.fixture
def test_file(tmp_path) -> Path:
    """Return a test file in the form of CLUE's, with ids that are not the indices of the rows."""
    rows = [{"id": 7 - at, "sentence1": a, "sentence2": b} for at, (a, b) in enumerate(PAIRS)]
    path = tmp_path / "test.json"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def answers(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_pairs_as_arguments_lines_and_json_give_the_same_predictions(cli, pairs_run, test_file, tmp_path):
    joined = ["\t".join(pair) for pair in PAIRS]
    (tmp_path / "a.txt").write_text("\n".join(joined), encoding="utf-8")
    arguments, lines, rows = (
        answers(cli("predict", pairs_run, *rest).stdout)
        for rest in (joined, ("--input", "a.txt"), ("--input", test_file))
    )
    assert [record["input"] for record in arguments] == joined
    assert lines == [{"line": at, **record} for at, record in enumerate(arguments, start=1)]
    assert rows == [{"line": at, "id": 8 - at, **record} for at, record in enumerate(arguments, start=1)]


def test_a_submission_file_has_the_test_files_ids(cli, pairs_run, test_file, tmp_path):
    labels = [record["label"] for record in answers(cli("predict", pairs_run, "--input", test_file).stdout)]
    outcome = cli("predict", pairs_run, "--input", test_file, "--clue", "--output", "afqmc_predict.json")
    assert (outcome.code, outcome.stdout) == (0, "")
    written = (tmp_path / "afqmc_predict.json").read_text(encoding="utf-8")
    assert answers(written) == [{"id": 7 - at, "label": label} for at, label in enumerate(labels)]
    assert written.startswith('{"id": 7, "label": "')
    assert answers(cli("predict", pairs_run, "甲\t乙", "--clue").stdout)[0].keys() == {"id", "label"}


def test_inputs_and_options_that_cannot_be_used_are_refused(cli, pairs_run, run, tmp_path):
    assert "--clue: not for fill-mask, which takes --top-k, --model" in cli.fails(
        "predict", "fill-mask", "好", "--clue"
    )
    assert "which takes --top-k, --clue" in cli.fails("predict", pairs_run, "甲\t乙", "--explain")
    assert "expected two texts with a tab between them" in cli.fails("predict", pairs_run, "甲")
    assert "is not one of CLUE's, which are numbers" in cli.fails("predict", run, "好", "--clue")
    (tmp_path / "a.json").write_text('{"id": 0, "sentence": "好"}\n', encoding="utf-8")
    message = cli.fails("predict", pairs_run, "--input", "a.json")
    assert "a.json:1: cannot tell which columns hold text_a and text_b among id, sentence" in message
    assert cli("predict", run, "--input", "a.json").code == 0
