"""Shared by the scripts that start the peers. Standard library only."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# Set by paddle_tasks or the caller; removed for the peers, which run with their own defaults.
SPEED_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "MKL_DEBUG_CPU_TYPE", "PADDLE_TASKS_THREADS")


def parse_peers(text: str, known: Collection[str]) -> tuple[str, ...]:
    """Parse a comma-separated list of peers."""
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"expected some of {', '.join(known)}, each once, found {text!r}")
    return names


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def stock_environment() -> dict[str, str]:
    """Return this process's environment without the variables that set threads and CPU dispatch."""
    return {name: value for name, value in os.environ.items() if name not in SPEED_VARIABLES}


def run_script(
    script: str, python: str, settings: dict[str, Any], result: Path, environment: dict[str, str] | None = None
) -> dict[str, Any]:
    """Run a script of this folder and return its result.

    Args:
        script: the file's name.
        python: the Python that runs it.
        settings: written as JSON beside the result, for the script.
        result: the file that the script writes.
        environment: the script's environment variables; by default those of `stock_environment`.
    """
    settings_file = result.with_suffix(".settings.json")
    settings_file.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    run([python, str(HERE / script), str(settings_file), str(result)], environment or stock_environment())
    return dict(json.loads(result.read_text(encoding="utf-8")))


def run(command: list[str], environment: dict[str, str]) -> None:
    """Run a command; if it fails, exit with its output."""
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        output = f"{done.stdout[-1000:]}{done.stderr[-3000:]}"
        fail(f"{' '.join(command)}: exit code {done.returncode}\n{output}")


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table as lines of text with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows]


def log(text: str) -> None:
    """Write a progress message to stderr."""
    sys.stderr.write(f"{text}\n")


def fail(message: str) -> NoReturn:
    """Exit with a message that begins with the script's name."""
    sys.exit(f"{Path(sys.argv[0]).name}: {message}")
