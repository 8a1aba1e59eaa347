"""Process set-up: CPU threads and MKL dispatch (before ``import paddle``), then device and determinism."""

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
import threading
import warnings
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from paddle_tasks.errors import SetupError, UserError
from paddle_tasks.language import _
from paddle_tasks.operating_system import affine_cores
from paddle_tasks.process_state import training_slot

CGROUP = Path("/sys/fs/cgroup")
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # mallopt parameters from glibc's malloc.h

_IMPORT_LOCK = threading.Lock()
"""Two threads that redirect stderr at the same time would restore it in the wrong order, and lose it."""

prepared_variables: dict[str, str] = {}
"""The environment variables as `prepare` left them; empty before its first call."""


def usable_cores() -> int:
    """Return how many cores this process may use: the smaller of its CPU affinity and its container's quota."""
    return math.ceil(min(affine_cores(), _cpu_quota()))


def _cpu_quota() -> float:
    """Return the CPU quota of the control group in cores; infinite without a limit."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):  # version 2, version 1
        try:
            quota, period = " ".join((CGROUP / file).read_text(encoding="ascii") for file in files).split()
        except (OSError, ValueError):
            continue
        return int(quota) / int(period) if quota.isdigit() else math.inf  # "max" or "-1" means no limit
    return math.inf


@cache
def is_amd() -> bool:
    """Return whether the CPU is from AMD; there Paddle's MKL needs MKL_DEBUG_CPU_TYPE=5 to use its fast code path."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "AuthenticAMD" in cpuinfo.read_text(encoding="utf-8", errors="replace")


def thread_count() -> int:
    """Return the number of CPU threads for this process: PADDLE_TASKS_THREADS, or its share of the usable cores.

    Raises:
        UserError: PADDLE_TASKS_THREADS is not a whole number above 0.
    """
    requested = os.environ.get("PADDLE_TASKS_THREADS", "")
    if not requested:
        return _cores_per_process()
    if not requested.isdecimal() or int(requested) < 1:
        raise UserError(_("PADDLE_TASKS_THREADS={value!r}: expected a whole number above 0").format(value=requested))
    return int(requested)


def _local_process_count() -> int:
    """Return how many processes of this run `paddle.distributed.launch` started on this machine; 1 without it."""
    if size := os.environ.get("PADDLE_LOCAL_SIZE"):
        return int(size)
    # With its --backend option, the launcher sets the endpoints instead.
    hosts = [endpoint.partition(":")[0] for endpoint in os.environ.get("PADDLE_TRAINER_ENDPOINTS", "").split(",")]
    this_host = os.environ.get("PADDLE_CURRENT_ENDPOINT", "").partition(":")[0]
    return max(1, hosts.count(this_host))


def _cores_per_process() -> int:
    return max(1, usable_cores() // _local_process_count())


def _is_launched() -> bool:
    return int(os.environ.get("PADDLE_TRAINERS_NUM") or 1) > 1


def prepare() -> None:
    """Set the environment variables that make Paddle fast on a CPU, unless they are set; once per process.

    This must happen before Paddle is imported: Paddle sets OMP_NUM_THREADS to 1 if it is unset, and its MKL reads
    MKL_DEBUG_CPU_TYPE while loading. If Paddle is already loaded, only its threads can be set, and a warning says so.
    """
    if prepared_variables:
        return
    paddle = sys.modules.get("paddle")
    # A loaded Paddle, here or in the launcher, may have set OMP_NUM_THREADS=1 itself: that is not the user's choice.
    is_paddles_default = (paddle or _is_launched()) and os.environ.get("OMP_NUM_THREADS") == "1"
    replaces = os.environ.get("PADDLE_TASKS_THREADS") or is_paddles_default
    if replaces or not os.environ.get("OMP_NUM_THREADS"):
        os.environ["OMP_NUM_THREADS"] = str(_thread_count_or_default())
    if paddle:
        _set_threads_of_loaded(paddle)
    elif is_amd():
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
    _keep_freed_memory()
    names = ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE")
    prepared_variables.update({name: os.environ[name] for name in names if name in os.environ})


def share_threads(n_models: int) -> None:
    """Let each of several models that compute at the same time have its share of the threads.

    Threads that wait for each other are slow on cores that other threads occupy. PADDLE_TASKS_THREADS is left as it is.
    This must happen before Paddle is imported.
    """
    if not os.environ.get("PADDLE_TASKS_THREADS"):
        now = _parse_thread_count(os.environ.get("OMP_NUM_THREADS", ""))
        os.environ["OMP_NUM_THREADS"] = prepared_variables["OMP_NUM_THREADS"] = str(max(1, now // n_models))


def _keep_freed_memory() -> None:
    """Make the C library reuse the memory of freed tensors.

    By default it takes the memory of each large tensor from the system, which zeroes it page by page, and returns it
    afterwards. A product of 3,520 x 256 by 256 x 1,024 then takes 14 ms, and 9 ms with reused memory.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not every C library has mallopt
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def _thread_count_or_default() -> int:
    """Return `thread_count`, ignoring a wrong PADDLE_TASKS_THREADS: importing the package must not fail.

    `import_paddle` reports the mistake.
    """
    try:
        return thread_count()
    except UserError:
        return _cores_per_process()


def _set_threads_of_loaded(paddle: Any) -> None:
    paddle.base.core.set_num_threads(_parse_thread_count(os.environ["OMP_NUM_THREADS"]))
    warnings.warn(
        _(
            "paddle was imported before paddle_tasks: its threads are set, but its CPU dispatch cannot be changed; "
            "import paddle_tasks first for full speed"
        ),
        stacklevel=4,
    )


def _parse_thread_count(variable: str) -> int:
    """Return the first number in OMP_NUM_THREADS, which may be a list such as ``4,2``; 1 without a number."""
    match = re.match(r"\s*([0-9]+)", variable)
    return int(match[1]) if match else 1


def child_environment() -> dict[str, str]:
    """Return the environment for a child process: this process's, with the variables as `prepare` set them.

    Without that, a child would inherit the OMP_NUM_THREADS that importing Paddle has overwritten.
    """
    return {**os.environ, **prepared_variables}


def import_paddle() -> Any:
    """Import Paddle and PaddleNLP without their warnings about threads, compilers and setuptools; return Paddle.

    Raises:
        SetupError: one of them is missing or cannot be imported.
        UserError: PADDLE_TASKS_THREADS is not a whole number above 0.
    """
    thread_count()
    with _IMPORT_LOCK, _silence() if not _is_imported() else contextlib.nullcontext():
        try:
            paddle, paddlenlp = importlib.import_module("paddle"), importlib.import_module("paddlenlp")
        except Exception as error:  # broken installs raise ImportError, AttributeError and others
            if _is_ctrl_c(error):
                raise KeyboardInterrupt from error
            message = _("paddle or paddlenlp cannot be imported ({error}); run `paddle-tasks doctor`")
            raise SetupError(message.format(error=error)) from error
    paddlenlp.utils.log.logger.set_level("ERROR")
    return paddle


def _is_imported() -> bool:
    return {"paddle", "paddlenlp"} <= sys.modules.keys()


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Drop warnings and what is written to stderr, of all threads."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _is_ctrl_c(error: BaseException | None) -> bool:
    """Return whether an import failed because of Ctrl-C, which compiled modules turn into an ImportError."""
    return error is not None and (isinstance(error, KeyboardInterrupt) or _is_ctrl_c(error.__cause__))


def use_device(requested: str) -> str:
    """Set Paddle's device and return its name.

    Args:
        requested: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``; ``auto`` is a GPU if Paddle sees one. Beside a training it
            is the device of the training.

    Raises:
        SetupError: the name is unknown, there is no such GPU, or a training in this process uses another device.
    """
    paddle = import_paddle()
    n_gpus = paddle.device.cuda.device_count() if paddle.is_compiled_with_cuda() else 0
    if _is_launched():
        requested = _launched_device(requested, n_gpus)
    device = (training_slot.device or ("gpu" if n_gpus else "cpu")) if requested == "auto" else requested
    if not re.fullmatch(r"cpu|gpu(:[0-9]+)?", device):
        raise SetupError(_("--device {device}: expected auto, cpu, gpu or gpu:N").format(device=device))
    if device != "cpu" and int(device.removeprefix("gpu").removeprefix(":") or 0) >= n_gpus:
        message = _("--device {device}: Paddle sees {count} GPUs; run `paddle-tasks doctor`")
        raise SetupError(message.format(device=device, count=n_gpus))
    training_slot.claim_device(device)
    paddle.device.set_device(device)
    return device


def _launched_device(requested: str, n_gpus: int) -> str:
    """Return ``gpu`` or ``cpu`` for a process of the launcher; Paddle itself picks the GPU assigned to the process."""
    kind = "gpu" if n_gpus and os.environ.get("PADDLE_DISTRI_BACKEND") != "gloo" else "cpu"
    if requested not in ("auto", kind):
        raise SetupError(
            _(
                "--device {device}: the launcher assigns each process its device (here: {kind}); leave out --device "
                "and choose with the launcher's --devices (GPUs) or --backend gloo (CPU)"
            ).format(device=requested, kind=kind)
        )
    return kind


def has_gpu_package() -> bool:
    """Return whether Paddle's package for GPUs is installed."""
    return _version("paddlepaddle-gpu") is not None


def make_deterministic() -> None:
    """Select deterministic GPU algorithms; on a CPU, results are deterministic anyway."""
    paddle = import_paddle()
    if paddle.is_compiled_with_cuda():
        paddle.set_flags({"FLAGS_cudnn_deterministic": True, "FLAGS_embedding_deterministic": 1})


def describe_environment(device: str) -> dict[str, Any]:
    """Return what a result depends on apart from its configuration: versions, device, threads and git commit."""
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
        "threads": _parse_thread_count(prepared_variables["OMP_NUM_THREADS"]),
        "cpu_dispatch": prepared_variables.get("MKL_DEBUG_CPU_TYPE", "default"),
        "git_commit": _git_commit(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """Return the commit of the checkout this package runs from, with ``+`` appended if tracked files have changed."""
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
