"""`paddle-tasks grade`: scores of predictions that somebody hands in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from paddle_tasks import runtime
from paddle_tasks.cli.options import Quiet
from paddle_tasks.cli.output import print_json, print_lines
from paddle_tasks.errors import DataError, UserError
from paddle_tasks.files import expand_user
from paddle_tasks.language import _

_DATA_HELP = "The right answers: a file, or a data set of `paddle-tasks list data`."


def grade(
    submissions: Annotated[
        list[str],
        typer.Argument(
            metavar="SUBMISSION … [KEY=VALUE …]",
            help="Files of predictions, a JSON object for each row: what predict prints, or predictions/SPLIT.jsonl of "
            "a run; and settings of the layout of FILE, such as data.columns.text=review.",
            show_default=False,
        ),
    ],
    data: Annotated[str, typer.Option(metavar="FILE", help=_DATA_HELP, show_default=False)],
    task: Annotated[
        str | None,
        typer.Option(
            metavar="TASK|RUN|MODEL",
            help="A task; or a run or shipped model, whose labels and layout are used. By default the run of "
            "SUBMISSION, or every task that reads both files.",
            show_default=False,
        ),
    ] = None,
    board: Annotated[
        Path | None,
        typer.Option(
            "--leaderboard",
            parser=expand_user,
            metavar="FILE",
            help="Write a CSV file with a row for each submission, the best first.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON on a terminal too, as it is printed elsewhere.")
    ] = False,
    quiet: Quiet = False,  # noqa: ARG001
) -> None:
    """Score predictions that somebody hands in.

    A submission that cannot be used is reported with its file and line, the others are scored, and the exit code is 2
    at the end.
    """
    runtime.import_paddle()
    from paddle_tasks.workflows.grade import grade as score
    from paddle_tasks.workflows.grade import write_leaderboard

    settings = [word for word in submissions if "=" in word and not Path(word).exists()]
    files = [word for word in submissions if word not in settings]
    graded, problems = list[Any](), list[UserError]()
    for file in files:
        try:
            graded.append(score(file, data, task=task, settings=settings))
        except UserError as error:
            problems.append(error)
    _show(graded, is_one=len(files) == 1, as_json=as_json)
    if board is not None and graded:
        write_leaderboard(board, graded)
    _report(problems, len(files))


def _show(graded: Sequence[Any], *, is_one: bool, as_json: bool) -> None:
    """Print grades: for people, or as JSON, an object for one submission and a list for several."""
    from paddle_tasks.inference.outputs import rounded

    if not as_json and sys.stdout.isatty():
        for found in graded:
            print_lines("\n".join(segment.text for line in found.lines() for segment in line), "  ")
    elif graded or not is_one:
        values = [rounded(found) for found in graded]
        print_json(values[0] if is_one else values)


def _report(problems: Sequence[UserError], n_files: int) -> None:
    """Exit with 2 and a message if a submission could not be scored."""
    if n_files == 1 and problems:
        raise problems[0]
    if problems:
        message = _("{count} of {total} submissions could not be scored:")
        lines = [message.format(count=len(problems), total=n_files), *(f"  {problem}" for problem in problems)]
        raise DataError("\n".join(lines))
