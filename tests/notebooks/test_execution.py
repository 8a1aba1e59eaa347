"""The notebooks are executed: twice in one kernel, the second time with the solutions of their exercises."""

from __future__ import annotations

from collections.abc import Iterator
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


def execute_twice(source: Path, folder: Path) -> tuple[Any, Any]:
    """Execute a notebook, and once more in the same kernel with the solutions."""
    first = build.read_source(source)
    second = build.with_solutions(build.read_source(source), build.read_source(build.solution_of(source)))
    client = build.new_client(first, folder)
    with client.setup_kernel(env=build.kernel_environment()):
        for notebook in (first, second):
            for index, cell in enumerate(notebook.cells):
                client.nb = notebook
                client.execute_cell(cell, index)
    return first, second


@pytest.mark.parametrize("source", cases())
def test_a_notebook_runs_twice_and_its_solutions_are_right(source: Path, tmp_path: Path):
    before = files(FOLDER)
    first, second = execute_twice(source, tmp_path)
    for one, other in zip(first.cells, second.cells, strict=True):
        if one.cell_type == "markdown":
            continue
        if build.EXERCISE in one.metadata.get("tags", []):
            assert "还没有作答" in "".join(shown(one))
            assert "正确！" in "".join(shown(other))
        else:
            assert shown(other) == shown(one)
    assert files(FOLDER) == before
