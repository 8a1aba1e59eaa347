"""The doctor on installations with broken libraries and VisualDL."""

from __future__ import annotations

import pytest

from paddle_tasks.doctor import installation, requirements
from paddle_tasks.doctor.finding import ok
from paddle_tasks.doctor.probe import run_probe
from tests.doctor.helpers import add_distribution, add_module

# Libraries and versions


def test_libraries_name_each_broken_one(bare):
    for name in set(installation.LIBRARIES) - {"yaml", "sklearn"}:
        add_module(bare, name, "")
    add_module(bare, "sklearn", "raise ValueError('numpy.dtype size changed')")
    add_distribution(bare, "scikit-learn", "1.3.0")
    finding = installation.check_libraries(run_probe(installation.LIBRARIES_PROBE, 20))
    assert finding.status == "fail"
    assert "yaml: ModuleNotFoundError" in finding.message
    assert "sklearn: ValueError: numpy.dtype size changed" in finding.message
    assert finding.fix == 'python -m pip install "pyyaml>=6" "scikit-learn>=1.3"'
    add_module(bare, "yaml", "")
    finding = installation.check_libraries(run_probe(installation.LIBRARIES_PROBE, 20))
    assert finding.fix == 'python -m pip install --force-reinstall --no-deps "scikit-learn>=1.3"'
    add_module(bare, "sklearn", "")
    assert installation.check_libraries(run_probe(installation.LIBRARIES_PROBE, 20)).status == "ok"


def test_libraries_name_the_one_that_crashes(bare):
    for name in installation.LIBRARIES:
        add_module(bare, name, "")
    add_module(bare, "tokenizers", "import os; os.abort()")
    finding = installation.check_libraries(run_probe(installation.LIBRARIES_PROBE, 20))
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
    assert finding.message == "pyarrow 26.0.1 (tested: <22), numpy 2.3.5 (tested: <2)"
    assert finding.fix == 'python -m pip install "pyarrow<22" "numpy<2"'


def test_the_cpu_wheel_is_no_fix_for_a_gpu_wheel(bare):
    add_distribution(bare, "paddlepaddle-gpu", "3.2.0")
    finding = installation.check_versions()
    assert finding.status == "warn"
    assert finding.fix == installation.gpu_install()
    add_distribution(bare, "paddlepaddle", "3.0.0")
    assert installation.check_versions().fix == installation.gpu_install()


def test_versions_with_nothing_installed(bare):
    assert installation.check_versions().status == "warn"


def test_versions_with_the_tolerated_paddlenlp(bare):
    for name, version in {"paddlenlp": "2.8.1", "numpy": "2.3.5", "huggingface_hub": "0.36.2"}.items():
        add_distribution(bare, name, version)
    assert installation.check_versions().message == "huggingface_hub 0.36.2 (tested: 0.25.2)"


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
    finding = installation.check_visualdl(run_probe(installation.VISUALDL_PROBE, 20))
    assert finding.status == "fail"
    assert message in finding.message
    assert fix in finding.fix
