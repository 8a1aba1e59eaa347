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
from paddle_tasks.language import _, join, mark
from paddle_tasks.operating_system import affine_cores

# From here bert-base-chinese is downloaded, or from the mirror of it that PPNLP_ENDPOINT names.
HUB_URL = "https://bj.bcebos.com/paddlenlp/models/transformers/bert/bert-base-chinese.pdparams"
PUBLISHER = "https://bj.bcebos.com/paddlenlp"

CGROUP = Path("/sys/fs/cgroup")
CPUINFO = Path("/proc/cpuinfo")
NVIDIA_DEVICE = Path("/dev/nvidia0")
NEEDED_DISK_BYTES = 10**9
_NO_PADDLE = mark("not checked, since paddle cannot be imported")


def hub_url() -> str:
    """Return the URL of a model that is published, at the mirror if there is one."""
    return (os.environ.get("PPNLP_ENDPOINT", "").rstrip("/") or PUBLISHER) + HUB_URL.removeprefix(PUBLISHER)


def hub_probe(url: str) -> str:
    """Return code that requests the headers of one file, through the proxy of the environment if there is one."""
    return f"""
import urllib.error, urllib.request
try:
    with urllib.request.urlopen(urllib.request.Request({url!r}, method="HEAD"), timeout=3) as response:
        report(status=response.status)
except urllib.error.HTTPError as error:
    report(status=error.code)
except OSError as error:
    reason = getattr(error, "reason", error)
    report(reason=str(reason), kind=type(reason).__name__)
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
    return [_("an NVIDIA GPU")] if NVIDIA_DEVICE.exists() else []


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
        return fail("device", _(_NO_PADDLE), _("fix paddle first"))
    cuda = facts["cuda"]
    error = probe.error or (_("a gradient was wrong") if facts["gradient"] != PROBE_GRADIENT else None)
    if error and cuda:
        fix = _(
            "install a GPU driver for this CUDA (nvidia-smi shows the newest supported), or train with --device cpu"
        )
        return fail("device", _("paddle (CUDA {cuda}) cannot compute: {error}").format(cuda=cuda, error=error), fix)
    if error:
        fix = pip_install("paddlepaddle", "numpy", options="--force-reinstall")
        return fail("device", _("paddle cannot compute: {error}").format(error=error), fix)
    if facts["gpus"]:
        message = _("{device} of {count} ({names})")
        names = join(facts["gpus"])
        return ok("device", message.format(device=facts["device"], count=len(facts["gpus"]), names=names))
    device = f"{facts['device']} ({cpu_field('model name')})"
    if gpus and not cuda:
        message = _("{device}; the machine has {gpu}, but this paddle has no CUDA")
        return warn("device", message.format(device=device, gpu=gpus[0]), gpu_install())
    if gpus:
        fix = _("unset CUDA_VISIBLE_DEVICES, and compare the CUDA version that nvidia-smi prints with paddle's")
        message = _("{device}; paddle (CUDA {cuda}) does not see {gpu}")
        return warn("device", message.format(device=device, cuda=cuda, gpu=gpus[0]), fix)
    return ok("device", _("{device}, no GPU").format(device=device))


def check_threads(probe: ProbeResult, n_cores: int) -> Finding:
    """Compare the number of threads that Paddle uses in a run with the number of usable cores."""
    if "threads" not in probe.facts:
        return warn("threads", _(_NO_PADDLE), _("fix paddle first"))
    threads = int(probe.facts["threads"])
    summary = _("OMP_NUM_THREADS={threads} in a run, {cores} usable cores").format(threads=threads, cores=n_cores)
    fix = f"export PADDLE_TASKS_THREADS={n_cores}"
    requested = os.environ.get("PADDLE_TASKS_THREADS") or "1"
    if not requested.isdecimal() or int(requested) < 1:
        message = _("PADDLE_TASKS_THREADS={value!r}, expected a whole number above 0")
        return fail("threads", message.format(value=requested), fix)
    if threads > n_cores:
        message = _("{summary}: more threads than cores slow each other down")
        return warn("threads", message.format(summary=summary), fix)
    if threads > 1 or n_cores == 1 or os.environ.get("PADDLE_TASKS_THREADS") == "1":
        return ok("threads", summary)
    if "unprepared" in probe.facts:
        message = _("{summary}; paddle_tasks cannot be imported: {error}")
        return warn("threads", message.format(summary=summary, error=probe.facts["unprepared"]), fix)
    fix = _("unset OMP_NUM_THREADS, or {command}").format(command=fix)
    return warn("threads", _("{summary}: the other cores stay idle").format(summary=summary), fix)


def check_dispatch(probe: ProbeResult, vendor: str) -> Finding:
    """Check that Paddle's MKL uses its fast code path on this processor.

    On AMD, the MKL bundled with Paddle uses AVX2 only if MKL_DEBUG_CPU_TYPE=5 is set before it is loaded. On Intel,
    the variable would make it slower.
    """
    if "dispatch" not in probe.facts:
        return warn("cpu dispatch", _(_NO_PADDLE), _("fix paddle first"))
    dispatch = probe.facts["dispatch"]
    processor, value = vendor or _("unknown processor"), dispatch or _("(unset)")
    summary = f"{processor}, MKL_DEBUG_CPU_TYPE={value}"
    if "AMD" in vendor and dispatch != "5":
        message = _("{summary}: MKL uses its slow code path").format(summary=summary)
        return warn("cpu dispatch", message, "export MKL_DEBUG_CPU_TYPE=5")
    if "Intel" in vendor and dispatch:
        message = _("{summary}: should be unset on Intel").format(summary=summary)
        return warn("cpu dispatch", message, "unset MKL_DEBUG_CPU_TYPE")
    if "AMD" in vendor or "Intel" in vendor:
        summary = _("MKL uses its fast code path ({summary})").format(summary=summary)
    return ok("cpu dispatch", summary)


def check_onednn(probe: ProbeResult) -> Finding:
    """Tell how a run on this CPU computes: by oneDNN in bfloat16 or float32, or by Paddle and numpy."""
    facts = probe.facts
    if "version" not in facts:
        return warn("cpu kernels", _not_checked(probe), _("fix the other problems first"))
    if "precision" not in facts:
        return warn("cpu kernels", _not_checked(probe), "unset PADDLE_TASKS_PRECISION")
    if facts["version"] is None:
        problem = _("Paddle and numpy in float32, several times slower, since {reason}")
        return warn("cpu kernels", problem.format(reason=facts["why_not"]), _onednn_fix(facts["why_not"]))
    if facts.get("product") != ONEDNN_PRODUCT:
        wrong = _("a product was {found}, expected {expected}")
        problem = probe.error or wrong.format(found=facts.get("product"), expected=ONEDNN_PRODUCT)
        return warn("cpu kernels", f"oneDNN {facts['version']}: {problem}", "export PADDLE_TASKS_ONEDNN=0")
    reason = _("faster than float32 here") if facts["precision"] == "bfloat16" else _why_float32(facts["isa"])
    message = _("oneDNN {version} ({isa}), auto is {precision} on the CPU: {reason}")
    found = {name: facts[name] for name in ("version", "isa", "precision")}
    return ok("cpu kernels", message.format(**found, reason=reason))


def _not_checked(probe: ProbeResult) -> str:
    return _("not checked: {error}").format(error=probe.error)


def _onednn_fix(reason: str) -> str:
    if "PADDLE_TASKS_ONEDNN" in reason:
        return "unset PADDLE_TASKS_ONEDNN"
    if "AVX" in reason:
        return _("use a machine with a newer CPU")
    command = pip_install("paddlepaddle", options="--force-reinstall")
    return _("{command}, on Linux x86-64").format(command=command)


def _why_float32(isa: str) -> str:
    if os.environ.get("PADDLE_TASKS_PRECISION") == "float32":
        return _("PADDLE_TASKS_PRECISION says so")
    return _("{isa} does not multiply bfloat16 faster").format(isa=isa)


def check_hub(probe: ProbeResult) -> Finding:
    """Check that the hub from which paddlenlp downloads models can be reached."""
    host = hub_url().split("/")[2]
    status = probe.facts.get("status")
    if status == 200:
        return ok("hub", _("{host} answers").format(host=host))
    reason = _("HTTP status {status}").format(status=status) if status else probe.error or _network_problem(probe)
    message = _(
        "{host} cannot be reached ({reason}); hub names such as bert-base-chinese load only from the model cache"
    )
    fix = _(
        "use a local folder or an encoder trained from scratch (textcnn), or fill the cache on a machine with network"
    )
    return warn("hub", message.format(host=host, reason=reason), fix)


def _network_problem(probe: ProbeResult) -> str:
    """Return why a host did not answer: usual reasons in words, others as the system says them."""
    kind, reason = probe.facts.get("kind"), str(probe.facts["reason"])
    if kind == "gaierror":
        return _("its address cannot be looked up, perhaps there is no network")
    return _("no answer in time") if kind in ("TimeoutError", "timeout") else reason


def check_cache() -> Finding:
    """Check the folder of paddlenlp's downloads (PPNLP_HOME sets another one), and count its models."""
    home = Path(os.environ.get("PPNLP_HOME") or home_folder() / ".paddlenlp")
    folder = home / "models"
    # A model may have several weight files; a folder with only a tokenizer is not a model.
    weights = [file for pattern in ("*.pdparams", "*.safetensors") for file in folder.rglob(pattern)]
    n_models = len({file.parent for file in weights})
    summary = _("{count} models in {folder}").format(count=n_models, folder=_short(folder))
    if can_write(folder):
        return ok("model cache", summary)
    fix = _("export PPNLP_HOME=FOLDER, with a folder that you can write to")
    return warn("model cache", _("{summary}, which cannot be written").format(summary=summary), fix)


def check_disk(folder: Path) -> Finding:
    """Check that the working folder, where runs are saved, can be written and has free space."""
    free_bytes = shutil.disk_usage(folder).free
    summary = _("{free:.1f} GB free in the working folder").format(free=free_bytes / 10**9)
    if not can_write(folder):
        return warn(
            "disk",
            _("the working folder cannot be written"),
            _("cd to a folder that you can write to, or set run_dir to one"),
        )
    if free_bytes < NEEDED_DISK_BYTES:
        message = _("{summary}; expected at least 1").format(summary=summary)
        return warn("disk", message, _("remove old runs, or set run_dir to another disk"))
    return ok("disk", summary)


def _short(path: Path) -> str:
    home = home_folder()
    return f"~/{path.relative_to(home).as_posix()}" if path.is_relative_to(home) else str(path)
