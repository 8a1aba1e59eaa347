"""The README files and the pages of docs/: links lead somewhere, and both languages have the same pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
_LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def broken_links(text: str, folder: Path) -> list[str]:
    links = [link for link in _LINK.findall(text) if "://" not in link]
    return [link for link in links if not (folder / link).exists()]


@each_page
def test_links_lead_to_files(page: Path):
    assert broken_links(page.read_text(encoding="utf-8"), page.parent) == []


def test_a_broken_link_is_found():
    assert broken_links("[a](README.md) [b](none.md#x) [c](https://x.org/y)", ROOT) == ["none.md"]


def commands(text: str) -> list[str]:
    """Return the commands of the console blocks of a page, without their comments."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = [re.sub(r"(?:^|\s+)#.*", "", line).strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line and "PADDLE_TASKS_LANGUAGE" not in line and "git clone" not in line]


@pytest.mark.parametrize("page", sorted((ROOT / "docs/zh").glob("*.md")), ids=lambda page: page.name)
def test_a_page_has_the_same_commands_in_both_languages(page: Path):
    english = (ROOT / "docs" / page.name).read_text(encoding="utf-8")
    assert commands(page.read_text(encoding="utf-8")) == commands(english)
    assert f"](zh/{page.name})" in english


def test_the_readme_has_the_same_commands_in_both_languages():
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")]
    assert commands(pages[0]) == commands(pages[1])
    assert len(commands(pages[0])) > 15
