"""The doctor against broken installations: probe."""

from __future__ import annotations

import pytest

from paddle_tasks.doctor.probe import ask
from tests.doctor.helpers import add_module

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
