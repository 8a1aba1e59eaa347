"""A text where the name of a file was expected: one short message, and exit code 2."""

from __future__ import annotations

import pytest

from ..helpers import ROOT

TEXT = "房间很干净" * 60
QUICK = ROOT / "configs" / "quick" / "sentiment.yaml"


def test_a_text_without_the_name_of_a_model(cli):
    message = cli.fails("predict", TEXT)
    assert message.startswith(f"paddle-tasks: {TEXT[:79]}…: no such run folder, and no shipped model or pipeline (")


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "sentiment", "--input", TEXT],
        ["predict", "sentiment", "--input", f"data/{TEXT}"],
        ["predict", "sentiment", "好", "--output", TEXT],
        ["predict", "sentiment", "好", "--output", f"{TEXT}/a.jsonl"],
        ["predict", "fill-mask", "[MASK]好", "--model", TEXT],
        ["check-data", "sentiment", TEXT],
        ["check-data", "sentiment", QUICK, f"x={TEXT}"],
        ["train", TEXT],
        ["train", QUICK, f"data.train={TEXT}"],
        ["train", QUICK, f"data.dev={TEXT}"],
        ["train", QUICK, f"data.label_names={TEXT}"],
        ["train", QUICK, f"model.encoder={TEXT}"],
        ["train", QUICK, f"run_dir={TEXT}"],
        ["train", QUICK, f"training.loss.teachers=[{TEXT}]"],
        ["train", ROOT / "configs" / "quick" / "pretrain.yaml", f"data.train=[{{path: {TEXT}}}]"],
        ["baseline", TEXT],
        ["baseline", QUICK, f"run_dir={TEXT}"],
        ["sweep", TEXT, "--seeds", "1"],
        ["config", TEXT],
        ["evaluate", TEXT],
        ["verify", TEXT],
        ["export", TEXT, "--output", "x"],
        ["report", TEXT],
        ["report", ".", "--markdown", TEXT],
        ["report", ".", "--png", TEXT],
        ["dashboard", TEXT, "--no-browser"],
        ["list", TEXT],
    ],
)
def test_a_text_in_place_of_a_file(cli, arguments):
    message = cli.fails(*arguments)
    assert "Errno" not in message


def test_the_data_of_an_evaluation(cli, run):
    assert f"data.test: {TEXT[:79]}…: no such file" in cli.fails("evaluate", run, "--data", TEXT)
