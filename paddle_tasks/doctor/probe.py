"""Runs a piece of Python in a child process, so that a crash or a hang in an import is a finding and not the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

_MARK = "paddle_tasks-doctor:"

# The child looks for modules exactly where this process does, and tells each fact as soon as it knows it, so that
# what it learned before a crash is kept. Imported modules may print to stdout as well, hence the mark.
_CHILD = f"""
import json, os, sys, traceback
sys.path[:] = json.loads(sys.argv.pop())
def report(**facts):
    print("\\n{_MARK}" + json.dumps(facts), flush=True)
try:
    exec(compile(sys.argv.pop(), "<probe>", "exec"))
    report(finished=True)
except BaseException as error:
    lines = [line for line in str(error).splitlines() if line.strip()]
    report(error=": ".join([type(error).__name__, *lines[:1]]))
    traceback.print_exc()
"""


@dataclass(frozen=True)
class Answer:
    """What a child process told.

    Attributes:
        facts: The keyword arguments of all its calls of ``report``; later ones replace earlier ones.
        error: Why it did not run to its end (one line), or None when it did.
        trace: All that it wrote to stderr.
    """

    facts: dict[str, Any]
    error: str | None = None
    trace: str = ""


def ask(code: str, timeout_s: float) -> Answer:
    """Run ``code``, which may call ``report(name=value, …)``, in a child process and return what it told."""
    command = [sys.executable, "-c", _CHILD, code, json.dumps([str(entry) for entry in sys.path])]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    try:
        child = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired as expired:
        return Answer(_facts(expired.stdout or b""), f"no answer within {timeout_s:g} s", _text(expired.stderr or b""))
    facts = _facts(child.stdout)
    return Answer(facts, _error(facts, child.returncode), _text(child.stderr))


def _text(output: bytes) -> str:
    return output.decode("utf-8", errors="backslashreplace")


def _facts(stdout: bytes) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for line in _text(stdout).splitlines():
        if line.startswith(_MARK):
            facts.update(json.loads(line[len(_MARK) :]))
    return facts


def _error(facts: dict[str, Any], exit_code: int) -> str | None:
    if "finished" in facts:  # what happens while the process is taken down no longer matters
        return None
    if exit_code < 0:
        return f"killed by signal {-exit_code} ({signal.strsignal(-exit_code)})"
    return str(facts.get("error", f"the process ended early with exit code {exit_code}"))
