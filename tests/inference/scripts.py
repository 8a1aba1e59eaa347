"""Running the script of an exported folder where few packages can be imported."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_BLOCKER = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if {condition}:
            raise ImportError(name + " is blocked")

sys.meta_path.insert(0, Blocker())
"""
_ONNX = ("onnxruntime", "numpy", "tokenizers", "character_ngrams")  # the last is a part of the folder
_NEEDED = {
    "onnx": f"top not in sys.stdlib_module_names and top not in {_ONNX}",
    "paddle": 'top in ("paddlenlp", "paddle_tasks", "onnxruntime")',  # Paddle itself imports a dozen packages
}


def run_python(form: str, command: Sequence[str], scratch: Path) -> str:
    """Run Python where only the packages can be imported that an exported folder of a form needs."""
    (scratch / "sitecustomize.py").write_text(_BLOCKER.format(condition=_NEEDED[form]))
    environment = {**os.environ, "PYTHONPATH": str(scratch)}
    done = subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False, cwd=scratch
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_script(folder: Path, texts: Sequence[str], scratch: Path, form: str = "onnx") -> str:
    """Return what predict.py of an exported folder prints for texts."""
    return run_python(form, [str(folder / "predict.py"), *texts], scratch)
