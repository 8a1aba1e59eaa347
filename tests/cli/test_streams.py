"""Standard streams that are closed from the start, or that nothing reads any more."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..helpers import ROOT

MAIN = f"{sys.executable} -m paddle_tasks"
WRITES_TO_BOTH = """
import sys
from paddle_tasks.cli import main
from paddle_tasks.workflows import catalogue
def write(what):
    sys.stdin.readline()  # the test has closed its end of stderr by now
    for _ in range(3):
        sys.stderr.write("progress\\n")
    return {"tasks": ["done"]}
catalogue.catalogue = write
sys.argv = ["paddle-tasks", "list", "tasks"]
main()
"""
OPENS_A_FILE = """
import sys
from paddle_tasks.cli import main
from paddle_tasks.workflows import catalogue
def write(what):
    with open("a.txt", "w") as file:
        print(file.fileno() > 2, file=file)
        sys.stdout.write("result")
        sys.stdout.flush()
    return {}
catalogue.catalogue = write
sys.argv = ["paddle-tasks", "list", "tasks"]
main()
"""


def shell(command: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command with the shell, which can close a stream before a program starts."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        "list data",
        *(
            pytest.param(arguments, marks=pytest.mark.long)
            for arguments in ("list tasks", "--version", "--help", "config configs/news.yaml")
        ),
    ],
)
def test_a_command_without_stdout_succeeds_quietly(arguments):
    outcome = shell(f"{MAIN} {arguments} >&-")
    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


@pytest.mark.long
def test_a_prediction_without_stdout_succeeds_quietly(run):
    outcome = shell(f"{MAIN} predict {run} 很好 >&-")
    assert (outcome.returncode, outcome.stderr) == (0, "")


@pytest.mark.long
def test_a_finished_run_without_streams(run):
    """`train` says last what it has done; all is done already."""
    assert shell(f"{MAIN} train {run}/config.yaml >&- 2>&-").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "closed"),
    [
        ("predict nowhere 好", "2>&-"),
        *(
            pytest.param(arguments, closed, marks=pytest.mark.long)
            for arguments in ("list nonsense", "frobnicate", "list --frobnicate")
            for closed in ("2>&-", ">&- 2>&-", "<&- >&- 2>&-")
        ),
    ],
)
def test_a_mistake_keeps_its_exit_code_without_stderr(arguments, closed):
    outcome = shell(f"{MAIN} {arguments} {closed}")
    assert (outcome.returncode, outcome.stdout) == (2, "")


def test_a_file_does_not_get_the_number_of_a_closed_stream(tmp_path):
    """Otherwise what is printed would be written into the file."""
    (tmp_path / "main.py").write_text(OPENS_A_FILE, encoding="utf-8")
    assert shell(f"{sys.executable} main.py <&- >&- 2>&-", tmp_path).returncode == 0
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "True\n"


def test_a_command_goes_on_when_nothing_reads_its_progress():
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WRITES_TO_BOTH], **streams) as child:
        child.stderr.close()
        stdout, _ = child.communicate(b"go on\n", timeout=100)
    assert (child.returncode, stdout) == (0, b"done\n")


@pytest.mark.long
def test_a_mistake_keeps_its_exit_code_when_nothing_reads_it():
    for closed in ("stdout", "stderr"):
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, "-m", "paddle_tasks", "list", "nonsense"]
        with subprocess.Popen(command, **streams) as child:
            getattr(child, closed).close()
            child.communicate(timeout=100)
        assert child.returncode == 2


@pytest.mark.long
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_a_failure_for_results_and_not_for_messages():
    for arguments in ("list data", "doctor --help"):
        outcome = shell(f"{MAIN} {arguments} > /dev/full")
        assert (outcome.returncode, outcome.stderr.count("\n")) == (1, 1)
        assert os.strerror(errno.ENOSPC) in outcome.stderr
    assert shell(f"{MAIN} list data 2> /dev/full").returncode == 0
    assert shell(f"{MAIN} list nonsense 2> /dev/full").returncode == 2
