"""The Python of the documents: examples with `>>>` give what they show, and names of the package exist."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import shutil
from pathlib import Path

import pytest

from .helpers import ROOT

DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
WITH_EXAMPLES = sorted(page.name for page in DOCS.glob("*.md") if "```pycon" in page.read_text(encoding="utf-8"))
_NAME = re.compile(r"`(paddle_tasks(?:\.\w+)+)(?<!\.json)`")


def examples(page: Path) -> str:
    """Return the examples of a page as one session."""
    return "".join(re.findall(r"^```pycon\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE))


def failures(session: str, name: str) -> str:
    """Return what differs from the shown results."""
    found: list[str] = []
    test = doctest.DocTestParser().get_doctest(session, {}, name, None, None)
    doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(test, out=found.append)
    return "".join(found)


@pytest.mark.long
@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_give_what_they_show(name, tmp_path, monkeypatch):
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.chdir(tmp_path)
    assert failures(examples(DOCS / name), name) == ""


def test_a_wrong_result_is_found():
    assert "Got:\n    2" in failures(">>> 1 + 1\n3\n", "wrong")


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_are_the_same_in_both_languages(name):
    assert examples(DOCS / "zh" / name) == examples(DOCS / name)


def imports(page: Path) -> list[str]:
    """Return the names of this package that the Python blocks of a page import; a block must be valid Python."""
    blocks = re.findall(r"^```python\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    # Sessions are run, here or where their page is tested; a line with % is a command of Jupyter.
    trees = [ast.parse(block) for block in blocks if not block.startswith((">>>", "%"))]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    own = [node for node in nodes if node.module and node.module.split(".")[0] == "paddle_tasks"]
    return [f"{node.module}.{name.name}" for node in own for name in node.names]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_blocks_can_be_read_and_import_what_exists(page):
    assert [name for name in imports(page) if not exists(name)] == []


def exists(name: str) -> bool:
    """Return whether a dotted name is a module, or an attribute in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def test_the_names_of_the_package_exist():
    named = {name for page in PAGES for name in _NAME.findall(page.read_text(encoding="utf-8"))}
    assert [name for name in sorted(named) if not exists(name)] == []
    assert len(named) > 10


def test_a_name_that_does_not_exist_is_found():
    assert exists("paddle_tasks.text.tokenizer.Tokenizer.encode")
    assert not exists("paddle_tasks.text.tokenizer.Tokenizer.encod")
    assert not exists("paddle_tasks.texts.tokenizer")
