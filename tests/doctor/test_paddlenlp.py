"""The doctor on installations with a broken PaddleNLP."""

from __future__ import annotations

import sys

import pytest

from paddle_tasks.doctor import installation, requirements
from paddle_tasks.doctor.probe import run_probe
from tests.doctor.helpers import HEALTHY, NO_PADDLE, ROOT, add_distribution, add_module

# The failing statements and the messages are those of the real packages.

REMOVED_NAMES = {
    "from huggingface_hub import repo_type_and_id_from_hf_id": '"huggingface_hub<0.37"',
    "from aistudio_sdk.hub import download": "aistudio-sdk==0.2.6",
    "import pyarrow; pyarrow.PyExtensionType": '"datasets>=3"',
}


@pytest.fixture
def paddlenlp(bare):
    add_distribution(bare, "paddlenlp", "3.0.0b4")

    def check(source: str):
        add_module(bare, "paddlenlp", source)
        return installation.check_paddlenlp(run_probe(installation.PADDLENLP_PROBE, 20), HEALTHY)

    return check


@pytest.mark.parametrize(("source", "requirement"), REMOVED_NAMES.items())
def test_paddlenlp_with_a_module_that_removed_a_name(bare, paddlenlp, source, requirement):
    for name in ("huggingface_hub", "pyarrow"):
        add_module(bare, name, "")
    (bare / "aistudio_sdk").mkdir()
    for name in ("__init__", "hub"):
        add_module(bare / "aistudio_sdk", name, "")
    finding = paddlenlp(source)
    assert finding.status == "fail"
    assert finding.fix == f"python -m pip install {requirement}"


@pytest.mark.parametrize(
    "source",
    [
        "raise ImportError('pyarrow requires NumPy 2.0 or newer, found 1.26.4')",
        "raise ImportError('numpy.core.multiarray failed to import')",
        "import sys; sys.stderr.write('AttributeError: _ARRAY_API not found\\n'); raise ImportError('lib')",
    ],
)
def test_paddlenlp_with_incompatible_pyarrow_and_numpy(paddlenlp, source):
    assert paddlenlp(source).fix == 'python -m pip install "pyarrow<22" "numpy<2"'


def test_paddlenlp_cannot_make_its_cache_folder(paddlenlp):
    finding = paddlenlp("raise PermissionError(13, 'Permission denied', '/home/anna/.paddlenlp/models')")
    assert finding.fix.startswith("export PPNLP_HOME=")


def test_paddlenlp_without_pip(paddlenlp):
    finding = paddlenlp("raise ModuleNotFoundError(\"No module named 'pip'\")")
    assert finding.fix == "python -m ensurepip --upgrade"
    assert paddlenlp("raise ModuleNotFoundError(\"No module named 'pipes'\")").fix != finding.fix


def test_outside_of_a_checkout_there_is_no_lock_to_install(paddlenlp, monkeypatch, tmp_path):
    monkeypatch.setattr(requirements, "__file__", str(tmp_path / "site-packages/paddle_tasks/doctor/requirements.py"))
    fix = paddlenlp("raise RuntimeError('something new')").fix
    assert fix.startswith("python -m pip install paddlepaddle==3.3.1 paddlenlp==3.0.0b4 ")


def test_a_slow_import_is_not_a_broken_package(bare, paddlenlp):
    add_distribution(bare, "paddlepaddle", "3.3.1")
    add_module(bare, "slow", "import time; time.sleep(60)")
    slow = run_probe("import slow", 0.5)
    findings = [
        installation.check_paddle(slow, []),
        installation.check_paddlenlp(slow, HEALTHY),
        installation.check_libraries(slow),
    ]
    for finding in findings:
        assert finding.status == "fail"
        assert "no answer within 0.5 s" in finding.message
        assert finding.fix.startswith("run this again")
        assert "pip" not in finding.fix


def test_paddlenlp_unknown_error(bare, paddlenlp):
    # The name of a module in the path of a traceback does not make it the cause.
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
    assert ("less tested" in finding.message) is (version == "2.8.1")


def test_paddlenlp_not_installed(bare):
    finding = installation.check_paddlenlp(run_probe(installation.PADDLENLP_PROBE, 20), HEALTHY)
    assert finding.status == "fail"
    assert finding.fix.startswith('python -m pip install paddlenlp==3.0.0b4 aistudio-sdk==0.2.6 "huggingface_hub<0.37"')


def test_paddlenlp_is_not_blamed_for_paddle():
    finding = installation.check_paddlenlp(NO_PADDLE, NO_PADDLE)
    assert finding.status == "fail"
    assert "fix paddle first" in finding.fix
