"""Process set-up that must precede ``import paddle``: CPU threads and dispatch; then device and seeds."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import io
import os
import platform
import subprocess
import sys
import warnings
from functools import cache, partial
from pathlib import Path
from typing import Any

from paddle_tasks.errors import SetupError, UserError

_recorded: dict[str, str] = {}


def usable_cores() -> int:
    """Return how many cores this process may use (a container often grants fewer than the machine has)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def is_amd() -> bool:
    """Tell whether the processor is AMD's, where Paddle's MKL takes a slow path unless it is told otherwise."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "AuthenticAMD" in cpuinfo.read_text(encoding="utf-8", errors="replace")


def threads() -> int:
    """Return the number of CPU threads for one process: PADDLE_TASKS_THREADS, or every usable core.

    Raises:
        UserError: PADDLE_TASKS_THREADS is not a whole number above 0.
    """
    asked = os.environ.get("PADDLE_TASKS_THREADS", "")
    if not asked:
        return usable_cores()
    if not asked.isdigit() or int(asked) < 1:
        raise UserError(f"PADDLE_TASKS_THREADS={asked!r}: expected a whole number above 0")
    return int(asked)


def prepare() -> None:
    """Set the environment variables that make Paddle fast on a CPU, where they are unset; once per process.

    Paddle fixes OMP_NUM_THREADS to 1 when it is imported without one, and its MKL looks at MKL_DEBUG_CPU_TYPE
    when it is loaded; so a Paddle that is there already keeps its speed, and a warning says so.
    """
    if _recorded:
        return
    if "PADDLE_TASKS_THREADS" in os.environ:
        os.environ["OMP_NUM_THREADS"] = str(threads())
    wanted = {"OMP_NUM_THREADS": str(threads())}
    if is_amd():
        wanted["MKL_DEBUG_CPU_TYPE"] = "5"
    missing = {name: value for name, value in wanted.items() if name not in os.environ}
    if "paddle" in sys.modules:
        _adjust_loaded_paddle()
    else:
        os.environ.update(missing)
    _recorded.update({name: os.environ[name] for name in wanted if name in os.environ})


def _adjust_loaded_paddle() -> None:
    sys.modules["paddle"].base.core.set_num_threads(threads())
    warnings.warn(
        "paddle was imported before paddle_tasks: threads are set, but the CPU dispatch stays as it was; "
        "import paddle_tasks first for the full speed",
        stacklevel=3,
    )


def child_environment() -> dict[str, str]:
    """Return the environment for a child process: this one's, with what `prepare` recorded.

    Importing Paddle rewrites OMP_NUM_THREADS, so a child would otherwise inherit what it left.
    """
    return {**os.environ, **_recorded}


def import_paddle() -> Any:
    """Import Paddle and PaddleNLP without their notes on threads, compilers and setuptools, and return Paddle.

    Raises:
        SetupError: one of them is missing or cannot be imported.
    """
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            paddle, paddlenlp = importlib.import_module("paddle"), importlib.import_module("paddlenlp")
        except Exception as error:  # broken installs raise ImportError, AttributeError and others
            raise SetupError(f"paddle or paddlenlp cannot be imported ({error}); run `paddle-tasks doctor`") from error
    paddlenlp.utils.log.logger.set_level("ERROR")
    return paddle


def use_device(asked: str) -> str:
    """Make ``auto``, ``cpu``, ``gpu`` or ``gpu:N`` Paddle's device and return its name.

    Raises:
        SetupError: the name is unknown, or there is no such GPU.
    """
    paddle = import_paddle()
    n_gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    if asked == "auto":
        asked = "gpu" if n_gpus else "cpu"
    kind, _, number = asked.partition(":")
    if kind not in {"cpu", "gpu"} or (number and (kind == "cpu" or not number.isdigit())):
        raise SetupError(f"--device {asked}: expected auto, cpu, gpu or gpu:N")
    if kind == "gpu" and int(number or 0) >= n_gpus:
        raise SetupError(f"--device {asked}: Paddle sees {n_gpus} GPUs; run `paddle-tasks doctor`")
    paddle.device.set_device(asked)
    return asked


def environment(device: str) -> dict[str, Any]:
    """Return what a figure depends on besides its configuration: versions, device, threads, git commit."""
    packages = ("paddle_tasks", "paddlepaddle", "paddlepaddle-gpu", "paddlenlp", "numpy", "visualdl")
    versions = {name: version for name in packages if (version := _version(name))}
    return {
        "python": platform.python_version(),
        "versions": versions,
        "platform": platform.platform(),
        "device": device,
        "threads": int(_recorded.get("OMP_NUM_THREADS", "1")),
        "cpu_dispatch": _recorded.get("MKL_DEBUG_CPU_TYPE", "default"),
        "git_commit": _git_commit(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """Return the commit of the checkout that this package runs from, with ``+`` when it was changed since."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        run = partial(subprocess.run, cwd=root, capture_output=True, text=True, timeout=10, check=True)
        commit = run(["git", "rev-parse", "HEAD"]).stdout.strip()
        changed = run(["git", "status", "--porcelain", "--untracked-files=no"]).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}{'+' * bool(changed)}"
