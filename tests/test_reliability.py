"""docs/reliability.md: each fault names a test that exists, in both languages the same ones."""

from __future__ import annotations

import ast
import re

import pytest

from .helpers import ROOT

DOCUMENT = ROOT / "docs" / "reliability.md"
CHINESE = ROOT / "docs" / "zh" / "reliability.md"
_ROW = re.compile(r"^\| (.+) \| (.+) \| `(tests/[\w/]+\.py)::(\w+)` \|$", re.MULTILINE)
ROWS = _ROW.findall(DOCUMENT.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("file", "name"), [row[2:] for row in ROWS], ids=[row[3] for row in ROWS])
def test_the_test_of_a_fault_exists(file, name):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_row_names_a_test_and_no_test_twice():
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert len(ROWS) == sum(not line.startswith("| fault") for line in lines)
    assert len({row[2:] for row in ROWS}) == len(ROWS)


def test_both_languages_have_the_same_rows():
    chinese = _ROW.findall(CHINESE.read_text(encoding="utf-8"))
    assert [row[2:] for row in chinese] == [row[2:] for row in ROWS]
