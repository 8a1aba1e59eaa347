"""Importing the scripts of benchmarks/peers."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import pytest

from ..helpers import ROOT

FOLDER = ROOT / "benchmarks" / "peers"


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import a script of the folder, which is not a package."""
    monkeypatch.syspath_prepend(str(FOLDER))
    for shared in ("peer", "launch", "sorted_batches"):
        monkeypatch.delitem(sys.modules, shared, raising=False)
    specification = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
