"""Checks of the machine: device, CPU threads and dispatch, model hub and cache, disk."""

from __future__ import annotations

import math
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from paddle_tasks.doctor.finding import Finding, fail, ok, warn
from paddle_tasks.doctor.installation import PROBE_GRADIENT, gpu_install
from paddle_tasks.doctor.probe import Answer
from paddle_tasks.doctor.requirements import pip_install

# Where paddlenlp fetches the weights of bert-base-chinese; PPNLP_ENDPOINT does not move its built-in names.
HUB_URL = "https://bj.bcebos.com/paddlenlp/models/transformers/bert/bert-base-chinese.pdparams"

CGROUP = Path("/sys/fs/cgroup")
CPUINFO = Path("/proc/cpuinfo")
NVIDIA_DEVICE = Path("/dev/nvidia0")
NEEDED_DISK_BYTES = 10**9


def hub_probe(url: str = HUB_URL) -> str:
    """Return the code that asks for the headers of one file, by the proxy of the environment if there is one."""
    return f"""
import urllib.error, urllib.request
try:
    with urllib.request.urlopen(urllib.request.Request({url!r}, method="HEAD"), timeout=3) as response:
        report(status=response.status)
except urllib.error.HTTPError as error:
    report(status=error.code)
except OSError as error:
    report(reason=str(getattr(error, "reason", error)))
"""


def machine_gpus() -> list[str]:
    """Return the NVIDIA GPUs that the machine has, by the driver, whatever Paddle thinks of them."""
    if shutil.which("nvidia-smi"):
        try:
            listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=5, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            listing = ""
        if names := re.findall(r"^GPU \d+: (.+?)(?: \(UUID.*)?$", listing, re.MULTILINE):
            return names
    return ["an NVIDIA GPU"] if NVIDIA_DEVICE.exists() else []


def usable_cores() -> int:
    """Return how many cores this process may keep busy: its affinity, or the container's quota when that is less."""
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


def cpu_field(field: str) -> str:
    """Return a field of the first processor in /proc/cpuinfo, or what the platform calls the processor."""
    try:
        found = re.search(rf"^{field}\s*:\s*(.+)$", CPUINFO.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def check_device(answer: Answer, gpus: list[str]) -> Finding:
    """Check that Paddle computes, and that it uses the GPU that the machine has."""
    facts = answer.facts
    if "version" not in facts:
        return fail("device", "not examined, since paddle cannot be imported", "mend paddle first")
    cuda = facts["cuda"]
    error = answer.error or ("a gradient came out wrong" if facts["gradient"] != PROBE_GRADIENT else None)
    if error and cuda:
        fix = "install a GPU driver for this CUDA (nvidia-smi names the newest it supports), or train with --device cpu"
        return fail("device", f"paddle (CUDA {cuda}) cannot compute: {error}", fix)
    if error:
        fix = pip_install("paddlepaddle", "numpy", options="--force-reinstall")
        return fail("device", f"paddle cannot compute: {error}", fix)
    if facts["gpus"]:
        return ok("device", f"{facts['device']} of {len(facts['gpus'])} ({', '.join(facts['gpus'])})")
    found = f"{facts['device']} ({cpu_field('model name')})"
    if gpus and not cuda:
        return warn("device", f"{found}; the machine has {gpus[0]}, but this paddle has no CUDA", gpu_install())
    if gpus:
        fix = "unset CUDA_VISIBLE_DEVICES, and compare the CUDA version that nvidia-smi prints with paddle's"
        return warn("device", f"{found}; paddle (CUDA {cuda}) does not see {gpus[0]}", fix)
    return ok("device", f"{found}, no GPU")


def check_threads(answer: Answer, n_cores: int) -> Finding:
    """Compare the threads that Paddle gets in a run with the cores that may be used."""
    if "threads" not in answer.facts:
        return warn("threads", "not examined, since paddle cannot be imported", "mend paddle first")
    threads = int(answer.facts["threads"])
    found = f"OMP_NUM_THREADS={threads} in a run, {n_cores} usable cores"
    fix = f"export PADDLE_TASKS_THREADS={n_cores}"
    asked = os.environ.get("PADDLE_TASKS_THREADS") or "1"
    if not asked.isdecimal() or int(asked) < 1:
        return fail("threads", f"PADDLE_TASKS_THREADS={asked!r}, expected a whole number above 0", fix)
    if threads > n_cores:
        return warn("threads", f"{found}: more threads than cores slow each other down", fix)
    if threads > 1 or n_cores == 1 or os.environ.get("PADDLE_TASKS_THREADS") == "1":
        return ok("threads", found)
    if "unprepared" in answer.facts:
        return warn("threads", f"{found}; paddle_tasks cannot be imported: {answer.facts['unprepared']}", fix)
    return warn("threads", f"{found}: the others stay idle", f"unset OMP_NUM_THREADS, or {fix}")


def check_dispatch(answer: Answer, vendor: str) -> Finding:
    """Check that Paddle's MKL takes its fast path on this processor.

    The MKL that Paddle bundles takes AVX2 code on AMD only when MKL_DEBUG_CPU_TYPE=5 is set before it is loaded; on
    Intel the variable would hold it back.
    """
    if "dispatch" not in answer.facts:
        return warn("cpu dispatch", "not examined, since paddle cannot be imported", "mend paddle first")
    dispatch = answer.facts["dispatch"]
    found = f"{vendor or 'unknown processor'}, MKL_DEBUG_CPU_TYPE={dispatch or '(unset)'}"
    if "AMD" in vendor and dispatch != "5":
        return warn("cpu dispatch", f"{found}: MKL takes its slow path", "export MKL_DEBUG_CPU_TYPE=5")
    if "Intel" in vendor and dispatch:
        return warn("cpu dispatch", f"{found}: expected none on Intel", "unset MKL_DEBUG_CPU_TYPE")
    return ok("cpu dispatch", found)


def check_hub(answer: Answer) -> Finding:
    """Check that the hub from which paddlenlp downloads its models answers."""
    host = HUB_URL.split("/")[2]
    status = answer.facts.get("status")
    if status == 200:
        return ok("hub", f"{host} answers")
    reason = f"HTTP status {status}" if status else answer.error or answer.facts["reason"]
    return warn(
        "hub",
        f"{host} cannot be reached ({reason}); hub names such as bert-base-chinese load only from the model cache",
        "use a local folder or an encoder trained from scratch (textcnn), or fill the cache on a machine with network",
    )


def check_cache() -> Finding:
    """Count the models in the folder where paddlenlp keeps its downloads (PPNLP_HOME moves it)."""
    home = Path(os.environ.get("PPNLP_HOME") or Path.home() / ".paddlenlp")
    folder = home / "models"
    # One model may have its weights in several files; a folder with a tokenizer alone is no model.
    weights = [file for pattern in ("*.pdparams", "*.safetensors") for file in folder.rglob(pattern)]
    found = f"{len({file.parent for file in weights})} models in {_short(folder)}"
    if _can_be_made(folder):
        return ok("model cache", found)
    fix = "export PPNLP_HOME=FOLDER, with a folder that you may write to"
    return warn("model cache", f"{found}, which cannot be written", fix)


def _can_be_made(folder: Path) -> bool:
    try:
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
    except PermissionError:  # somewhere above, as in a container whose HOME belongs to another user
        return False
    return nearest.is_dir() and os.access(nearest, os.W_OK)


def check_disk(folder: Path) -> Finding:
    """Check that the working folder, where runs are kept, can be written and has room."""
    free_bytes = shutil.disk_usage(folder).free
    found = f"{free_bytes / 10**9:.1f} GB free in the working folder"
    if not os.access(folder, os.W_OK):
        return warn("disk", "the working folder cannot be written", "cd to a folder of yours, or set run_dir to one")
    if free_bytes < NEEDED_DISK_BYTES:
        return warn("disk", f"{found}; expected at least 1", "remove old runs, or set run_dir to another disk")
    return ok("disk", found)


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)
