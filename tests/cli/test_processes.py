"""The command line as a process of its own: what it imports, its two streams, Ctrl-C and closed pipes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from ..helpers import ROOT, python, run_process

MAIN = [sys.executable, "-m", "paddle_tasks"]
WAIT = """
import signal, sys, time
from paddle_tasks.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background has it ignored
from paddle_tasks.workflows import catalogue
catalogue.catalogue = lambda kind: (print("ready", flush=True), time.sleep(60))
sys.argv = ["paddle-tasks", "list", "tasks"]
main()
"""


def test_help_imports_no_paddle():
    code = """
import sys
sys.argv = ["paddle-tasks", "train", "--help"]
from paddle_tasks.cli import main
try:
    main()
finally:
    print(sorted({"paddle", "paddlenlp", "numpy"} & set(sys.modules)))
"""
    outcome = python(code)
    assert outcome.code == 0
    assert outcome.stdout.splitlines()[0] == "Usage: paddle-tasks train CONFIG [KEY=VALUE …] [OPTIONS]"
    assert outcome.stdout.splitlines()[-1] == "[]"


@pytest.mark.long
def test_stdout_has_json_only_and_stderr_nothing(run):
    outcome = run_process([*MAIN, "predict", str(run), "很好"])
    assert (outcome.code, outcome.stderr) == (0, "")
    assert json.loads(outcome.stdout)["input"] == "很好"


def test_a_wrong_number_of_threads_is_one_message():
    config = str(ROOT / "configs" / "sentiment.yaml")
    outcome = run_process([*MAIN, "train", config], PADDLE_TASKS_THREADS="many")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == "paddle-tasks: PADDLE_TASKS_THREADS='many': expected a whole number above 0\n"


@pytest.mark.long
def test_a_terminal_that_is_not_utf_8():
    outcome = run_process([*MAIN, "predict", "fill-mask", "--input", "没有.txt"], PYTHONIOENCODING="ascii")
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.stderr == "paddle-tasks: --input \\u6ca1\\u6709.txt: no such file\n"


def test_ctrl_c():
    with subprocess.Popen([sys.executable, "-c", WAIT], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=20)
    assert (child.returncode, stderr) == (130, b"paddle-tasks: stopped\n")


def test_a_closed_pipe():
    with subprocess.Popen([*MAIN, "list", "data"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.close()
        stderr = child.stderr.read()
    assert (child.returncode, stderr) == (0, b"")
