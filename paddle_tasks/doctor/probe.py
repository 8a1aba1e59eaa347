"""Runs Python code in a child process, so that a crash or a hang of an import does not stop the doctor."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from paddle_tasks.language import _

_MARK = "paddle_tasks-doctor:"

# The child uses the module path of this process. It reports each fact at once, so that facts survive a later crash.
# Imported modules may print to stdout as well, hence the mark.
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
class ProbeResult:
    """The result of code that ran in a child process.

    Attributes:
        facts: the keyword arguments of all calls of ``report``; later values replace earlier ones.
        error: why the code did not finish, in one line; None if it did.
        trace: everything that was written to stderr.
        timed_out: whether it was stopped because it took too long.
    """

    facts: dict[str, Any]
    error: str | None = None
    trace: str = ""
    timed_out: bool = False


def run_probe(code: str, timeout_s: float) -> ProbeResult:
    """Run ``code``, which may call ``report(name=value, …)``, in a child process, and return its result."""
    command = [sys.executable, "-c", _CHILD, code, json.dumps([str(entry) for entry in sys.path])]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    try:
        child = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired as expired:
        return ProbeResult(
            _facts(expired.stdout or b""),
            _("no answer within {seconds:g} s").format(seconds=timeout_s),
            _text(expired.stderr or b""),
            timed_out=True,
        )
    facts = _facts(child.stdout)
    return ProbeResult(facts, _error(facts, child.returncode), _text(child.stderr))


def _text(output: bytes) -> str:
    return output.decode("utf-8", errors="backslashreplace")


def _facts(stdout: bytes) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for line in _text(stdout).splitlines():
        if line.startswith(_MARK):
            facts.update(json.loads(line[len(_MARK) :]))
    return facts


def _error(facts: dict[str, Any], exit_code: int) -> str | None:
    if "finished" in facts:  # errors during the shutdown of the process do not matter
        return None
    if exit_code < 0:
        message = _("killed by signal {number} ({name})")
        return message.format(number=-exit_code, name=signal.strsignal(-exit_code))
    return str(facts.get("error", _("the process ended early with exit code {code}").format(code=exit_code)))
