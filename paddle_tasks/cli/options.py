"""Arguments and options of several commands, and the examples below their help.

Every argument and option has a ``metavar``, which help shows as it is: ``N`` is a whole number, ``X`` any number, and
``a|b`` a choice.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from paddle_tasks.cli.verbosity import verbosity
from paddle_tasks.files import expand_user
from paddle_tasks.language import mark

COMMON = mark("Options of every command")
"""The heading above the options that every command has."""

Config = Annotated[
    Path,
    typer.Argument(
        parser=expand_user,
        metavar="CONFIG",
        help="A configuration file, or the name of one that ships, such as sentiment.",
        show_default=False,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Settings that replace those of CONFIG, such as training.epochs=1."),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Start from scratch; an existing run folder NAME is kept as NAME.1, NAME.2, …")
]
Device = Annotated[
    str,
    typer.Option(
        metavar="DEVICE",
        help="cpu, gpu, gpu:N (the GPU with index N), or auto: the GPU if there is one, else the CPU.",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Print results and errors only.",
        rich_help_panel=COMMON,
        callback=verbosity.be_quiet,
    ),
]
RunFolder = Annotated[
    Path,
    typer.Argument(parser=expand_user, metavar="RUN", help="A run folder, such as runs/sentiment.", show_default=False),
]


def examples(*commands: str) -> str:
    """Return the text below the help of a command that shows example commands, each on one line."""
    return "\n".join(commands)
