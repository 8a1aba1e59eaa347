"""``~`` at the beginning of a path, where the shell leaves it: after ``=`` and in quotes."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return the home folder, beside the working folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_paths_of_each_command(cli, run, home, settings, tmp_path):
    (home / "run").symlink_to(run)
    (home / "reviews.txt").write_text("好吃\n", encoding="utf-8")
    commands = {
        "o.jsonl": ("predict", "~/run", "--input", "~/reviews.txt", "--output=~/o.jsonl"),
        "report.md": ("report", "~/run", "--markdown", "~/report.md"),
        "small": ("export", "~/run", "--output", "~/small", "--format", "paddle-tasks"),
    }
    for name, arguments in commands.items():
        outcome = cli(*arguments)
        assert outcome.code == 0, outcome.stderr
        assert (home / name).exists()
    assert json.loads((home / "o.jsonl").read_text(encoding="utf-8"))["input"] == "好吃"
    assert not (tmp_path / "~").exists()


def test_the_home_of_a_user_who_does_not_exist_is_refused(cli, run):
    outcome = cli("predict", str(run), "好吃", "--output", "~nobody-of-that-name/o.jsonl")
    assert outcome.code == 2
    assert "~nobody-of-that-name stands for is unknown" in outcome.stderr


def test_a_text_that_begins_with_a_tilde_is_a_text(cli, run, home):
    outcome = cli("predict", str(run), "~/好吃")
    assert json.loads(outcome.stdout)["input"] == "~/好吃"
