"""Files that a hosting service reads: the citation and the templates of issues."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import paddle_tasks

from .helpers import ROOT

TEMPLATES = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
FORMS = [path for path in TEMPLATES if path.stem != "config"]
each_form = pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_version_is_the_same_everywhere():
    setup = re.search(r'version="([^"]+)"', (ROOT / "setup.py").read_text(encoding="utf-8"))
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert setup
    assert {setup[1], headings[0], str(read(ROOT / "CITATION.cff")["version"])} == {paddle_tasks.__version__}


def test_the_citation_has_what_its_format_asks_for():
    citation = read(ROOT / "CITATION.cff")
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert all(set(author) & {"name", "family-names"} for author in citation["authors"])
    assert citation["license"] in (ROOT / "setup.py").read_text(encoding="utf-8")


@each_form
def test_a_form_is_in_both_languages_and_asks_for_the_doctor(path):
    form = read(path)
    assert {"name", "description", "body"} <= set(form)
    fields = {field["id"]: field["attributes"]["label"] for field in form["body"] if field["type"] != "markdown"}
    labels = [form["name"], form["description"], *fields.values()]
    assert [label for label in labels if not re.search(r"[一-鿿].*/ .*[A-Za-z]", label)] == []
    assert "paddle-tasks doctor" in fields["doctor"]


@each_form
def test_the_documents_that_a_form_names_exist(path):
    named = re.findall(r"`([\w/.-]+\.md)`", path.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []
