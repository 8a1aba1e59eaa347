"""Code that runs in a child process."""

from __future__ import annotations

import pytest

from paddle_tasks.doctor.probe import run_probe
from tests.doctor.helpers import add_module


def test_probe_keeps_facts_reported_before_a_crash():
    probe = run_probe("report(a=1); import signal; os.kill(os.getpid(), signal.SIGSEGV)", 20)
    assert probe.facts == {"a": 1}
    assert probe.error.startswith("killed by signal 11 (Segmentation fault")


def test_probe_keeps_facts_reported_before_a_hang():
    probe = run_probe("report(a=1); import time; time.sleep(60)", 1.5)
    assert probe.facts == {"a": 1}
    assert probe.error == "no answer within 1.5 s"


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
    probe = run_probe(f"report(a=1)\n{code}" if code != "if" else code, 20)
    assert probe.error == error
    assert code == "if" or probe.facts["a"] == 1


def test_probe_uses_the_module_path_of_this_process(site):
    add_module(site, "numpy", "value = 'fake'")
    assert run_probe("import numpy; report(value=numpy.value)", 20).facts["value"] == "fake"
