"""Process set-up that must precede ``import paddle``: CPU threads and dispatch; then device and seeds."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import io
import math
import os
import platform
import re
import subprocess
import sys
import warnings
from functools import cache, partial
from pathlib import Path
from typing import Any

from paddle_tasks.errors import SetupError, UserError

CGROUP = Path("/sys/fs/cgroup")
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # of glibc's malloc.h

_recorded: dict[str, str] = {}


def usable_cores() -> int:
    """Return how many cores this process may keep busy: its affinity, or its container's quota when that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return math.ceil(min(cores, _cpu_quota()))


def _cpu_quota() -> float:
    """Return the cores that the control group grants, infinite when it sets no limit."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):  # version 2, version 1
        try:
            quota, period = " ".join((CGROUP / file).read_text(encoding="ascii") for file in files).split()
        except (OSError, ValueError):
            continue
        return int(quota) / int(period) if quota.isdigit() else math.inf  # no limit is "max" resp. "-1"
    return math.inf


@cache
def is_amd() -> bool:
    """Tell whether the processor is AMD's, where Paddle's MKL takes a slow path unless it is told otherwise."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "AuthenticAMD" in cpuinfo.read_text(encoding="utf-8", errors="replace")


def threads() -> int:
    """Return the number of CPU threads for one process: PADDLE_TASKS_THREADS, or its part of the usable cores.

    Raises:
        UserError: PADDLE_TASKS_THREADS is not a whole number above 0.
    """
    asked = os.environ.get("PADDLE_TASKS_THREADS", "")
    if not asked:
        return _own_cores()
    if not asked.isdecimal() or int(asked) < 1:
        raise UserError(f"PADDLE_TASKS_THREADS={asked!r}: expected a whole number above 0")
    return int(asked)


def processes_here() -> int:
    """Return how many processes of this run `paddle.distributed.launch` has started on this machine; 1 without it."""
    if size := os.environ.get("PADDLE_LOCAL_SIZE"):
        return int(size)
    hosts = [place.partition(":")[0] for place in os.environ.get("PADDLE_TRAINER_ENDPOINTS", "").split(",")]
    own = os.environ.get("PADDLE_CURRENT_ENDPOINT", "").partition(":")[0]
    return max(1, hosts.count(own))  # with its --backend option


def _own_cores() -> int:
    return max(1, usable_cores() // processes_here())


def _is_launched() -> bool:
    return int(os.environ.get("PADDLE_TRAINERS_NUM") or 1) > 1


def prepare() -> None:
    """Set the environment variables that make Paddle fast on a CPU, where they are unset; once per process.

    Paddle fixes OMP_NUM_THREADS to 1 when it is imported without one, and its MKL looks at MKL_DEBUG_CPU_TYPE
    when it is loaded; so a Paddle that is there already keeps its speed, and a warning says so.
    """
    if _recorded:
        return
    paddle = sys.modules.get("paddle")
    # A loaded Paddle has written OMP_NUM_THREADS=1 itself, unless the variable was set, and so has the launcher's.
    writes_one = (paddle or _is_launched()) and os.environ.get("OMP_NUM_THREADS") == "1"
    replaces = os.environ.get("PADDLE_TASKS_THREADS") or writes_one
    if replaces or not os.environ.get("OMP_NUM_THREADS"):
        os.environ["OMP_NUM_THREADS"] = str(_threads_or_all())
    if paddle:
        _adjust(paddle)
    elif is_amd():
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
    _keep_freed_memory()
    names = ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE")
    _recorded.update({name: os.environ[name] for name in names if name in os.environ})


def _keep_freed_memory() -> None:
    """Have the C library keep the memory of freed tensors for the next ones.

    As it comes it takes each large tensor from the system, which fills it with zeros page by page, and gives it back:
    a product of 3,520 x 256 by 256 x 1,024 takes 14 ms so, and 9 ms with memory that is there already.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not every C library has it
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def _threads_or_all() -> int:
    """Return `threads`, or every usable core when they cannot be told: `import_paddle` says why, an import must not."""
    try:
        return threads()
    except UserError:
        return _own_cores()


def _adjust(paddle: Any) -> None:
    paddle.base.core.set_num_threads(_n_threads(os.environ["OMP_NUM_THREADS"]))
    warnings.warn(
        "paddle was imported before paddle_tasks: threads are set, but the CPU dispatch stays as it was; "
        "import paddle_tasks first for the full speed",
        stacklevel=4,
    )


def _n_threads(variable: str) -> int:
    """Return the number in OMP_NUM_THREADS, of which OpenMP allows a list such as ``4,2``; 1 when there is none."""
    found = re.match(r"\s*([0-9]+)", variable)
    return int(found[1]) if found else 1


def child_environment() -> dict[str, str]:
    """Return the environment for a child process: this one's, with what `prepare` recorded.

    Importing Paddle rewrites OMP_NUM_THREADS, so a child would otherwise inherit what it left.
    """
    return {**os.environ, **_recorded}


def import_paddle() -> Any:
    """Import Paddle and PaddleNLP without their notes on threads, compilers and setuptools, and return Paddle.

    Raises:
        SetupError: one of them is missing or cannot be imported.
        UserError: PADDLE_TASKS_THREADS is no number of threads.
    """
    threads()
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            paddle, paddlenlp = importlib.import_module("paddle"), importlib.import_module("paddlenlp")
        except Exception as error:  # broken installs raise ImportError, AttributeError and others
            if _is_ctrl_c(error):
                raise KeyboardInterrupt from error
            raise SetupError(f"paddle or paddlenlp cannot be imported ({error}); run `paddle-tasks doctor`") from error
    paddlenlp.utils.log.logger.set_level("ERROR")
    return paddle


def _is_ctrl_c(error: BaseException | None) -> bool:
    """Tell whether an import failed because of Ctrl-C, which compiled modules turn into an ImportError."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or _is_ctrl_c(error.__cause__))


def use_device(asked: str) -> str:
    """Make ``auto``, ``cpu``, ``gpu`` or ``gpu:N`` Paddle's device and return its name.

    Raises:
        SetupError: the name is unknown, or there is no such GPU.
    """
    paddle = import_paddle()
    n_gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    if _is_launched():
        asked = _launched_device(asked, n_gpus)
    if asked == "auto":
        asked = "gpu" if n_gpus else "cpu"
    if not re.fullmatch(r"cpu|gpu(:[0-9]+)?", asked):
        raise SetupError(f"--device {asked}: expected auto, cpu, gpu or gpu:N")
    if asked != "cpu" and int(asked.removeprefix("gpu").removeprefix(":") or 0) >= n_gpus:
        raise SetupError(f"--device {asked}: Paddle sees {n_gpus} GPUs; run `paddle-tasks doctor`")
    paddle.device.set_device(asked)
    return asked


def _launched_device(asked: str, n_gpus: int) -> str:
    """Return the kind of device that the launcher's processes speak over; of the GPUs Paddle takes this one's."""
    kind = "gpu" if n_gpus and os.environ.get("PADDLE_DISTRI_BACKEND") != "gloo" else "cpu"
    if asked not in ("auto", kind):
        raise SetupError(
            f"--device {asked}: the launcher gives each process its device, a {kind} here; leave --device out and "
            "choose with the launcher's --devices (GPUs) or --backend gloo (CPU)"
        )
    return kind


def make_deterministic() -> None:
    """Have a GPU choose algorithms that give the same bits every time; on a CPU they do anyhow."""
    paddle = import_paddle()
    if paddle.is_compiled_with_cuda():
        paddle.set_flags({"FLAGS_cudnn_deterministic": True, "FLAGS_embedding_deterministic": 1})


def environment(device: str) -> dict[str, Any]:
    """Return what a figure depends on besides its configuration: versions, device, threads, git commit."""
    packages = (
        "paddle_tasks",
        "paddlepaddle",
        "paddlepaddle-gpu",
        "paddlenlp",
        "numpy",
        "visualdl",
        "scikit-learn",
        "jieba",
    )
    versions = {name: version for name in packages if (version := _version(name))}
    return {
        "python": platform.python_version(),
        "versions": versions,
        "platform": platform.platform(),
        "device": device,
        "threads": _n_threads(_recorded["OMP_NUM_THREADS"]),
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
