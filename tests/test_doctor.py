"""The doctor against broken installations, which are played by fake modules and distributions on the module path."""

from __future__ import annotations

import ast
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from paddle_tasks import doctor
from paddle_tasks.doctor import installation, machine, requirements
from paddle_tasks.doctor.finding import fail, ok, warn
from paddle_tasks.doctor.probe import Answer, ask

ROOT = Path(__file__).parents[1]
HEALTHY = Answer(
    {
        "version": "3.3.1",
        "cuda": None,
        "threads": "4",
        "dispatch": "5",
        "device": "cpu",
        "gpus": [],
        "gradient": installation.PROBE_GRADIENT,
    }
)
NO_PADDLE = Answer({}, "ModuleNotFoundError: No module named 'paddle'")
GPU = ["Tesla T4"]
NAMES = [
    *("python", "paddle", "paddlenlp", "libraries", "versions", "device", "threads"),
    *("cpu dispatch", "hub", "model cache", "visualdl", "disk"),
]


def having(**facts) -> Answer:
    return Answer({**HEALTHY.facts, **facts})


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder in front of the module path, into which a test puts fake modules and distributions."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def bare(site, monkeypatch):
    """The same folder as the only one beside the standard library: nothing is installed."""
    monkeypatch.setattr(sys, "path", [str(site), *(entry for entry in sys.path if "-packages" not in entry)])
    return site


def add_module(site: Path, name: str, source: str) -> None:
    (site / f"{name}.py").write_text(source, encoding="utf-8")


def add_distribution(site: Path, name: str, version: str) -> None:
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")


def run_doctor(*arguments: str, site: Path | None = None, python: tuple[str, ...] = (), **environment: str):
    """Run the command in a fresh process with a hub that refuses at once and no variables of ours."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "MKL_", "PADDLE_TASKS_"))}
    path = os.pathsep.join([*([str(site)] if site else []), str(ROOT)])
    proxies = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, *python, "-m", "paddle_tasks.doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**inherited, **proxies, "PYTHONPATH": path, **environment},
    )


# The whole command


@pytest.fixture(scope="module")
def real_run():
    """The doctor on the installation that runs these tests: the only real import of paddlenlp in this file."""
    return run_doctor("--json")


def test_real_installation_can_train(real_run):
    report = json.loads(real_run.stdout)
    found = {finding["name"]: finding for finding in report["findings"]}
    assert real_run.returncode == 0, real_run.stdout + real_run.stderr
    assert report["ok"] is True
    healthy = ("python", "paddle", "paddlenlp", "libraries", "visualdl")
    assert [found[name]["status"] for name in healthy] == ["ok"] * len(healthy), found
    assert found["hub"]["status"] == "warn"


def test_real_run_has_the_fast_threads_and_dispatch_by_itself(real_run):
    found = {finding["name"]: finding for finding in json.loads(real_run.stdout)["findings"]}
    assert (found["threads"]["status"], found["cpu dispatch"]["status"]) == ("ok", "ok"), found


def assert_schema(report: dict) -> None:
    assert set(report) == {"ok", "findings"}
    assert [finding["name"] for finding in report["findings"]] == NAMES
    for finding in report["findings"]:
        assert set(finding) == {"name", "status", "message", "fix"}
        assert finding["status"] in {"ok", "warn", "fail"}
        assert finding["message"]
        assert bool(finding["fix"]) == (finding["status"] != "ok")


def test_json_schema(real_run):
    assert_schema(json.loads(real_run.stdout))


def test_runs_where_nothing_is_installed():
    # -S leaves out site-packages, and the children look where their parent looks.
    run = run_doctor("--json", python=("-S",))
    report = json.loads(run.stdout)
    found = {finding["name"]: finding for finding in report["findings"]}
    assert_schema(report)
    assert run.returncode == 1
    assert report["ok"] is False
    assert found["paddle"]["status"] == "fail"
    assert found["paddle"]["fix"].startswith("python -m pip install paddlepaddle==3.3.1")
    assert found["device"]["status"] == "fail"
    assert found["visualdl"]["status"] == "fail"


def test_runs_when_paddle_dies_in_its_import(tmp_path):
    add_module(tmp_path, "paddle", "import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    run = run_doctor(site=tmp_path)
    assert run.returncode == 1
    assert "fail  paddle " in run.stdout
    assert "killed by signal 4" in run.stdout
    assert run.stdout.splitlines()[-1].startswith("training cannot work")


@pytest.mark.parametrize(
    ("findings", "code"),
    [([ok("a", "b")], 0), ([ok("a", "b"), warn("c", "d", "e")], 0), ([ok("a", "b"), fail("c", "d", "e")], 1)],
)
@pytest.mark.parametrize("arguments", [[], ["--json"], ["--quiet"]])
def test_exit_code(findings, code, arguments, monkeypatch):
    monkeypatch.setattr(doctor, "examine", lambda: findings)
    assert doctor.main(arguments) == code


def test_prints_one_line_each_and_the_fix_below_it(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "examine", lambda: [ok("disk", "much room"), warn("hub", "silent", "plug it in")])
    doctor.main([])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:2]] == [["ok", "disk", "much", "room"], ["warn", "hub", "silent"]]
    assert lines[2] == "      fix: plug it in"
    doctor.main(["--quiet"])
    assert capsys.readouterr().out.splitlines() == lines[1:]


def test_help(capsys):
    with pytest.raises(SystemExit) as ended:
        doctor.main(["--help"])
    assert ended.value.code == 0
    assert "--json" in capsys.readouterr().out


# What it is made of


def imported_modules(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {f"{'.' * node.level}{node.module}" for node in nodes if isinstance(node, ast.ImportFrom)}


def test_imports_the_standard_library_alone():
    files = sorted((ROOT / "paddle_tasks" / "doctor").glob("*.py"))
    assert len(files) > 3
    for file in files:
        own = {name for name in imported_modules(file) if name.startswith("paddle_tasks.doctor")}
        foreign = {name.split(".")[0] for name in imported_modules(file) - own} - set(sys.stdlib_module_names)
        assert not foreign, f"{file.name} imports {foreign}"


def test_requirements_are_those_of_setup():
    strings = {
        node.value
        for node in ast.walk(ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {requirements.requirement(name) for name in requirements.REQUIREMENTS} <= strings


# The probe


def test_probe_keeps_what_it_learned_before_a_crash():
    answer = ask("report(a=1); import signal; os.kill(os.getpid(), signal.SIGSEGV)", 20)
    assert answer.facts == {"a": 1}
    assert answer.error.startswith("killed by signal 11 (Segmentation fault")


def test_probe_keeps_what_it_learned_before_a_hang():
    answer = ask("report(a=1); import time; time.sleep(60)", 1.5)
    assert answer.facts == {"a": 1}
    assert answer.error == "no answer within 1.5 s"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("raise ImportError('\\n\\nno such name\\nand more')", "ImportError: no such name"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("os._exit(0)", "the process ended early with exit code 0"),
        ("os._exit(3)", "the process ended early with exit code 3"),
        ("if", "SyntaxError: invalid syntax (<probe>, line 1)"),
        ("import atexit; atexit.register(os._exit, 9)", None),
        ("print('noise', end=''); sys.stderr.write('noise')", None),
    ],
)
def test_probe_error(code, error):
    answer = ask(f"report(a=1)\n{code}" if code != "if" else code, 20)
    assert answer.error == error
    assert code == "if" or answer.facts["a"] == 1


def test_probe_looks_for_modules_where_this_process_does(site):
    add_module(site, "numpy", "value = 'fake'")
    assert ask("import numpy; report(value=numpy.value)", 20).facts["value"] == "fake"


# Python and Paddle


@pytest.mark.parametrize(
    ("version", "status"), [((3, 9), "fail"), ((3, 10), "ok"), ((3, 12), "ok"), ((3, 13), "fail"), ((4, 0), "fail")]
)
def test_python(version, status):
    assert installation.check_python(version).status == status


def test_paddle_in_order(bare):
    add_distribution(bare, "paddlepaddle", "3.3.1")
    assert installation.check_paddle(HEALTHY, []) == ok("paddle", "3.3.1 (paddlepaddle 3.3.1)")


@pytest.mark.parametrize(("gpus", "hint"), [([], False), (GPU, True)])
def test_paddle_not_installed(bare, gpus, hint):
    finding = installation.check_paddle(ask(installation.PADDLE_PROBE, 20), gpus)
    assert finding.status == "fail"
    assert "No module named 'paddle'" in finding.message
    assert finding.fix.startswith("python -m pip install paddlepaddle==3.3.1")
    assert ("paddlepaddle-gpu" in finding.fix) is hint


def test_paddle_installed_and_broken(bare):
    add_distribution(bare, "paddlepaddle", "3.3.1")
    add_module(bare, "paddle", "raise ImportError('libgomp.so.1: cannot open shared object file')")
    finding = installation.check_paddle(ask(installation.PADDLE_PROBE, 20), [])
    assert finding.status == "fail"
    assert "libgomp.so.1" in finding.message
    assert finding.fix == 'python -m pip install --force-reinstall paddlepaddle==3.3.1 "numpy<2"'
    assert installation.check_paddle(NO_PADDLE, GPU).fix == installation.gpu_install()


@pytest.mark.parametrize(("answer", "status"), [(HEALTHY, "warn"), (NO_PADDLE, "fail")])
def test_cpu_wheel_over_gpu_wheel(bare, answer, status):
    add_distribution(bare, "paddlepaddle", "3.3.1")
    add_distribution(bare, "paddlepaddle-gpu", "3.2.0")
    finding = installation.check_paddle(answer, GPU)
    assert finding.status == status
    assert "paddlepaddle 3.3.1 and paddlepaddle-gpu 3.2.0 are both installed" in finding.message
    assert finding.fix.startswith("python -m pip uninstall -y paddlepaddle paddlepaddle-gpu, then install")
    assert installation.check_paddle(answer, []).fix.endswith("&& python -m pip install paddlepaddle==3.3.1")


def test_gpu_wheel_alone_is_no_conflict(bare):
    add_distribution(bare, "paddlepaddle-gpu", "3.3.1")
    assert installation.check_paddle(HEALTHY, GPU).status == "ok"
    assert "paddlepaddle==3.3.1 " not in installation.check_paddle(NO_PADDLE, GPU).fix


# PaddleNLP: the statements that fail and the texts of the exceptions are those of the real packages

LOST_NAMES = {
    "from huggingface_hub import repo_type_and_id_from_hf_id": '"huggingface_hub<0.37"',
    "from aistudio_sdk.hub import download": "aistudio-sdk==0.2.6",
    "import pyarrow; pyarrow.PyExtensionType": '"datasets>=3"',
}


@pytest.fixture
def paddlenlp(bare):
    add_distribution(bare, "paddlenlp", "3.0.0b4")

    def check(source: str):
        add_module(bare, "paddlenlp", source)
        return installation.check_paddlenlp(ask(installation.PADDLENLP_PROBE, 20), HEALTHY)

    return check


@pytest.mark.parametrize(("source", "wanted"), LOST_NAMES.items())
def test_paddlenlp_on_a_module_that_lost_a_name(bare, paddlenlp, source, wanted):
    for name in ("huggingface_hub", "pyarrow"):
        add_module(bare, name, "")
    (bare / "aistudio_sdk").mkdir()
    for name in ("__init__", "hub"):
        add_module(bare / "aistudio_sdk", name, "")
    finding = paddlenlp(source)
    assert finding.status == "fail"
    assert finding.fix == f"python -m pip install {wanted}"


@pytest.mark.parametrize(
    "source",
    [
        "raise ImportError('pyarrow requires NumPy 2.0 or newer, found 1.26.4')",
        "raise ImportError('numpy.core.multiarray failed to import')",
        "import sys; sys.stderr.write('AttributeError: _ARRAY_API not found\\n'); raise ImportError('lib')",
    ],
)
def test_paddlenlp_with_pyarrow_and_numpy_that_do_not_fit(paddlenlp, source):
    assert paddlenlp(source).fix == 'python -m pip install "pyarrow<22" "numpy<2"'


def test_paddlenlp_cannot_make_its_cache_folder(paddlenlp):
    finding = paddlenlp("raise PermissionError(13, 'Permission denied', '/home/anna/.paddlenlp/models')")
    assert finding.fix.startswith("export PPNLP_HOME=")


def test_paddlenlp_unknown_error(bare, paddlenlp):
    # The name of a suspect in the path of a trace is no evidence.
    add_module(bare, "huggingface_hub", "raise RuntimeError('something new')")
    finding = paddlenlp("import huggingface_hub")
    assert finding.status == "fail"
    assert "RuntimeError: something new" in finding.message
    assert finding.fix == f"python -m pip install -r requirements/py3{sys.version_info[1]}.txt"
    assert (ROOT / finding.fix.split()[-1]).exists()
    add_distribution(bare, "paddlepaddle-gpu", "3.3.1")
    assert "requirements/" not in paddlenlp("import huggingface_hub").fix


@pytest.mark.parametrize(
    ("version", "status"), [("3.0.0b4", "ok"), ("2.8.1", "warn"), ("3.0.0b3", "warn"), ("2.6.1", "warn")]
)
def test_paddlenlp_version(paddlenlp, version, status):
    finding = paddlenlp(f"__version__ = '{version}'")
    assert finding.status == status
    assert version in finding.message
    assert status == "ok" or finding.fix.startswith("python -m pip install paddlenlp==3.0.0b4 ")
    assert ("less proof" in finding.message) is (version == "2.8.1")


def test_paddlenlp_not_installed(bare):
    finding = installation.check_paddlenlp(ask(installation.PADDLENLP_PROBE, 20), HEALTHY)
    assert finding.status == "fail"
    assert finding.fix.startswith('python -m pip install paddlenlp==3.0.0b4 aistudio-sdk==0.2.6 "huggingface_hub<0.37"')


def test_paddlenlp_is_not_blamed_for_paddle():
    finding = installation.check_paddlenlp(NO_PADDLE, NO_PADDLE)
    assert finding.status == "fail"
    assert "mend paddle first" in finding.fix


# Libraries and versions


def test_libraries_name_each_broken_one(bare):
    for name in set(installation.LIBRARIES) - {"yaml", "sklearn"}:
        add_module(bare, name, "")
    add_module(bare, "sklearn", "raise ValueError('numpy.dtype size changed')")
    add_distribution(bare, "scikit-learn", "1.3.0")
    finding = installation.check_libraries(ask(installation.LIBRARIES_PROBE, 20))
    assert finding.status == "fail"
    assert "yaml: ModuleNotFoundError" in finding.message
    assert "sklearn: ValueError: numpy.dtype size changed" in finding.message
    assert finding.fix == 'python -m pip install "pyyaml>=6" "scikit-learn>=1.3"'
    add_module(bare, "yaml", "")
    finding = installation.check_libraries(ask(installation.LIBRARIES_PROBE, 20))
    assert finding.fix == 'python -m pip install --force-reinstall --no-deps "scikit-learn>=1.3"'
    add_module(bare, "sklearn", "")
    assert installation.check_libraries(ask(installation.LIBRARIES_PROBE, 20)).status == "ok"


def test_libraries_name_the_one_that_crashes(bare):
    for name in installation.LIBRARIES:
        add_module(bare, name, "")
    add_module(bare, "tokenizers", "import os; os.abort()")
    finding = installation.check_libraries(ask(installation.LIBRARIES_PROBE, 20))
    assert finding.message.startswith("cannot be imported: tokenizers: killed by signal 6")
    assert finding.fix == 'python -m pip install "tokenizers>=0.20"'


def test_versions_in_range(bare):
    add_distribution(bare, "numpy", "1.26.4")
    add_distribution(bare, "paddlepaddle-gpu", "3.3.1+cu126")
    assert installation.check_versions() == ok("versions", "paddlepaddle-gpu 3.3.1+cu126, numpy 1.26.4")


def test_versions_out_of_range(bare):
    for name, version in {"numpy": "2.3.5", "pyarrow": "26.0.1", "datasets": "5.0.1", "visualdl": "2.5.3"}.items():
        add_distribution(bare, name, version)
    finding = installation.check_versions()
    assert finding.status == "warn"
    assert finding.message == "pyarrow 26.0.1 (proven: <22), numpy 2.3.5 (proven: <2)"
    assert finding.fix == 'python -m pip install "pyarrow<22" "numpy<2"'


def test_versions_of_the_gpu_wheel_are_not_mended_with_the_cpu_wheel(bare):
    add_distribution(bare, "paddlepaddle-gpu", "3.2.0")
    finding = installation.check_versions()
    assert finding.status == "warn"
    assert finding.fix == installation.gpu_install()
    add_distribution(bare, "paddlepaddle", "3.0.0")
    assert installation.check_versions().fix == installation.gpu_install()


def test_versions_of_nothing(bare):
    assert installation.check_versions().status == "warn"


def test_versions_beside_the_tolerated_paddlenlp(bare):
    for name, version in {"paddlenlp": "2.8.1", "numpy": "2.3.5", "huggingface_hub": "0.36.2"}.items():
        add_distribution(bare, name, version)
    assert installation.check_versions().message == "huggingface_hub 0.36.2 (proven: 0.25.2)"


@pytest.mark.parametrize(
    ("version", "specifier", "inside"),
    [
        ("22.0.0", "<22", False),
        ("21.9.9", "<22", True),
        ("3", ">=3", True),
        ("2.14.7", ">=3", False),
        ("10.0", ">=3", True),
        ("3.0.0b4", "==3.0.0b4", True),
        ("3.0.0", "==3.0.0b4", False),
        ("0.37.0", "<0.37", False),
        ("0.9", "<0.37", True),
        ("9", "", True),
    ],
)
def test_satisfies(version, specifier, inside):
    assert requirements.satisfies(version, specifier) is inside


# VisualDL

DROPPING_VISUALDL = """
import pathlib
class LogWriter:
    def __init__(self, logdir): (pathlib.Path(logdir) / "vdlrecords.1.log").touch()
    def __enter__(self): return self
    def __exit__(self, *error): pass
    def add_scalar(self, *arguments): pass
class LogReader:
    def __init__(self, file_path): pass
    def get_data(self, kind, tag): return []
"""


@pytest.mark.parametrize(
    ("source", "message", "fix"),
    [
        (DROPPING_VISUALDL, "read back []", "visualdl==2.5.3"),
        ("raise TypeError('Descriptors cannot be created directly.')", "Descriptors", "visualdl==2.5.3"),
        ("raise OSError(28, 'No space left on device')", "No space left", "TMPDIR"),
    ],
)
def test_visualdl(bare, source, message, fix):
    add_module(bare, "visualdl", source)
    finding = installation.check_visualdl(ask(installation.VISUALDL_PROBE, 20))
    assert finding.status == "fail"
    assert message in finding.message
    assert fix in finding.fix


# Device


@pytest.mark.parametrize(
    ("facts", "gpus", "status", "words"),
    [
        ({}, [], "ok", "no GPU"),
        ({}, GPU, "warn", "this paddle has no CUDA"),
        ({"cuda": "12.6"}, GPU, "warn", "does not see Tesla T4"),
        ({"cuda": "12.6"}, [], "ok", "no GPU"),
        ({"cuda": "12.6", "device": "gpu:0", "gpus": GPU * 2}, GPU, "ok", "gpu:0 of 2 (Tesla T4, Tesla T4)"),
        ({"cuda": "12.6", "gradient": 0.0}, GPU, "fail", "a gradient came out wrong"),
        ({"gradient": 0.0}, [], "fail", "a gradient came out wrong"),
    ],
)
def test_device(facts, gpus, status, words):
    finding = machine.check_device(having(**facts), gpus)
    assert finding.status == status
    assert words in finding.message


def test_device_that_dies_at_its_first_operation():
    answer = Answer({"version": "3.3.1", "cuda": "12.6"}, "OSError: (External) CUDNN error(1)")
    finding = machine.check_device(answer, GPU)
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
    facts = ask(installation.PADDLE_PROBE, 20).facts
    assert (facts["version"], facts["threads"], facts["dispatch"]) == ("after paddle_tasks", "3", "5")


def test_threads_set_to_one_from_outside(site, monkeypatch):
    add_module(site, "paddle", FAKE_PADDLE)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("PADDLE_TASKS_THREADS", raising=False)
    finding = machine.check_threads(ask(installation.PADDLE_PROBE, 20), 4)
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


def test_cpu_field(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(machine.platform, "processor", lambda: "Intel64 Family 6, GenuineIntel")
    assert machine.cpu_field("vendor_id") == "Intel64 Family 6, GenuineIntel"
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n")
    assert machine.cpu_field("vendor_id") == "AuthenticAMD"
    assert machine.cpu_field("model name") == "AMD EPYC"


@pytest.mark.parametrize("check", [machine.check_threads, machine.check_dispatch, machine.check_device])
def test_without_paddle_the_rest_points_to_it(check):
    finding = check(NO_PADDLE, 2)
    assert finding.status != "ok"
    assert finding.fix == "mend paddle first"


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
    finding = machine.check_hub(ask(machine.hub_probe(f"{hub}/{status}"), 20))
    assert finding.status == outcome
    assert words in finding.message


def test_hub_out_of_reach():
    finding = machine.check_hub(ask(machine.hub_probe("http://127.0.0.1:9/x"), 20))
    assert finding.status == "warn"
    assert "refused" in finding.message
    assert "bert-base-chinese" in finding.message
    assert "local folder" in finding.fix
    assert machine.check_hub(Answer({}, "no answer within 6 s")).status == "warn"


def test_hub_is_the_one_that_paddlenlp_downloads_from():
    # Read, not imported: paddlenlp is imported once in this file.
    [folder] = [entry for entry in map(Path, sys.path) if (entry / "paddlenlp").is_dir()]
    source = (folder / "paddlenlp" / "transformers" / "bert" / "configuration.py").read_text(encoding="utf-8")
    assert machine.HUB_URL.removeprefix("https") in source


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


def test_cache_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("PPNLP_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert machine.check_cache().message == "0 models in ~/.paddlenlp/models"


@pytest.mark.parametrize(("free_bytes", "status"), [(10**9 - 1, "warn"), (10**9, "ok")])
def test_disk_room(free_bytes, status, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free_bytes))
    assert machine.check_disk(tmp_path).status == status


def test_disk_that_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    finding = machine.check_disk(tmp_path)
    assert finding.status == "warn"
    assert "cannot be written" in finding.message
