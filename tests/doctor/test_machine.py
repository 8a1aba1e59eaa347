"""The doctor's checks of the machine."""

from __future__ import annotations

import http.server
import os
import shutil
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from paddle_tasks import downloads
from paddle_tasks.doctor import installation, machine
from paddle_tasks.doctor.finding import ok
from paddle_tasks.doctor.probe import ProbeResult, run_probe
from tests.doctor.helpers import GPU, NO_PADDLE, add_module, having

# Device


@pytest.mark.parametrize(
    ("facts", "gpus", "status", "words"),
    [
        ({}, [], "ok", "no GPU"),
        ({}, GPU, "warn", "this paddle has no CUDA"),
        ({"cuda": "12.6"}, GPU, "warn", "does not see Tesla T4"),
        ({"cuda": "12.6"}, [], "ok", "no GPU"),
        ({"cuda": "12.6", "device": "gpu:0", "gpus": GPU * 2}, GPU, "ok", "gpu:0 of 2 (Tesla T4, Tesla T4)"),
        ({"cuda": "12.6", "gradient": 0.0}, GPU, "fail", "a gradient was wrong"),
        ({"gradient": 0.0}, [], "fail", "a gradient was wrong"),
    ],
)
def test_device(facts, gpus, status, words):
    finding = machine.check_device(having(**facts), gpus)
    assert finding.status == status
    assert words in finding.message


def test_device_that_fails_at_its_first_operation():
    probe = ProbeResult({"version": "3.3.1", "cuda": "12.6"}, "OSError: (External) CUDNN error(1)")
    finding = machine.check_device(probe, GPU)
    assert finding.status == "fail"
    assert "CUDNN error(1)" in finding.message
    assert "--device cpu" in finding.fix


def test_machine_gpus(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "NVIDIA_DEVICE", tmp_path / "nvidia0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.machine_gpus() == []
    command = tmp_path / "nvidia-smi"
    listing = "GPU 0: Tesla T4 (UUID: GPU-1)\nGPU 1: NVIDIA A100 (40GB) (UUID: GPU-2)"
    command.write_text(f"#!/bin/sh\necho '{listing}'\n")
    command.chmod(0o755)
    assert machine.machine_gpus() == ["Tesla T4", "NVIDIA A100 (40GB)"]
    command.write_text("#!/bin/sh\necho 'GPU 0: unable to determine the device handle'\nexit 9\n")
    assert machine.machine_gpus() == []
    (tmp_path / "nvidia0").touch()
    assert machine.machine_gpus() == ["an NVIDIA GPU"]


# Threads and dispatch

# As Paddle does it: OMP_NUM_THREADS is 1 unless it was set before.
FAKE_PADDLE = """
import os, sys
from types import SimpleNamespace as Namespace
__version__ = "after paddle_tasks" if "paddle_tasks" in sys.modules else "alone"
os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")
def is_compiled_with_cuda(): return False
"""


def test_paddle_probe_reports_the_environment_of_a_run(site, monkeypatch):
    add_module(site, "paddle", FAKE_PADDLE)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("MKL_DEBUG_CPU_TYPE", "5")
    monkeypatch.delenv("PADDLE_TASKS_THREADS", raising=False)
    facts = run_probe(installation.PADDLE_PROBE, 20).facts
    assert (facts["version"], facts["threads"], facts["dispatch"]) == ("after paddle_tasks", "3", "5")


def test_threads_set_to_one_from_outside(site, monkeypatch):
    add_module(site, "paddle", FAKE_PADDLE)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("PADDLE_TASKS_THREADS", raising=False)
    finding = machine.check_threads(run_probe(installation.PADDLE_PROBE, 20), 4)
    assert finding.status == "warn"
    assert finding.fix == "unset OMP_NUM_THREADS, or export PADDLE_TASKS_THREADS=4"


@pytest.mark.parametrize(
    ("threads", "cores", "asked", "status"),
    [
        ("1", 1, "", "ok"),
        ("1", 2, "", "warn"),
        ("1", 2, "1", "ok"),
        ("2", 4, "", "ok"),
        ("4", 4, "", "ok"),
        ("64", 4, "", "warn"),
    ],
)
def test_threads(threads, cores, asked, status, monkeypatch):
    monkeypatch.setenv("PADDLE_TASKS_THREADS", asked)
    finding = machine.check_threads(having(threads=threads), cores)
    assert finding.status == status
    assert status == "ok" or f"PADDLE_TASKS_THREADS={cores}" in finding.fix


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "1600000 100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    ],
)
def test_usable_cores_obey_the_quota_of_the_container(files, cores, tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert machine.usable_cores() == cores


@pytest.mark.parametrize(
    ("vendor", "dispatch", "status", "fix"),
    [
        ("AuthenticAMD", "5", "ok", None),
        ("AuthenticAMD", None, "warn", "export MKL_DEBUG_CPU_TYPE=5"),
        ("AuthenticAMD", "4", "warn", "export MKL_DEBUG_CPU_TYPE=5"),
        ("AMD64 Family 25 Model 97 Stepping 2, AuthenticAMD", None, "warn", "export MKL_DEBUG_CPU_TYPE=5"),
        ("GenuineIntel", None, "ok", None),
        ("GenuineIntel", "5", "warn", "unset MKL_DEBUG_CPU_TYPE"),
        ("aarch64", None, "ok", None),
    ],
)
def test_dispatch(vendor, dispatch, status, fix):
    finding = machine.check_dispatch(having(dispatch=dispatch), vendor)
    assert (finding.status, finding.fix) == (status, fix)
    assert finding.message.startswith("MKL uses its fast code path (") == (status == "ok" and vendor != "aarch64")


def test_cpu_field(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(machine.platform, "processor", lambda: "Intel64 Family 6, GenuineIntel")
    assert machine.cpu_field("vendor_id") == "Intel64 Family 6, GenuineIntel"
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n")
    assert machine.cpu_field("vendor_id") == "AuthenticAMD"
    assert machine.cpu_field("model name") == "AMD EPYC"


@pytest.mark.parametrize("check", [machine.check_threads, machine.check_dispatch, machine.check_device])
def test_without_paddle_other_checks_point_to_it(check):
    finding = check(NO_PADDLE, 2)
    assert finding.status != "ok"
    assert finding.fix == "fix paddle first"


FOUND = {"version": "3.6.2", "isa": "avx512_core_bf16", "why_not": "", "precision": "bfloat16", "product": 64.0**3}
LACKING = {**FOUND, "version": None, "isa": None, "precision": "float32"}


@pytest.mark.parametrize(
    ("facts", "error", "status", "message"),
    [
        (FOUND, None, "ok", "oneDNN 3.6.2 (avx512_core_bf16), auto is bfloat16 on the CPU: faster than float32 here"),
        (
            {**FOUND, "isa": "avx2", "precision": "float32"},
            None,
            "ok",
            "oneDNN 3.6.2 (avx2), auto is float32 on the CPU: avx2 does not multiply bfloat16 faster",
        ),
        (
            {**LACKING, "why_not": "PADDLE_TASKS_ONEDNN=0"},
            None,
            "warn",
            "Paddle and numpy in float32, several times slower, since PADDLE_TASKS_ONEDNN=0",
        ),
        ({**FOUND, "product": 1.0}, None, "warn", "oneDNN 3.6.2: a product was 1.0, expected 262144.0"),
        ({**FOUND, "product": None}, "killed by signal 4", "warn", "oneDNN 3.6.2: killed by signal 4"),
        (
            {key: FOUND[key] for key in ("version", "isa", "why_not")},
            "SetupError: PADDLE_TASKS_PRECISION='half'",
            "warn",
            "not checked: SetupError: PADDLE_TASKS_PRECISION='half'",
        ),
        ({}, "ModuleNotFoundError: numpy", "warn", "not checked: ModuleNotFoundError: numpy"),
    ],
)
def test_how_a_cpu_computes(facts, error, status, message, monkeypatch):
    monkeypatch.delenv("PADDLE_TASKS_PRECISION", raising=False)
    finding = machine.check_onednn(ProbeResult(facts, error))
    assert (finding.status, finding.message) == (status, message)
    assert bool(finding.fix) == (status != "ok")


# Hub, cache, disk


@pytest.fixture
def hub(monkeypatch):
    """A local server whose answer to HEAD is the number in the path."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(int(self.path.strip("/")))
            self.end_headers()

        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("status", "outcome", "words"), [(200, "ok", "answers"), (403, "warn", "HTTP status 403")])
def test_hub_that_answers(hub, status, outcome, words):
    finding = machine.check_hub(run_probe(machine.hub_probe(f"{hub}/{status}"), 20))
    assert finding.status == outcome
    assert words in finding.message


def test_hub_out_of_reach():
    finding = machine.check_hub(run_probe(machine.hub_probe("http://127.0.0.1:9/x"), 20))
    assert finding.status == "warn"
    assert "refused" in finding.message
    assert "bert-base-chinese" in finding.message
    assert "local folder" in finding.fix
    assert machine.check_hub(ProbeResult({}, "no answer within 6 s")).status == "warn"


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("gaierror", "its address cannot be looked up, perhaps there is no network"),
        ("TimeoutError", "no answer in time"),
        ("SSLError", "[Errno -2] a reason"),
    ],
)
def test_usual_network_problems_are_in_words(kind, shown):
    finding = machine.check_hub(ProbeResult({"reason": "[Errno -2] a reason", "kind": kind}))
    assert f"cannot be reached ({shown}); " in finding.message


def test_the_probe_tells_the_kind_of_a_problem():
    assert run_probe(machine.hub_probe("http://127.0.0.1:9/x"), 20).facts["kind"] == "ConnectionRefusedError"


def test_hub_is_the_one_that_paddlenlp_downloads_from():
    # Read, not imported: paddlenlp is imported once in this file.
    [folder] = [entry for entry in map(Path, sys.path) if (entry / "paddlenlp").is_dir()]
    source = (folder / "paddlenlp" / "transformers" / "bert" / "configuration.py").read_text(encoding="utf-8")
    assert machine.HUB_URL.removeprefix("https") in source


def test_hub_may_be_a_mirror(monkeypatch):
    monkeypatch.delenv("PPNLP_ENDPOINT", raising=False)
    assert machine.hub_url() == machine.HUB_URL == downloads.mirrored(machine.HUB_URL)
    monkeypatch.setenv("PPNLP_ENDPOINT", "http://mirror.invalid/x/")
    assert machine.hub_url() == downloads.mirrored(machine.HUB_URL)
    assert machine.check_hub(ProbeResult({"status": 200})).message == "mirror.invalid answers"


def test_cache_counts_models(tmp_path, monkeypatch):
    monkeypatch.setenv("PPNLP_HOME", str(tmp_path / "new"))
    assert machine.check_cache() == ok("model cache", f"0 models in {tmp_path / 'new' / 'models'}")
    names = ["bert/model_state.pdparams", "org/ernie/a-1.safetensors", "org/ernie/a-2.safetensors", "tokens/vocab.txt"]
    for name in names:
        file = tmp_path / "new" / "models" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert machine.check_cache().message.startswith("2 models in ")


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("PPNLP_HOME", str(tmp_path / "file"))
    finding = machine.check_cache()
    assert finding.status == "warn"
    assert finding.fix.startswith("export PPNLP_HOME=")


def test_cache_below_a_folder_of_another_user(tmp_path, monkeypatch):
    def refuse(path: Path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setenv("PPNLP_HOME", str(tmp_path))
    monkeypatch.setattr(Path, "exists", refuse)
    assert machine.check_cache().status == "warn"


def test_cache_where_permissions_promise_too_much(monkeypatch):
    monkeypatch.delenv("PPNLP_HOME", raising=False)
    monkeypatch.setenv("HOME", "/proc")
    monkeypatch.setattr(os, "access", lambda path, mode: True)
    finding = machine.check_cache()
    assert finding.status == "warn"
    assert finding.message == "0 models in ~/.paddlenlp/models, which cannot be written"


def test_cache_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("PPNLP_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert machine.check_cache().message == "0 models in ~/.paddlenlp/models"


@pytest.mark.parametrize(("free_bytes", "status"), [(10**9 - 1, "warn"), (10**9, "ok")])
def test_disk_room(free_bytes, status, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free_bytes))
    assert machine.check_disk(tmp_path).status == status


def test_disk_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    finding = machine.check_disk(tmp_path / "file")
    assert finding.status == "warn"
    assert "cannot be written" in finding.message


@pytest.mark.parametrize("asked", ["abc", "0", "-1", "1.5", "²"])
def test_threads_that_are_not_a_number(monkeypatch, asked):
    monkeypatch.setenv("PADDLE_TASKS_THREADS", asked)
    finding = machine.check_threads(having(threads="4"), 4)
    assert (finding.status, finding.fix) == ("fail", "export PADDLE_TASKS_THREADS=4")
    assert repr(asked) in finding.message
