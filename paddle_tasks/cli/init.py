"""`paddle-tasks init`: a new project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paddle_tasks.cli.options import Quiet
from paddle_tasks.cli.output import print_text
from paddle_tasks.files import expand_user
from paddle_tasks.language import _


def init(
    folder: Annotated[
        Path,
        typer.Argument(parser=expand_user, metavar="FOLDER", help="A new or empty folder.", show_default=False),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME …",
            help="The configurations to copy, such as quick/sentiment; all of them by default.",
            show_default=False,
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Start a project: editable configurations with the sample data that they name.

    Nothing is written over. `paddle-tasks list configs` prints the names of the configurations.
    """
    from paddle_tasks.workflows.init import init as write

    target = write(folder, names or [])
    if not quiet:
        first = next(iter(sorted(target.rglob("configs/quick/*.yaml")) or sorted(target.rglob("configs/*.yaml"))))
        print_text(_("wrote {folder}; next:").format(folder=target))
        print_text(f"  cd {target}\n  paddle-tasks train {first.relative_to(target).as_posix()}")
