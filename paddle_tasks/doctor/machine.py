"""Checks of the machine: device, CPU threads and dispatch, model hub, model cache and disk."""

from __future__ import annotations

import math
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

from paddle_tasks.doctor.finding import Finding, fail, ok, warn
from paddle_tasks.doctor.home import can_write, home_folder
from paddle_tasks.doctor.installation import ONEDNN_PRODUCT, PROBE_GRADIENT, gpu_install
from paddle_tasks.doctor.probe import ProbeResult
from paddle_tasks.doctor.requirements import pip_install

# From here paddlenlp downloads bert-base-chinese; PPNLP_ENDPOINT does not affect its built-in names.
HUB_URL = "https://bj.bcebos.com/paddlenlp/models/transformers/bert/bert-base-chinese.pdparams"

CGROUP = Path("/sys/fs/cgroup")
CPUINFO = Path("/proc/cpuinfo")
NVIDIA_DEVICE = Path("/dev/nvidia0")
NEEDED_DISK_BYTES = 10**9


def hub_probe(url: str = HUB_URL) -> str:
    """Return code that requests the headers of one file, through the proxy of the environment if there is one."""
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
    """Return the names of the machine's NVIDIA GPUs according to the driver, independently of Paddle."""
    if shutil.which("nvidia-smi"):
        try:
            listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=5, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            listing = ""
        if names := re.findall(r"^GPU \d+: (.+?)(?: \(UUID.*)?$", listing, re.MULTILINE):
            return names
    return ["an NVIDIA GPU"] if NVIDIA_DEVICE.exists() else []


def usable_cores() -> int:
    """Return how many cores this process may use: the smaller of its CPU affinity and its container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return math.ceil(min(cores, _cpu_quota()))


def _cpu_quota() -> float:
    """Return the CPU quota of the control group in cores; infinite without a limit."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):  # version 2, version 1
        try:
            quota, period = " ".join((CGROUP / file).read_text(encoding="ascii") for file in files).split()
        except (OSError, ValueError):
            continue
        return int(quota) / int(period) if quota.isdigit() else math.inf  # "max" or "-1" means no limit
    return math.inf


def cpu_field(field: str) -> str:
    """Return a field of the first processor in /proc/cpuinfo, or Python's name of the processor."""
    try:
        match = re.search(rf"^{field}\s*:\s*(.+)$", CPUINFO.read_text(encoding="utf-8", errors="replace"), re.MULTILINE)
    except OSError:
        match = None
    return match[1] if match else platform.processor() or platform.machine()


def check_device(probe: ProbeResult, gpus: list[str]) -> Finding:
    """Check that Paddle computes correctly, and that it uses the machine's GPU if there is one."""
    facts = probe.facts
    if "version" not in facts:
        return fail("device", "not checked, since paddle cannot be imported", "fix paddle first")
    cuda = facts["cuda"]
    error = probe.error or ("a gradient was wrong" if facts["gradient"] != PROBE_GRADIENT else None)
    if error and cuda:
        fix = "install a GPU driver for this CUDA (nvidia-smi shows the newest supported), or train with --device cpu"
        return fail("device", f"paddle (CUDA {cuda}) cannot compute: {error}", fix)
    if error:
        fix = pip_install("paddlepaddle", "numpy", options="--force-reinstall")
        return fail("device", f"paddle cannot compute: {error}", fix)
    if facts["gpus"]:
        return ok("device", f"{facts['device']} of {len(facts['gpus'])} ({', '.join(facts['gpus'])})")
    device = f"{facts['device']} ({cpu_field('model name')})"
    if gpus and not cuda:
        return warn("device", f"{device}; the machine has {gpus[0]}, but this paddle has no CUDA", gpu_install())
    if gpus:
        fix = "unset CUDA_VISIBLE_DEVICES, and compare the CUDA version that nvidia-smi prints with paddle's"
        return warn("device", f"{device}; paddle (CUDA {cuda}) does not see {gpus[0]}", fix)
    return ok("device", f"{device}, no GPU")


def check_threads(probe: ProbeResult, n_cores: int) -> Finding:
    """Compare the number of threads that Paddle uses in a run with the number of usable cores."""
    if "threads" not in probe.facts:
        return warn("threads", "not checked, since paddle cannot be imported", "fix paddle first")
    threads = int(probe.facts["threads"])
    summary = f"OMP_NUM_THREADS={threads} in a run, {n_cores} usable cores"
    fix = f"export PADDLE_TASKS_THREADS={n_cores}"
    requested = os.environ.get("PADDLE_TASKS_THREADS") or "1"
    if not requested.isdecimal() or int(requested) < 1:
        return fail("threads", f"PADDLE_TASKS_THREADS={requested!r}, expected a whole number above 0", fix)
    if threads > n_cores:
        return warn("threads", f"{summary}: more threads than cores slow each other down", fix)
    if threads > 1 or n_cores == 1 or os.environ.get("PADDLE_TASKS_THREADS") == "1":
        return ok("threads", summary)
    if "unprepared" in probe.facts:
        return warn("threads", f"{summary}; paddle_tasks cannot be imported: {probe.facts['unprepared']}", fix)
    return warn("threads", f"{summary}: the other cores stay idle", f"unset OMP_NUM_THREADS, or {fix}")


def check_dispatch(probe: ProbeResult, vendor: str) -> Finding:
    """Check that Paddle's MKL uses its fast code path on this processor.

    On AMD, the MKL bundled with Paddle uses AVX2 only if MKL_DEBUG_CPU_TYPE=5 is set before it is loaded. On Intel,
    the variable would make it slower.
    """
    if "dispatch" not in probe.facts:
        return warn("cpu dispatch", "not checked, since paddle cannot be imported", "fix paddle first")
    dispatch = probe.facts["dispatch"]
    summary = f"{vendor or 'unknown processor'}, MKL_DEBUG_CPU_TYPE={dispatch or '(unset)'}"
    if "AMD" in vendor and dispatch != "5":
        return warn("cpu dispatch", f"{summary}: MKL uses its slow code path", "export MKL_DEBUG_CPU_TYPE=5")
    if "Intel" in vendor and dispatch:
        return warn("cpu dispatch", f"{summary}: should be unset on Intel", "unset MKL_DEBUG_CPU_TYPE")
    return ok("cpu dispatch", summary)


def check_onednn(probe: ProbeResult) -> Finding:
    """Tell how a run on this CPU computes: by oneDNN in bfloat16 or float32, or by Paddle and numpy."""
    facts = probe.facts
    if "version" not in facts:
        return warn("cpu kernels", f"not checked: {probe.error}", "fix the other problems first")
    if "precision" not in facts:
        return warn("cpu kernels", f"not checked: {probe.error}", "unset PADDLE_TASKS_PRECISION")
    if facts["version"] is None:
        problem = f"Paddle and numpy in float32, several times slower, since {facts['why_not']}"
        return warn("cpu kernels", problem, _onednn_fix(facts["why_not"]))
    if facts.get("product") != ONEDNN_PRODUCT:
        problem = probe.error or f"a product was {facts.get('product')}, expected {ONEDNN_PRODUCT}"
        return warn("cpu kernels", f"oneDNN {facts['version']}: {problem}", "export PADDLE_TASKS_ONEDNN=0")
    means = "faster than float32 here" if facts["precision"] == "bfloat16" else _why_float32(facts["isa"])
    return ok(
        "cpu kernels", f"oneDNN {facts['version']} ({facts['isa']}), auto is {facts['precision']} on the CPU: {means}"
    )


def _onednn_fix(reason: str) -> str:
    if "PADDLE_TASKS_ONEDNN" in reason:
        return "unset PADDLE_TASKS_ONEDNN"
    if "AVX" in reason:
        return "use a machine with a newer CPU"
    return pip_install("paddlepaddle", options="--force-reinstall") + ", on Linux x86-64"


def _why_float32(isa: str) -> str:
    if os.environ.get("PADDLE_TASKS_PRECISION") == "float32":
        return "PADDLE_TASKS_PRECISION says so"
    return f"{isa} does not multiply bfloat16 faster"


def check_hub(probe: ProbeResult) -> Finding:
    """Check that the hub from which paddlenlp downloads models can be reached."""
    host = HUB_URL.split("/")[2]
    status = probe.facts.get("status")
    if status == 200:
        return ok("hub", f"{host} answers")
    reason = f"HTTP status {status}" if status else probe.error or probe.facts["reason"]
    return warn(
        "hub",
        f"{host} cannot be reached ({reason}); hub names such as bert-base-chinese load only from the model cache",
        "use a local folder or an encoder trained from scratch (textcnn), or fill the cache on a machine with network",
    )


def check_cache() -> Finding:
    """Check the folder of paddlenlp's downloads (PPNLP_HOME sets another one), and count its models."""
    home = Path(os.environ.get("PPNLP_HOME") or home_folder() / ".paddlenlp")
    folder = home / "models"
    # A model may have several weight files; a folder with only a tokenizer is not a model.
    weights = [file for pattern in ("*.pdparams", "*.safetensors") for file in folder.rglob(pattern)]
    summary = f"{len({file.parent for file in weights})} models in {_short(folder)}"
    if can_write(folder):
        return ok("model cache", summary)
    fix = "export PPNLP_HOME=FOLDER, with a folder that you can write to"
    return warn("model cache", f"{summary}, which cannot be written", fix)


def check_disk(folder: Path) -> Finding:
    """Check that the working folder, where runs are saved, can be written and has free space."""
    free_bytes = shutil.disk_usage(folder).free
    summary = f"{free_bytes / 10**9:.1f} GB free in the working folder"
    if not can_write(folder):
        return warn(
            "disk",
            "the working folder cannot be written",
            "cd to a folder that you can write to, or set run_dir to one",
        )
    if free_bytes < NEEDED_DISK_BYTES:
        return warn("disk", f"{summary}; expected at least 1", "remove old runs, or set run_dir to another disk")
    return ok("disk", summary)


def _short(path: Path) -> str:
    home = home_folder()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)
