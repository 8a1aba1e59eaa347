"""How long Python, the package and the command line take to start, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial

from paddle_tasks import runtime
from paddle_tasks.errors import SetupError
from paddle_tasks.workflows.bench.report import Line, Report, Say, Spread, rounds, seconds_of

COMMANDS: Mapping[str, Sequence[str]] = {
    "import paddle_tasks": ("-c", "import paddle_tasks"),
    "paddle-tasks --help": ("-m", "paddle_tasks", "--help"),
    "python alone": ("-c", "pass"),
}


def bench_import(*, repeats: int, say: Say = lambda _text: None) -> Report:
    """Time whole processes, from their start to their end; a first round fills the system's file cache.

    Raises:
        SetupError: one of them fails.
    """
    timers = {name: partial(seconds_of, partial(_start, arguments)) for name, arguments in COMMANDS.items()}
    seconds = rounds(timers, repeats, warmup=1, say=say)
    return Report(
        bench="import",
        timed="a process from start to end",
        lines=[Line(name, Spread.of(values)) for name, values in seconds.items()],
        settings={},
        environment=runtime.environment("cpu"),
    )


def _start(arguments: Sequence[str]) -> None:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=runtime.child_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"{' '.join(command)}: ended with {done.returncode}: {done.stderr.strip()[-500:]}")
