"""The doctor on installations with a broken Paddle."""

from __future__ import annotations

import pytest

from paddle_tasks.doctor import installation
from paddle_tasks.doctor.finding import ok
from paddle_tasks.doctor.probe import run_probe
from tests.doctor.helpers import GPU, HEALTHY, NO_PADDLE, add_distribution, add_module

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
    finding = installation.check_paddle(run_probe(installation.PADDLE_PROBE, 20), gpus)
    assert finding.status == "fail"
    assert "No module named 'paddle'" in finding.message
    assert finding.fix.startswith("python -m pip install paddlepaddle==3.3.1")
    assert ("paddlepaddle-gpu" in finding.fix) is hint


def test_paddle_installed_and_broken(bare):
    add_distribution(bare, "paddlepaddle", "3.3.1")
    add_module(bare, "paddle", "raise ImportError('libgomp.so.1: cannot open shared object file')")
    finding = installation.check_paddle(run_probe(installation.PADDLE_PROBE, 20), [])
    assert finding.status == "fail"
    assert "libgomp.so.1" in finding.message
    assert finding.fix == 'python -m pip install --force-reinstall paddlepaddle==3.3.1 "numpy<2"'
    assert installation.check_paddle(NO_PADDLE, GPU).fix == installation.gpu_install()


@pytest.mark.parametrize(("probe", "status"), [(HEALTHY, "warn"), (NO_PADDLE, "fail")])
def test_cpu_wheel_over_gpu_wheel(bare, probe, status):
    add_distribution(bare, "paddlepaddle", "3.3.1")
    add_distribution(bare, "paddlepaddle-gpu", "3.2.0")
    finding = installation.check_paddle(probe, GPU)
    assert finding.status == status
    assert "paddlepaddle 3.3.1 and paddlepaddle-gpu 3.2.0 are both installed" in finding.message
    assert finding.fix.startswith("python -m pip uninstall -y paddlepaddle paddlepaddle-gpu, then install")
    assert installation.check_paddle(probe, []).fix.endswith("&& python -m pip install paddlepaddle==3.3.1")


def test_gpu_wheel_alone_is_no_conflict(bare):
    add_distribution(bare, "paddlepaddle-gpu", "3.3.1")
    assert installation.check_paddle(HEALTHY, GPU).status == "ok"
    assert "paddlepaddle==3.3.1 " not in installation.check_paddle(NO_PADDLE, GPU).fix
