"""What the tests of the notebooks share: the folder of the notebooks and its converter."""

from __future__ import annotations

import importlib.util
from typing import Any

from ..helpers import ROOT

FOLDER = ROOT / "notebooks"


def load(name: str) -> Any:
    """Return a module of the folder, which is no package."""
    spec = importlib.util.spec_from_file_location(f"notebooks_{name}", FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build = load("build")
