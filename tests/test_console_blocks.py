"""Every console block of the documents is run by a shell in which programs only record how they are called.

So variables, functions and loops are replaced as a reader's shell replaces them. Each recorded call of `paddle-tasks`
is then read as the command line reads it, and its configuration is validated. Getting started is also run as it is.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from paddle_tasks.cli.commands import app
from paddle_tasks.cli.help import prepare_help
from paddle_tasks.cli.verbosity import verbosity
from paddle_tasks.workflows.config import load_config

from .helpers import ROOT, CommandLine

# Pages in Chinese have the commands of the English ones; tests/test_docs.py compares them.
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "notebooks/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "paddle_tasks" / "assets" / "models").glob("*/README.md")),
]
PROGRAMS = ("paddle-tasks", "python", "pip", "make", "git", "curl", "ssh", "unzip", "jupyter")
RECORD = """#!/bin/sh
{ printf '%s\\037' "${0##*/}" "$@"; printf '\\036'; } >> "$RECORDS"
"""
TRAINING = {"train", "baseline", "sweep", "config", "params"}
"""Commands that take a configuration and settings."""
RUN_ELSEWHERE = {"add-a-task.md": "tests/tasks/test_toy_task.py"}
"""Pages about configurations that do not ship, and the tests that run their commands as they are."""
COMMAND = typer.main.get_command(app)
prepare_help(COMMAND)  # adds the options of every command
CALLED: list[tuple[str, dict[str, Any]]] = []
"""What is called, and with which parameters."""


def blocks(text: str) -> str:
    """Return the console blocks of a page as one script."""
    script = "\n".join(re.findall(r"^```bash\n(.*?)^```$", text, re.DOTALL | re.MULTILINE))
    return re.sub(r"<(this repository|本仓库)>", "repository", script)


def calls(script: str, folder: Path) -> list[list[str]]:
    """Run a script in a folder, and return the program and arguments of each call that it makes."""
    programs, records = folder / "bin", folder / "records"
    for name in PROGRAMS:
        programs.mkdir(exist_ok=True, parents=True)
        (programs / name).write_text(RECORD, encoding="utf-8")
        (programs / name).chmod(0o755)
    activate = folder / ".venv" / "bin" / "activate"
    activate.parent.mkdir(parents=True)
    activate.touch()
    records.touch()
    environment = os.environ | {"PATH": f"{programs}:/usr/bin:/bin", "RECORDS": str(records)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert not re.search("command not found|syntax error", done.stderr), done.stderr
    made = records.read_text(encoding="utf-8").split("\036")[:-1]
    return [call.split("\037")[:-1] for call in made]


def of_paddle_tasks(call: list[str]) -> list[str] | None:
    """Return the arguments of a call of `paddle-tasks`, by itself or under Paddle's launcher; None for others."""
    name = next((word for word in call if Path(word).name == "paddle-tasks"), None)
    return None if name is None else call[call.index(name) + 1 :]


def record_calls(command: Any) -> None:
    """Let a command, or each command of a group, record how it is called instead of doing something."""
    for child in getattr(command, "commands", {}).values():
        record_calls(child)
    if not hasattr(command, "commands"):
        command.callback = lambda **parameters: CALLED.append((command.name, parameters))


record_calls(COMMAND)


def read_arguments(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the name of the command that is called and its parameters, as the command line reads them.

    Raises:
        click.UsageError: there is no such command or option, or an argument is missing or too many.
    """
    with COMMAND.make_context("paddle-tasks", list(arguments)) as context:
        COMMAND.invoke(context)
    return CALLED.pop()


def check(arguments: list[str], page: str) -> None:
    """Read the arguments of one call, and validate its configuration if it ships."""
    try:
        name, parameters = read_arguments(arguments)
    finally:
        verbosity.reset()
    source = parameters.get("config") or parameters.get("model")
    if name in TRAINING and page not in RUN_ELSEWHERE and str(source).endswith(".yaml"):
        load_config(source, parameters.get("overrides") or [])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_a_page_can_be_given(page: Path, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    script = blocks(page.read_text(encoding="utf-8"))
    given = [arguments for call in calls(script, tmp_path) if (arguments := of_paddle_tasks(call)) is not None]
    assert len(given) >= script.count("\npaddle-tasks ")
    for arguments in given:
        check(arguments, page.name)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("paddle-tasks trian configs/sentiment.yaml", "trian"),
        ("paddle-tasks predict sentiment 好 --explian", "--explian"),
        ("paddle-tasks train configs/sentiment.yaml training.epoch=3", "training.epoch"),
        ("R=runs/a; python -m paddle.distributed.launch paddle-tasks train configs/none.yaml run_dir=$R", "none.yaml"),
    ],
)
def test_a_wrong_command_is_found(line, problem, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    [call] = calls(line, tmp_path)
    with pytest.raises(Exception, match=re.escape(problem)):
        check(of_paddle_tasks(call) or [], "page.md")


def test_a_shell_replaces_variables_and_functions(tmp_path):
    script = 'S="a b"\ngo() { paddle-tasks "$@" "$S" $S; }\nfor x in 1 2; do go $x \\\n  y; done'
    assert calls(script, tmp_path) == [["paddle-tasks", x, "y", "a b", "a", "b"] for x in "12"]


# ---- run as they are

NOT_HERE = {
    "make": "installs into a new environment; `make install` is how these tests are run",
    "git": "needs the repository's address",
    "doctor": "finds other things on every machine; tests/doctor runs it",
    "dashboard": "runs until Ctrl-C; tests/reporting/vdl runs it",
}
"""What is left out of the commands of getting started, and why."""


SHORT = {"train": ("training.max_steps=20", "logging.detail=light")}
"""Settings that are added, so that a training takes a second."""


@pytest.mark.long
def test_getting_started_as_it_is(tmp_path, capsys, monkeypatch):
    page = (ROOT / "docs" / "getting-started.md").read_text(encoding="utf-8")
    made = calls(blocks(page).replace("runs/*", "runs"), tmp_path / "shell")
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    run = CommandLine(capsys, monkeypatch)
    given = [words for name, *words in made if not NOT_HERE.keys() & {name, *words[:1]}]
    outcomes = [run(*words, *SHORT.get(words[0], ())) for words in given]
    assert len(given) == len(made) - len(NOT_HERE)
    assert [(words, outcome.stderr) for words, outcome in zip(given, outcomes, strict=True) if outcome.code] == []
    assert "早餐" in outcomes[0].stdout
    assert (tmp_path / "runs" / "lstm" / "result.json").exists()
    assert (tmp_path / "report.html").stat().st_size > 50_000
