"""Troubleshooting quotes the program: each quoted message is one of the catalogue, in the language of the page."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from .helpers import ROOT

CATALOGUE = ROOT / "paddle_tasks" / "locale" / "zh" / "LC_MESSAGES" / "paddle_tasks.po"
PAGES = {"en": ROOT / "docs" / "troubleshooting.md", "zh": ROOT / "docs" / "zh" / "troubleshooting.md"}


@cache
def messages(language: str) -> list[list[str]]:
    """Return the texts of each entry of the catalogue in a language; plurals have several."""
    with CATALOGUE.open("rb") as file:
        entries = [(entry.id, entry.string) for entry in read_po(file) if entry.id]
    chosen = [own if language == "en" else translated for own, translated in entries]
    return [[texts] if isinstance(texts, str) else list(texts) for texts in chosen]


def quotes(page: Path) -> list[str]:
    """Return what the first columns of a page's tables quote."""
    cells = re.findall(r"^\| (`.*?) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [quote for cell in cells for quote in re.findall(r"`([^`]+)`", cell)]


def is_quoted_from(quote: str, message: str) -> bool:
    """Return whether a message has the parts of a quote in their order; `…` stands for what is filled in."""
    place = 0
    for part in quote.split("…"):
        place = message.find(part.strip(), place)
        if place < 0:
            return False
        place += len(part.strip())
    return True


def sources(quote: str, known: list[list[str]]) -> set[int]:
    """Return the numbers of the entries that a quote may come from."""
    return {number for number, texts in enumerate(known) if any(is_quoted_from(quote, text) for text in texts)}


@pytest.mark.parametrize("language", PAGES)
def test_the_program_says_what_is_quoted(language):
    quoted = quotes(PAGES[language])
    assert [quote for quote in quoted if not sources(quote, messages(language))] == []
    assert len(quoted) > 40


def test_both_languages_explain_the_same_messages():
    english, chinese = ([sources(quote, messages(name)) for quote in quotes(page)] for name, page in PAGES.items())
    assert len(english) == len(chinese)
    assert [row for row, both in enumerate(zip(english, chinese, strict=True)) if not both[0] & both[1]] == []


def test_a_wrong_quote_is_found():
    assert is_quoted_from("…: not … here", "{file}: not {kind} here")
    assert not is_quoted_from("…: here … not", "{file}: not {kind} here")
