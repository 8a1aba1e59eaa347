"""Make the notebooks from their sources: convert, execute in a temporary folder, and write the .ipynb files.

``python notebooks/build.py`` makes all of them, and ``python notebooks/build.py 05`` those whose names start with 05.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
SOURCES, SOLUTIONS = FOLDER / "src", FOLDER / "solutions"
EXERCISE = "exercise"
"""The tag of a cell whose answer the reader writes."""

_TIMEOUT = 600
_HEADER = re.compile(r"# %%(?P<markdown> \[markdown\])?(?: tags=\[\"(?P<tag>\w+)\"\])?")
_METADATA: Mapping[str, Any] = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def sources() -> list[Path]:
    """Return the sources of all notebooks, in the order of the course."""
    return sorted(SOURCES.glob("*.py"))


def notebook_of(source: Path) -> Path:
    """Return the .ipynb file of a source."""
    return FOLDER / f"{source.stem}.ipynb"


def solution_of(source: Path) -> Path:
    """Return the solutions of the exercises of a source."""
    return SOLUTIONS / source.name


def read_source(source: Path) -> Any:
    """Return the notebook of a py:percent file, without outputs.

    A cell starts with ``# %%``, or ``# %% [markdown]``, or ``# %% tags=["exercise"]``. The lines of a Markdown cell are
    comments.

    Raises:
        ValueError: a line that starts with ``# %%`` is none of these, or there is text before the first cell.
    """
    cells: list[tuple[re.Match[str], list[str]]] = []
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("# %%"):
            cells.append((_header(line, f"{source.name}:{number}"), []))
        elif cells:
            cells[-1][1].append(line)
        elif line:
            raise ValueError(f"{source.name}:{number}: text before the first cell: {line!r}")
    made = [_cell(header, lines, f"{source.stem[:2]}-{index:02d}") for index, (header, lines) in enumerate(cells)]
    return nbformat.v4.new_notebook(cells=made, metadata=dict(_METADATA))  # type: ignore[no-untyped-call]


def _header(line: str, where: str) -> re.Match[str]:
    header = _HEADER.fullmatch(line)
    if header is None:
        raise ValueError(f"{where}: not the start of a cell: {line!r}")
    return header


def _cell(header: re.Match[str], lines: list[str], cell_id: str) -> Any:
    metadata = {"tags": [header["tag"]]} if header["tag"] else {}
    if not header["markdown"]:
        return nbformat.v4.new_code_cell("\n".join(lines).strip(), id=cell_id, metadata=metadata)  # type: ignore[no-untyped-call]
    text = "\n".join(re.sub(r"^# ?", "", line) for line in lines)
    return nbformat.v4.new_markdown_cell(text.strip(), id=cell_id, metadata=metadata)  # type: ignore[no-untyped-call]


def exercises(source: Path) -> list[str]:
    """Return the names of the exercises of a source, such as ``05-1``, in their order."""
    cells = [cell for cell in read_source(source).cells if EXERCISE in cell.metadata.get("tags", [])]
    return [name for cell in cells for name in re.findall(r'^check\("([^"]+)"', cell.source, re.MULTILINE)]


def with_solutions(notebook: Any, solutions: Any) -> Any:
    """Replace the cells of exercises by those of the solutions, in their order.

    Raises:
        ValueError: there are more of one than of the other.
    """
    answers = [cell for cell in solutions.cells if cell.cell_type == "code"]
    exercises = [cell for cell in notebook.cells if EXERCISE in cell.metadata.get("tags", [])]
    for exercise, answer in zip(exercises, answers, strict=True):
        exercise.source = answer.source
    return notebook


def new_client(notebook: Any, folder: Path) -> NotebookClient:
    """Return a client that executes a notebook in a folder; its kernel finds `course` and this package."""
    resources = {"metadata": {"path": str(folder)}}
    return NotebookClient(notebook, timeout=_TIMEOUT, resources=resources, coalesce_streams=True)


def kernel_environment() -> dict[str, str]:
    """Return the environment of a kernel that is not started in the folder of the notebooks."""
    paths = [str(FOLDER), str(FOLDER.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PADDLE_TASKS_LANGUAGE": "zh"}


def execute(notebook: Any) -> None:
    """Execute a notebook in a temporary folder, and keep its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        new_client(notebook, Path(folder)).execute(env=kernel_environment())


def write(notebook: Any, path: Path) -> None:
    """Write an executed notebook without what differs from one execution to the next."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # the times
    notebook.metadata.language_info = dict(_METADATA["language_info"])  # without the version of Python
    path.write_text(nbformat.writes(notebook), encoding="utf-8")  # type: ignore[no-untyped-call]


def main(names: list[str]) -> None:
    """Make the notebooks whose names start with one of the given ones; all of them if none is given."""
    for source in sources():
        if not names or source.stem.startswith(tuple(names)):
            notebook = read_source(source)
            execute(notebook)
            write(notebook, notebook_of(source))
            print(notebook_of(source).name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
