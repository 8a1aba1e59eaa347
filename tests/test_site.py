"""The documents as a site: every page has a place in it, it is built without a warning, and it loads nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from .helpers import ROOT

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))


def test_every_page_has_one_place_in_the_navigation():
    places = re.findall(r"- (?:\w+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(places) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


# ---- Markdown that GitHub and the site read alike


def links_out(text: str, folder: Path) -> list[str]:
    """Return the links to files that the site does not have."""
    targets = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in target]
    return [target for target in targets if not (folder / target).resolve().is_relative_to(DOCS)]


@each_page
def test_links_stay_within_the_documents(page: Path):
    assert links_out(page.read_text(encoding="utf-8"), page.parent) == []


def test_a_link_out_of_the_documents_is_found():
    assert links_out("[a](serve.md) [b](../README.md#x) [c](https://x.org/y)", DOCS) == ["../README.md"]


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def joined_blocks(text: str) -> list[str]:
    """Return the first lines of lists and tables without an empty line before them, which the site does not see."""
    lines = without_code(text).splitlines()
    starts = re.compile(r"(- |\d+\. |\|)")
    plain = [bool(line.strip()) and not re.match(r"(- |\d+\. |\||#| )", line) for line in lines]
    return [line for line, before in zip(lines[1:], plain, strict=False) if before and starts.match(line)]


@each_page
def test_lists_and_tables_begin_after_an_empty_line(page: Path):
    assert joined_blocks(page.read_text(encoding="utf-8")) == []


def test_a_list_without_an_empty_line_before_it_is_found():
    assert joined_blocks("text\n- a\n- b\n\n- c\n  more\n- d\n\n```text\nx\n- y\n```\n") == ["- a"]


# ---- the site


class Resources(HTMLParser):
    """Collects the language of a page, and what a browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.language = ""
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.language = values.get("lang") or self.language if tag == "html" else self.language
        if tag in {"script", "img", "iframe", "link"}:
            self.loaded += [values.get("src") or values.get("href") or ""]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The site, built by a process that can reach no other machine."""
    pytest.importorskip("material", reason="mkdocs-material is in the extra `dev`")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    built = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.mark.long
def test_every_page_is_built_in_its_language(site):
    for page in PAGES:
        name = page.relative_to(DOCS)
        found = Resources((site / name).with_suffix(".html").read_text(encoding="utf-8"))
        assert found.language == ("zh" if name.parts[0] == "zh" else "en"), name


@pytest.mark.long
def test_the_site_loads_nothing_from_other_machines(site):
    loaded = [
        (page.name, address)
        for page in site.rglob("*.html")
        for address in Resources(page.read_text(encoding="utf-8")).loaded
        if "//" in address
    ]
    assert loaded == []
    styles = [sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css")]
    assert [found for style in styles for found in re.findall(r"url\(['\"]?(?:https?:)?//[^)]*", style)] == []


def test_what_a_page_loads_is_found():
    page = Resources('<html lang="zh"><script src="https://x.org/y.js"></script><a href="https://x.org">x</a></html>')
    assert (page.language, page.loaded) == ("zh", ["https://x.org/y.js"])


@pytest.mark.long
def test_the_search_finds_chinese_words(site):
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    assert index["config"]["lang"] == ["zh", "en"]
    texts = [entry["text"] for entry in index["docs"] if entry["location"].startswith("zh/")]
    assert any("混淆\u200b矩阵" in text for text in texts)  # words are separated for the search, not for the eye
