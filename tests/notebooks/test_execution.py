"""The notebooks are executed: twice in one kernel, the second time with the solutions of their exercises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from .helpers import FOLDER, build

QUICK = ("00", "01", "12")
"""Those that `make test` executes too."""
SOURCES = build.sources()


def cases() -> Iterator[Any]:
    for source in SOURCES:
        number = source.stem[:2]
        yield pytest.param(source, id=number, marks=[] if number in QUICK else [pytest.mark.long])


def shown(cell: Any) -> list[Any]:
    """Return what a cell shows: text, tables and pictures, without the progress of a training."""
    outputs = [output for output in cell.outputs if output.output_type != "display_data" or "image/png" in output.data]
    return [output.get("text") or output.data.get("image/png") or output.data["text/plain"] for output in outputs]


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if "__pycache__" not in path.parts}


def execute_in_one_kernel(notebooks: Sequence[Any], folder: Path) -> None:
    client = build.new_client(notebooks[0], folder)
    with client.setup_kernel(env=build.kernel_environment()):
        for notebook in notebooks:
            client.nb = notebook
            for index, cell in enumerate(notebook.cells):
                client.execute_cell(cell, index)


def differing(first: Any, second: Any) -> list[str]:
    """Return the cells that are no exercises and show something else the second time."""
    pairs = zip(first.cells, second.cells, strict=True)
    cells = [(one, other) for one, other in pairs if one.cell_type == "code" and not is_exercise(one)]
    return [one.source for one, other in cells if shown(one) != shown(other)]


def is_exercise(cell: Any) -> bool:
    return build.EXERCISE in cell.metadata.get("tags", [])


@pytest.mark.parametrize("source", cases())
def test_a_notebook_runs_twice_and_its_solutions_are_right(source: Path, tmp_path: Path):
    before = files(FOLDER)
    first = build.read_source(source)
    second = build.with_solutions(build.read_source(source), build.read_source(build.solution_of(source)))
    execute_in_one_kernel([first, second], tmp_path)
    assert differing(first, second) == []
    for one, other in zip(filter(is_exercise, first.cells), filter(is_exercise, second.cells), strict=True):
        assert "还没有作答" in "".join(shown(one))
        assert "正确！" in "".join(shown(other))
    assert files(FOLDER) == before


@pytest.mark.long
def test_a_cell_that_depends_on_the_pass_is_noticed(tmp_path: Path):
    source = tmp_path / "07_x.py"
    counter = "n = globals().get('n', 0) + 1"
    source.write_text(f"# %%\n{counter}\n\n# %%\nprint(n)\n\n# %%\nprint(1)\nprint(2)\n", encoding="utf-8")
    first, second = build.read_source(source), build.read_source(source)
    execute_in_one_kernel([first, second], tmp_path)
    assert differing(first, second) == ["print(n)"]
    assert [shown(cell) for cell in first.cells] == [[], ["1\n"], ["1\n2\n"]]
