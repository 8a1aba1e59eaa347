"""The notebooks and their sources are in step, and follow the rules of the course."""

from __future__ import annotations

import ast
import base64
import re
import shlex
from pathlib import Path
from typing import Any

import nbformat
import pytest

from paddle_tasks.workflows.config import load_config

from ..helpers import ROOT
from .helpers import FOLDER, build

SOURCES = build.sources()
MAX_FUNCTION_LINES, MAX_PICTURE_BYTES = 5, 400_000
each_source = pytest.mark.parametrize("source", SOURCES, ids=[source.stem[:2] for source in SOURCES])


def read(source: Path) -> Any:
    return nbformat.read(build.notebook_of(source), as_version=4)


def content(notebook: Any) -> list[tuple[str, str, str, Any]]:
    return [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]


def code(notebook: Any) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def markdown(notebook: Any) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_the_course_is_complete():
    assert [source.stem[:2] for source in SOURCES] == [f"{number:02d}" for number in range(13)]
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == [source.stem for source in SOURCES]


@each_source
def test_a_notebook_has_the_cells_of_its_source(source: Path):
    assert content(read(source)) == content(build.read_source(source))


@each_source
def test_a_notebook_was_executed_without_errors(source: Path):
    notebook = read(source)
    numbers = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {output.output_type for output in outputs(notebook)} <= {"stream", "display_data", "execute_result"}
    assert [output for output in outputs(notebook) if output.get("name") == "stderr"] == []


@each_source
def test_a_notebook_has_pictures_of_moderate_size(source: Path):
    pictures = [output.data["image/png"] for output in outputs(read(source)) if "image/png" in output.get("data", {})]
    assert pictures
    assert max(len(base64.b64decode(picture)) for picture in pictures) < MAX_PICTURE_BYTES


@each_source
def test_a_notebook_does_not_know_where_it_was_made(source: Path):
    text = build.notebook_of(source).read_text(encoding="utf-8")
    assert [place for place in (str(ROOT), "/tmp/", "/home/", "site-packages") if place in text] == []


@each_source
def test_functions_are_short(source: Path):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(code(build.read_source(source)))) if isinstance(node, kinds)]
    long = [node.name for node in functions if node.end_lineno - node.lineno >= MAX_FUNCTION_LINES]  # type: ignore[operator]
    assert long == []


@each_source
def test_a_notebook_has_all_its_parts(source: Path):
    text = markdown(build.read_source(source))
    parts = ("**目标**", "## 练习", "**探索**", "AI Studio", "**延伸阅读**", f"](solutions/{source.name})")
    assert [part for part in parts if part not in text] == []
    assert re.match(rf"# {source.stem[:2]} \S", text)


@each_source
def test_every_exercise_has_a_solution(source: Path):
    solutions = build.read_source(build.solution_of(source))
    solved = build.with_solutions(build.read_source(source), solutions)
    assert build.exercises(source)
    assert [cell.source for cell in solved.cells] != [cell.source for cell in build.read_source(source).cells]
    checked = re.findall(r'^check\("([^"]+)"', code(solutions), re.MULTILINE)
    assert checked == build.exercises(source)


@each_source
def test_links_lead_to_files(source: Path):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", markdown(build.read_source(source)))
    assert [link for link in links if "://" not in link and not (FOLDER / link).exists()] == []


def commands(source: Path) -> list[list[str]]:
    blocks = re.findall(r"```bash\n(.*?)```", markdown(build.read_source(source)), re.DOTALL)
    found = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [shlex.split(line, comments=True) for line in found]


@each_source
def test_the_settings_of_the_commands_are_valid(source: Path):
    trainings = [words[2:] for words in commands(source) if words[:2] == ["paddle-tasks", "train"]]
    for config, *settings in trainings:
        assert load_config(ROOT / config, settings).task in config


# ---- the converter


def test_a_source_becomes_cells(tmp_path: Path):
    source = tmp_path / "07_x.py"
    source.write_text(
        '# %% [markdown]\n# # Title\n#\n# text\n\n# %%\nx = 1\n\n\n# %% tags=["exercise"]\ny = ...\n', "utf-8"
    )
    cells = build.read_source(source).cells
    assert [(cell.id, cell.cell_type, cell.source) for cell in cells] == [
        ("07-00", "markdown", "# Title\n\ntext"),
        ("07-01", "code", "x = 1"),
        ("07-02", "code", "y = ..."),
    ]
    assert cells[2].metadata == {"tags": ["exercise"]}


@pytest.mark.parametrize(("text", "problem"), [("# %% [raw]\n", "07_x.py:1"), ("x = 1\n", "before the first cell")])
def test_what_is_no_source_is_refused(tmp_path: Path, text: str, problem: str):
    source = tmp_path / "07_x.py"
    source.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=problem):
        build.read_source(source)


def test_a_missing_solution_is_noticed(tmp_path: Path):
    paths = [tmp_path / name for name in ("07_x.py", "07_y.py")]
    paths[0].write_text('# %% tags=["exercise"]\na = ...\n# %% tags=["exercise"]\nb = ...\n', encoding="utf-8")
    paths[1].write_text("# %%\na = 1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="shorter"):
        build.with_solutions(*map(build.read_source, paths))
