"""Start-up time of Python, the package and the command line, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType

from paddle_tasks import runtime
from paddle_tasks.errors import SetupError
from paddle_tasks.workflows.bench.report import Measurement, Notify, Report, Spread, run_rounds, time_call

COMMANDS: Mapping[str, Sequence[str]] = {
    "import paddle_tasks": ("-c", "import paddle_tasks"),
    "paddle-tasks --help": ("-m", "paddle_tasks", "--help"),
    "python alone": ("-c", "pass"),
}
"""Arguments of Python, by the name of the measurement."""


def measure_startup(*, repeats: int, notify: Notify = lambda _text: None) -> Report:
    """Time processes from start to end; a first round that does not count fills the system's file cache.

    Raises:
        SetupError: a process fails.
    """
    timers = {name: partial(time_call, partial(run_python, arguments)) for name, arguments in COMMANDS.items()}
    seconds = run_rounds(timers, repeats, warmup=1, notify=notify)
    return Report(
        bench="import",
        timed="a process from start to end",
        measurements=[Measurement(name, Spread.from_values(values)) for name, values in seconds.items()],
        settings={},
        environment=runtime.describe_environment("cpu"),
    )


def run_python(arguments: Sequence[str], variables: Mapping[str, str] = MappingProxyType({})) -> None:
    """Run Python in a process of its own, with further environment variables.

    Raises:
        SetupError: it fails.
    """
    command, environment = [sys.executable, *arguments], {**runtime.child_environment(), **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr.strip()[-500:]}")
