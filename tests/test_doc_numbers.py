"""Tables of measured values are the same in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .helpers import ROOT

DOCS = ROOT / "docs"
WITH_SCORES = ("results.md", "news.md", "novel.md")
BOTH = sorted(page.name for page in (DOCS / "zh").glob("*.md"))
_NUMBER = re.compile(r"\d[\d,]*\.\d+|\d{1,3}(?:,\d{3})+")  # decimal fractions and thousands, not counts in words


def numbers(text: str) -> list[list[str]]:
    """Return the numbers of each row of the tables of a page, in the order of the rows."""
    return [
        sorted(_NUMBER.findall(line)) for line in text.splitlines() if line.startswith("|") and _NUMBER.search(line)
    ]


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BOTH)
def test_tables_have_the_same_numbers_in_both_languages(name):
    assert numbers(read(DOCS / "zh" / name)) == numbers(read(DOCS / name))


def test_the_readme_has_the_same_tables_in_both_languages():
    assert numbers(read(ROOT / "README.md")) == numbers(read(ROOT / "README.zh-CN.md"))


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_scores_of_tasks_are_those_of_the_pages(name):
    pages = {value for page in WITH_SCORES for row in numbers(read(DOCS / page)) for value in row}
    rows = re.findall(
        r"^\| \[(?:sentiment|news|long_text|similarity|opinion|novel)\]\(\S+ \|.*", read(ROOT / name), re.MULTILINE
    )
    shown = {value for row in rows for value in _NUMBER.findall(row)}
    assert len(rows) == 7
    assert shown - pages == set()


def test_another_number_is_found():
    assert numbers("| a | 0.9400 (0.9275) |\n| b | 1 |") != numbers("| 甲 | 0.9400（0.9257） |\n| 乙 | 1 |")
