"""docs/objective-questions.md: the commands print what the page shows, and the cells compute it, in both languages."""

from __future__ import annotations

import doctest
import re
import shlex

import pytest

from paddle_tasks import language

from ..helpers import ROOT

PAGES = {"en": ROOT / "docs" / "objective-questions.md", "zh": ROOT / "docs" / "zh" / "objective-questions.md"}
TEXTS = {name: path.read_text(encoding="utf-8") for name, path in PAGES.items()}


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL)


def shown(text: str) -> list[tuple[str, list[str]]]:
    """Return each command with the lines that the page shows of its output."""
    found = re.findall(r"```bash\npaddle-tasks (.*?)\n```\n\n```text\n(.*?)```", text, re.DOTALL)
    return [(command, output.splitlines()) for command, output in found]


def missing(lines: list[str], output: str) -> list[str]:
    """Return the lines that an output does not have, however its columns are spaced."""
    plain = " ".join(output.split())
    return [line for line in lines if " ".join(line.split()) not in plain]


def test_ten_questions_with_the_same_cells_and_commands():
    assert [len(re.findall(r"^## \d+\. ", text, re.MULTILINE)) for text in TEXTS.values()] == [10, 10]
    assert blocks(TEXTS["en"], "python") == blocks(TEXTS["zh"], "python")
    assert [command for command, _ in shown(TEXTS["en"])] == [command for command, _ in shown(TEXTS["zh"])]
    assert len(shown(TEXTS["en"])) == len(blocks(TEXTS["en"], "bash")) == 5


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("number", range(5))
def test_a_command_prints_what_the_page_shows(cli, monkeypatch, name, number):
    command, lines = shown(TEXTS[name])[number]
    monkeypatch.setenv(language.VARIABLE, name)
    with language.using(name):
        outcome = cli(*shlex.split(command))
    assert outcome.code == 0
    assert missing(lines, outcome.stdout) == []
    assert missing([f"{lines[0]}0"], outcome.stdout)


def test_the_cells_compute_what_the_page_shows():
    cells = doctest.DocTestParser().get_doctest("".join(blocks(TEXTS["en"], "python")), {}, "page", None, None)
    found: list[str] = []
    doctest.DocTestRunner(verbose=False).run(cells, out=found.append)
    assert "".join(found) == ""
    assert len(cells.examples) > 30
