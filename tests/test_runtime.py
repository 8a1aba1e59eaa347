"""The process set-up: environment variables, cores and quotas, child processes, devices, and imports."""

from __future__ import annotations

import json
import os
import warnings
from types import SimpleNamespace

import pytest

from paddle_tasks import runtime
from paddle_tasks.errors import SetupError, UserError

from .helpers import python

VARIABLES = ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE", "PADDLE_TASKS_THREADS")
HEAVY = {"paddle", "paddlenlp", "numpy", "typer", "pydantic", "yaml", "rich"}


@pytest.fixture
def fresh(monkeypatch):
    """A process without the variables and without Paddle loaded, on an AMD machine with 6 cores."""
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(runtime, "prepared_variables", {})
    monkeypatch.setattr(runtime, "is_amd", lambda: True)
    monkeypatch.setattr(runtime, "usable_cores", lambda: 6)
    monkeypatch.setattr(runtime, "sys", SimpleNamespace(modules={}))
    monkeypatch.setattr(runtime, "ctypes", SimpleNamespace(CDLL=lambda name: SimpleNamespace()))
    return monkeypatch


@pytest.fixture
def loaded(fresh):
    """The same with Paddle loaded already; returns the thread counts that it is given."""
    numbers: list[int] = []
    core = SimpleNamespace(set_num_threads=numbers.append)
    runtime.sys.modules.update({"paddle": SimpleNamespace(base=SimpleNamespace(core=core))})
    return numbers


def prepared(**variables: str) -> dict[str, str]:
    """Set the variables, call `prepare`, and return the values afterwards."""
    os.environ.update(variables)
    runtime.prepare()
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


# ---- prepare


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("before", "omp", "mkl"),
    [
        ({}, "6", "5"),
        ({"OMP_NUM_THREADS": "3"}, "3", "5"),
        ({"OMP_NUM_THREADS": "1"}, "1", "5"),
        ({"OMP_NUM_THREADS": "4,2"}, "4,2", "5"),
        ({"OMP_NUM_THREADS": ""}, "6", "5"),
        ({"MKL_DEBUG_CPU_TYPE": "4"}, "6", "4"),
        ({"PADDLE_TASKS_THREADS": "2"}, "2", "5"),
        ({"PADDLE_TASKS_THREADS": "2", "OMP_NUM_THREADS": "3"}, "2", "5"),
        ({"PADDLE_TASKS_THREADS": "", "OMP_NUM_THREADS": "3"}, "3", "5"),
        ({"PADDLE_TASKS_THREADS": "many", "OMP_NUM_THREADS": "3"}, "6", "5"),
    ],
)
def test_prepare_sets_what_is_unset(before, omp, mkl):
    after = prepared(**before)
    assert (after["OMP_NUM_THREADS"], after["MKL_DEBUG_CPU_TYPE"]) == (omp, mkl)
    assert runtime.prepared_variables == {"OMP_NUM_THREADS": omp, "MKL_DEBUG_CPU_TYPE": mkl}


def test_the_dispatch_is_for_amd_alone(fresh):
    fresh.setattr(runtime, "is_amd", lambda: False)
    assert prepared() == {"OMP_NUM_THREADS": "6"}


@pytest.mark.parametrize(("vendor", "amd"), [("AuthenticAMD", True), ("GenuineIntel", False)])
def test_amd_is_detected_from_cpuinfo(tmp_path, monkeypatch, vendor, amd):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nvendor_id : {vendor}\n")
    monkeypatch.setattr(runtime, "Path", lambda name: tmp_path / "cpuinfo")
    assert runtime.is_amd.__wrapped__() is amd


LOCAL = {"PADDLE_TRAINERS_NUM": "4", "PADDLE_LOCAL_SIZE": "2"}
ENDPOINTS = {
    "PADDLE_TRAINERS_NUM": "4",
    "PADDLE_CURRENT_ENDPOINT": "10.0.0.2:80",
    "PADDLE_TRAINER_ENDPOINTS": "10.0.0.1:80,10.0.0.2:80,10.0.0.2:81,10.0.0.2:82",
}


@pytest.mark.parametrize(
    ("launched", "before", "omp"),
    [
        (LOCAL, {}, "3"),
        (LOCAL, {"OMP_NUM_THREADS": "1"}, "3"),  # what the launcher writes when it imports Paddle
        (LOCAL, {"OMP_NUM_THREADS": "2"}, "2"),
        (LOCAL, {"OMP_NUM_THREADS": "1", "PADDLE_TASKS_THREADS": "1"}, "1"),
        (LOCAL, {"PADDLE_TASKS_THREADS": "many"}, "3"),
        (ENDPOINTS, {"OMP_NUM_THREADS": "1"}, "2"),
        ({**LOCAL, "PADDLE_LOCAL_SIZE": "12"}, {"OMP_NUM_THREADS": "1"}, "1"),
        ({"PADDLE_TRAINERS_NUM": "1", "PADDLE_LOCAL_SIZE": "1"}, {"OMP_NUM_THREADS": "1"}, "1"),
    ],
)
def test_processes_of_one_run_share_the_cores(fresh, launched, before, omp):
    for name, value in launched.items():
        fresh.setenv(name, value)
    assert prepared(**before)["OMP_NUM_THREADS"] == omp


@pytest.mark.usefixtures("fresh")
def test_preparing_twice_changes_nothing_more():
    prepared(OMP_NUM_THREADS="3")
    assert prepared(OMP_NUM_THREADS="5")["OMP_NUM_THREADS"] == "5"
    assert runtime.prepared_variables["OMP_NUM_THREADS"] == "3"


@pytest.mark.parametrize(
    ("before", "threads"),
    [
        ({"OMP_NUM_THREADS": "1"}, 6),  # what Paddle writes when it is loaded without the variable
        ({"OMP_NUM_THREADS": "4"}, 4),
        ({"OMP_NUM_THREADS": "1", "PADDLE_TASKS_THREADS": "2"}, 2),
    ],
)
def test_a_loaded_paddle_gets_its_threads_and_one_warning(loaded, before, threads):
    with pytest.warns(UserWarning, match="import paddle_tasks first") as warned:
        after = prepared(**before)
    runtime.prepare()
    assert loaded == [threads]
    assert len(warned) == 1
    assert after["OMP_NUM_THREADS"] == str(threads)
    assert "MKL_DEBUG_CPU_TYPE" not in after  # it would have no effect, and `describe_environment` would report it


@pytest.mark.parametrize("value", ["many", "0", "-1", "1.5", "²", " 2"])
def test_a_wrong_number_of_threads_is_named_when_paddle_is_loaded(monkeypatch, value):
    monkeypatch.setenv("PADDLE_TASKS_THREADS", value)
    with pytest.raises(UserError, match=r"PADDLE_TASKS_THREADS=.*expected a whole number above 0"):
        runtime.import_paddle()


# ---- cores


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000"}, 8),
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "250000 100000"}, 3),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "6400000 100000"}, 8),
        ({"cpu.max": ""}, 8),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
    ],
)
def test_usable_cores_respect_the_quota_of_the_container(tmp_path, monkeypatch, files, cores):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    monkeypatch.setattr(runtime, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    assert runtime.usable_cores() == cores


def test_cores_without_affinity(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "CGROUP", tmp_path)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert runtime.usable_cores() == 1


# ---- devices and imports


@pytest.mark.parametrize("name", ["cpu:", "cpu:0", "gpu:", "gpu:x", "gpu:²", "cuda", "", "GPU"])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(SetupError, match="expected auto, cpu, gpu or gpu:N"):
        runtime.use_device(name)


@pytest.mark.parametrize(("asked", "used"), [("auto", "gpu"), ("gpu", "gpu"), ("gpu:1", "gpu:1"), ("cpu", "cpu")])
def test_a_gpu_is_used_when_it_is_there(monkeypatch, asked, used):
    chosen: list[str] = []
    cuda = SimpleNamespace(device_count=lambda: 2)
    device = SimpleNamespace(cuda=cuda, set_device=chosen.append)
    paddle = SimpleNamespace(device=device, is_compiled_with_cuda=lambda: True)
    monkeypatch.setattr(runtime, "import_paddle", lambda: paddle)
    assert runtime.use_device(asked) == used
    assert chosen == [used]
    with pytest.raises(SetupError, match="--device gpu:2: Paddle sees 2 GPUs"):
        runtime.use_device("gpu:2")


@pytest.mark.parametrize(
    ("n_gpus", "backend", "asked", "used"),
    [(2, None, "auto", "gpu"), (2, None, "gpu", "gpu"), (2, "gloo", "auto", "cpu"), (0, "gloo", "cpu", "cpu")],
)
def test_the_launcher_gives_each_process_its_device(monkeypatch, n_gpus, backend, asked, used):
    chosen: list[str] = []
    device = SimpleNamespace(cuda=SimpleNamespace(device_count=lambda: n_gpus), set_device=chosen.append)
    paddle = SimpleNamespace(device=device, is_compiled_with_cuda=lambda: True)
    monkeypatch.setattr(runtime, "import_paddle", lambda: paddle)
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", "2")
    if backend:
        monkeypatch.setenv("PADDLE_DISTRI_BACKEND", backend)
    assert runtime.use_device(asked) == used
    other = "cpu" if used == "gpu" else "gpu:1"
    with pytest.raises(
        SetupError, match=f"--device {other}: the launcher assigns each process its device .here: {used}."
    ):
        runtime.use_device(other)
    assert chosen == [used]  # without a number: Paddle uses FLAGS_selected_gpus


def test_without_a_gpu_there_is_none():
    assert runtime.use_device("auto") == "cpu"
    with pytest.raises(SetupError, match="Paddle sees 0 GPUs"):
        runtime.use_device("gpu")


@pytest.mark.parametrize(
    ("error", "expected"),
    [(AttributeError("broken"), SetupError), (ImportError("initialization failed"), KeyboardInterrupt)],
)
def test_a_failed_import_is_a_setup_error_and_ctrl_c_stays_ctrl_c(monkeypatch, error, expected):
    error.__cause__ = KeyboardInterrupt() if expected is KeyboardInterrupt else None

    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(runtime, "importlib", SimpleNamespace(import_module=fail))
    with pytest.raises(expected):
        runtime.import_paddle()


def test_importing_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runtime.import_paddle()


def test_describe_environment(monkeypatch):
    monkeypatch.setattr(runtime, "prepared_variables", {"OMP_NUM_THREADS": "4,2"})
    environment = runtime.describe_environment("cpu")
    assert (environment["device"], environment["threads"], environment["cpu_dispatch"]) == ("cpu", 4, "default")
    assert {"paddle_tasks", "paddlenlp", "numpy"} <= set(environment["versions"])
    json.dumps(environment)


# ---- the C library's memory


def test_freed_memory_is_kept_once_in_a_process(fresh):
    calls: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *arguments: calls.append(arguments))
    fresh.setattr(runtime, "ctypes", SimpleNamespace(CDLL=lambda name: library))
    for _ in range(2):
        runtime.prepare()
    # glibc's malloc.h: M_MMAP_MAX is -4 and M_TRIM_THRESHOLD -1.
    assert calls == [(-4, 0), (-1, 2**31 - 1)]


def _has_no_mallopt(name: None) -> SimpleNamespace:
    return SimpleNamespace()


def _cannot_be_opened(name: None) -> None:
    raise OSError("no such library")


def _requires_a_name(name: None) -> None:
    raise TypeError("expected str, got None")


@pytest.mark.parametrize("library", [_has_no_mallopt, _cannot_be_opened, _requires_a_name])
def test_a_c_library_without_mallopt_does_no_harm(library, fresh):
    """As on macOS and Windows."""
    fresh.setattr(runtime, "ctypes", SimpleNamespace(CDLL=library))
    assert prepared()["OMP_NUM_THREADS"] == "6"


# ---- determinism


@pytest.mark.parametrize("has_cuda", [True, False])
def test_deterministic_algorithms_are_selected_with_cuda(has_cuda, monkeypatch):
    flags: list[dict[str, object]] = []
    paddle = SimpleNamespace(is_compiled_with_cuda=lambda: has_cuda, set_flags=flags.append)
    monkeypatch.setattr(runtime, "import_paddle", lambda: paddle)
    runtime.make_deterministic()
    expected = {"FLAGS_cudnn_deterministic": True, "FLAGS_embedding_deterministic": 1}
    assert flags == ([expected] if has_cuda else [])


# ---- in processes of their own


@pytest.mark.parametrize("threads", ["2", "many"])
def test_importing_the_package_imports_nothing_heavy_and_never_fails(threads):
    code = "import json, sys, paddle_tasks; print(json.dumps(sorted(name.split('.')[0] for name in sys.modules)))"
    outcome = python(code, PADDLE_TASKS_THREADS=threads)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert not HEAVY & set(json.loads(outcome.stdout))


def test_children_get_the_prepared_variables_whatever_paddle_writes():
    code = """
import json, os, paddle_tasks, paddle
from paddle_tasks import runtime
os.environ["OMP_NUM_THREADS"] = "1"  # Paddle does this if the variable is unset
child = runtime.child_environment()
print(json.dumps([child[name] for name in ("OMP_NUM_THREADS", "MKL_DEBUG_CPU_TYPE", "HOME")]))
"""
    environment = {"PADDLE_TASKS_THREADS": "3", "OMP_NUM_THREADS": None, "MKL_DEBUG_CPU_TYPE": "7", "HOME": "/tmp"}
    outcome = python(code, **environment)
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout) == ["3", "7", "/tmp"]


def test_paddle_imported_first_is_set_right_with_one_warning():
    code = """
import json, os, warnings
import paddle
before = os.environ.get("OMP_NUM_THREADS")
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    import paddle_tasks
    from paddle_tasks import runtime
    runtime.prepare()
print(json.dumps([before, runtime.child_environment()["OMP_NUM_THREADS"], [str(w.message)[:42] for w in warned]]))
"""
    outcome = python(code, PADDLE_TASKS_THREADS="2", OMP_NUM_THREADS=None)
    assert outcome.code == 0, outcome.stderr
    assert json.loads(outcome.stdout.splitlines()[-1]) == ["1", "2", ["paddle was imported before paddle_tasks: i"]]


@pytest.mark.parametrize(
    ("chosen", "before", "n_models", "after"),
    [("", "8", 2, "4"), ("", "2", 3, "1"), ("", "4,2", 2, "2"), ("8", "8", 2, "8")],
)
def test_models_share_the_threads(monkeypatch, chosen, before, n_models, after):
    monkeypatch.setenv("PADDLE_TASKS_THREADS", chosen)
    monkeypatch.setenv("OMP_NUM_THREADS", before)
    monkeypatch.setattr(runtime, "prepared_variables", {})
    runtime.share_threads(n_models)
    assert os.environ["OMP_NUM_THREADS"] == after
