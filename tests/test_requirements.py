"""The locks: each version that is proven has checksums, and the locks have what setup.py asks for."""

from __future__ import annotations

import ast
import re

import pytest

from .helpers import ROOT

FOLDER = ROOT / "requirements"
LOCKS = sorted(path for path in FOLDER.glob("py*.txt") if "hashes" not in path.name)
each_lock = pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
_HASHED = re.compile(r"^(\S+==\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", re.MULTILINE)
NOT_LOCKED = {"pip"}
"""What each environment has in a version of its own."""


def lines(text: str) -> list[str]:
    """Return the requirements of a lock, without comments."""
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def hashed(text: str) -> dict[str, list[str]]:
    """Return the checksums of each requirement of a lock with checksums."""
    return {match[1]: re.findall("[0-9a-f]{64}", match[2]) for match in _HASHED.finditer(text)}


def normal(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


def asked_for() -> set[str]:
    """Return the names of the distributions that setup.py requires, extras included."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg in WHERE]
    strings = (inner.value for value in values for inner in ast.walk(value) if isinstance(inner, ast.Constant))
    names = (re.match("[A-Za-z][A-Za-z0-9._-]*", string) for string in strings if string not in {"cpu", "dev", "onnx"})
    return {normal(match[0]) for match in names if match}


WHERE = ("install_requires", "extras_require")


def test_there_is_a_lock_for_each_python():
    assert [path.stem for path in LOCKS] == ["py310", "py311", "py312"]


@each_lock
def test_the_versions_with_checksums_are_those_of_the_lock(lock):
    text = lock.with_name(f"{lock.stem}-hashes.txt").read_text(encoding="utf-8")
    found = hashed(text)
    assert list(found) == lines(lock.read_text(encoding="utf-8"))
    assert all(len(set(sums)) == len(sums) for sums in found.values())
    n_lines = sum(1 + len(sums) for sums in found.values())
    assert n_lines == len(lines(text))  # nothing else is in it


@each_lock
def test_the_lock_has_what_setup_asks_for(lock):
    versions = {normal(line.partition("==")[0]) for line in lines(lock.read_text(encoding="utf-8"))}
    missing = asked_for() - versions - NOT_LOCKED
    assert missing <= ({"paddle2onnx"} if lock.stem != "py312" else set())


def test_a_wrong_lock_is_found():
    text = "a==1 \\\n    --hash=sha256:" + "0" * 64
    assert hashed(text) == {"a==1": ["0" * 64]}
    assert hashed("a==1") == hashed(text[:-1]) == {}
    assert {"paddlenlp", "paddlepaddle", "psutil", "pytest", "onnxruntime"} <= asked_for()
