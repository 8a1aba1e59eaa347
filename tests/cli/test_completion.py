"""The words that the TAB key offers."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import typer

from paddle_tasks.cli.commands import app
from paddle_tasks.cli.completion import SCRIPTS, VARIABLE, candidates

COMMAND = typer.main.get_command(app)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with two configurations and a run."""
    for name in ("configs/a.yaml", "configs/quick/b.yaml", "runs/first/config.yaml", "runs/none/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tra", ["train"]),
        ("train c", ["configs/a.yaml", "configs/quick/b.yaml"]),
        ("train quick/sentiment", ["quick/sentiment", "quick/sentiment-imdb"]),
        ("train configs/q", ["configs/quick/b.yaml"]),
        ("train configs/a.yaml --fr", ["--fresh"]),
        ("train configs/a.yaml --device ", []),
        ("train --device cpu configs/a", ["configs/a.yaml"]),
        ("evaluate r", ["runs/first"]),
        ("evaluate sen", ["sentiment"]),
        ("evaluate runs/first --split d", ["dev"]),
        ("predict sent", ["sentiment"]),
        ("predict runs/f", ["runs/first"]),
        ("check-data sim", ["similarity"]),
        ("list mo", ["models"]),
        ("bench enc", ["encoder"]),
        ("completion z", ["zsh"]),
        ("predict sentiment 好", []),
        ("no-such-command ", sorted(COMMAND.commands)),
    ],
)
def test_candidates(line, expected):
    words = ["paddle-tasks", *line.split(" ")]
    assert candidates(COMMAND, words, len(words) - 1) == expected


def test_every_shell_has_a_script(cli):
    for shell, script in SCRIPTS.items():
        assert cli("completion", shell).stdout == script
        assert VARIABLE in script
    assert "expected bash, zsh or fish" in cli.fails("completion", "tcsh")


def test_a_shell_gets_one_word_on_each_line(cli, monkeypatch):
    monkeypatch.setenv(VARIABLE, "1")
    assert cli("ex").stdout == "export\n"


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash")
def test_the_script_of_bash_is_valid():
    subprocess.run(["bash", "-n"], input=SCRIPTS["bash"], text=True, check=True)
