"""`paddle-tasks init` and configurations by name on the command line."""

from __future__ import annotations


def test_init_writes_a_project_and_says_what_to_do_next(cli, tmp_path):
    shown = cli("init", "project", "quick/sentiment").stdout
    assert "cd project" in shown
    assert "paddle-tasks train configs/quick/sentiment.yaml" in shown
    assert "train: data/sentiment/train.tsv" in (tmp_path / "project/configs/quick/sentiment.yaml").read_text()
    assert "not an empty folder" in cli.fails("init", "project")


def test_commands_take_configurations_by_name(cli):
    assert "task: news" in cli("config", "quick/news").stdout
    assert "quick/news" in cli("list", "configs").stdout.split()
    assert "did you mean 'quick/news'" in cli.fails("train", "quick/newz")
