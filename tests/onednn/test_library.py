"""Finding oneDNN, the reasons for doing without it, and processes and threads that share it."""

from __future__ import annotations

import importlib.machinery
import multiprocessing
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from paddle_tasks.errors import ConfigError, SetupError
from paddle_tasks.onednn import library, precision
from paddle_tasks.onednn.primitives import matmul

MULTIPLY = """
import numpy as np
from paddle_tasks.onednn.primitives import layer_norm, matmul
ones, weight = np.ones((3520, 256), np.float32), np.ones((256, 1024), np.float32)
result, normal = np.empty((3520, 1024), np.float32), np.empty_like(ones)
matmul(ones, weight, result)
assert (result == 256).all()
layer_norm(ones, ones[0], ones[0], 1e-5, normal)
assert (normal == 1).all()
"""


@pytest.fixture
def fresh(monkeypatch):
    """Let the library be looked for again, and again after the test."""
    library.forget()
    yield monkeypatch
    monkeypatch.undo()
    library.forget()


def product() -> bool:
    ones, result = np.ones((64, 64), np.float32), np.empty((64, 64), np.float32)
    matmul(ones, ones, result)
    return bool((result == 64).all())


def needs_onednn() -> None:
    if library.get() is None:
        pytest.skip(library.why_not())


def test_it_is_found_without_importing_paddle():
    needs_onednn()
    code = f"import sys\n{MULTIPLY}\nassert 'paddle' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_paddle(fresh):
    fresh.setattr(library.importlib.util, "find_spec", lambda name: None)
    assert (library.get(), library.why_not()) == (None, "paddle is not installed")


def test_a_paddle_without_the_library(fresh, tmp_path):
    spec = importlib.machinery.ModuleSpec("paddle", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    fresh.setattr(library.importlib.util, "find_spec", lambda name: spec)
    assert (library.get(), library.why_not()) == (None, "paddle/libs/libdnnl.so.3 was not found")


def test_a_damaged_library(fresh, tmp_path):
    (tmp_path / "libs").mkdir()
    (tmp_path / "libs" / "libdnnl.so.3").write_bytes(b"not a library")
    spec = importlib.machinery.ModuleSpec("paddle", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    fresh.setattr(library.importlib.util, "find_spec", lambda name: spec)
    assert library.get() is None
    assert library.why_not().startswith("libdnnl.so.3 cannot be used: ")


def test_it_can_be_switched_off(fresh):
    fresh.setenv("PADDLE_TASKS_ONEDNN", "0")
    assert (library.get(), library.why_not()) == (None, "PADDLE_TASKS_ONEDNN=0")
    assert not precision.has_bfloat16()
    assert precision.automatic() == "float32"


def test_switched_off_in_one_thread_only():
    needs_onednn()
    found = []
    with library.switched_off():
        assert library.get() is None
        thread = threading.Thread(target=lambda: found.append(library.get()))
        thread.start()
        thread.join()
    assert found == [library.get()]
    assert found[0] is not None


@pytest.mark.parametrize(("chosen", "has_it", "expected"), [
    ("", True, "bfloat16"),
    ("", False, "float32"),
    ("float32", True, "float32"),
    ("bfloat16", True, "bfloat16"),
])  # fmt: skip
def test_what_auto_means(monkeypatch, chosen, has_it, expected):
    monkeypatch.setenv(precision.AUTO_VARIABLE, chosen)
    monkeypatch.setattr(precision, "has_bfloat16", lambda: has_it)
    assert precision.automatic() == expected


def test_bfloat16_is_refused_where_it_is_not_faster(monkeypatch):
    monkeypatch.setenv(precision.AUTO_VARIABLE, "bfloat16")
    monkeypatch.setattr(precision, "has_bfloat16", lambda: False)
    with pytest.raises(SetupError, match="PADDLE_TASKS_PRECISION=bfloat16: "):
        precision.automatic()


def test_a_precision_is_checked(monkeypatch):
    with pytest.raises(ConfigError, match=r"precision: 'bfloat' is unknown; did you mean 'bfloat16'\? \(one of auto"):
        precision.check_precision("bfloat")
    monkeypatch.setattr(library, "get", lambda: None)
    with pytest.raises(SetupError, match="precision: bfloat16 cannot be computed here"):
        precision.check_precision("bfloat16")
    precision.check_precision("float32")


def test_a_wrong_choice_is_named(monkeypatch):
    monkeypatch.setenv(precision.AUTO_VARIABLE, "bf16")
    with pytest.raises(SetupError, match="PADDLE_TASKS_PRECISION='bf16': expected float32 or bfloat16"):
        precision.automatic()


def test_products_in_belongs_to_a_thread_and_a_block():
    needs_onednn()
    found = []
    with precision.products_in("bfloat16"):
        thread = threading.Thread(target=lambda: found.append(precision.is_bfloat16()))
        thread.start()
        thread.join()
        found.append(precision.is_bfloat16())
        with precision.products_in("float32"):
            found.append(precision.is_bfloat16())
        found.append(precision.is_bfloat16())
    assert [*found, precision.is_bfloat16()] == [False, True, False, True, False]


FORK = f"""
import os, signal, sys
if "paddle" in sys.argv:
    from paddle_tasks import runtime
    runtime.import_paddle()
{MULTIPLY}
child = os.fork()
if not child:
    signal.alarm(20)
    exec({MULTIPLY!r})
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
{MULTIPLY}
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("first", ["onednn", pytest.param("paddle", marks=pytest.mark.long)])
def test_a_forked_child_computes(first):
    needs_onednn()
    environment = {**os.environ, "PADDLE_TASKS_THREADS": "2", "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", FORK, first], check=True, timeout=90, env=environment)


def test_a_spawned_child_computes():
    needs_onednn()
    child = multiprocessing.get_context("spawn").Process(target=product)
    child.start()
    child.join(60)
    assert child.exitcode == 0


def test_threads_compute_what_one_computes():
    needs_onednn()
    generator = np.random.default_rng(0)
    pairs = [generator.standard_normal((2, 40, 40)).astype(np.float32) for _ in range(8)]
    results = [np.empty((40, 40), np.float32) for _ in pairs]

    def compute(number: int) -> None:
        for _ in range(50):
            matmul(*pairs[number], results[number])

    threads = [threading.Thread(target=compute, args=(number,)) for number in range(len(pairs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for pair, result in zip(pairs, results, strict=True):
        np.testing.assert_allclose(result, pair[0] @ pair[1], rtol=1e-4, atol=1e-4)
