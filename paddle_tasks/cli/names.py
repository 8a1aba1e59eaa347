"""`paddle-tasks list`: what can be named."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from paddle_tasks import runtime
from paddle_tasks.cli.options import Quiet
from paddle_tasks.cli.output import print_text
from paddle_tasks.language import _, mark
from paddle_tasks.wrapping import columns, pad, width_of, wrap

_MAX_SHOWN = 30
"""Names of a kind beside other kinds on a terminal."""
_MEANINGS = {
    "pipelines": mark("ready to use: paddle-tasks predict NAME TEXT"),
    "tasks": mark("what a model can be trained for: the setting task"),
    "models": mark("the setting model.encoder; those with builtin/ come with the package"),
    "data": mark("data sets: the settings data.train, data.dev and data.test"),
    "configs": mark("ready to use: paddle-tasks train NAME"),
}


def list_names(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND", help="pipelines, tasks, models, data (data sets) or configs; all of them by default."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """List pipelines, tasks, models, data sets and configurations.

    These are the names that a configuration and other commands accept; configurations are those that ship;
    `paddle-tasks init` copies them.
    """
    if kind in (None, "models"):
        runtime.import_paddle()
    from paddle_tasks.workflows.catalogue import catalogue

    kinds = catalogue(kind)
    for number, (heading, names) in enumerate(kinds.items()):
        if quiet or len(kinds) == 1:
            print_text("\n".join(in_columns(names, columns()) if sys.stdout.isatty() else names))
        elif sys.stdout.isatty():
            print_text("\n" * bool(number) + "\n".join(_overview(heading, names)))
        else:
            print_text("\n".join([f"{heading}:", *(f"  {name}" for name in names)]))


def _overview(kind: str, names: Sequence[str]) -> Iterator[str]:
    """Yield lines for a terminal: the meaning of a kind, and its first names."""
    heading = _("{kind}: {meaning}").format(kind=kind, meaning=_(_MEANINGS[kind]))
    yield from wrap(heading, columns(), hanging="  ")
    yield from (f"  {line}" for line in in_columns(names[:_MAX_SHOWN], columns() - 2))
    if len(names) > _MAX_SHOWN:
        message = _("  … and {count} more: paddle-tasks list {kind}")
        yield message.format(count=len(names) - _MAX_SHOWN, kind=kind)


def in_columns(names: Sequence[str], width: int) -> Iterator[str]:
    """Yield lines with names in as many columns as fit, in the order of reading downwards, as `ls` does."""
    for n_rows in range(1, len(names) + 1):
        parts = [names[start : start + n_rows] for start in range(0, len(names), n_rows)]
        widths = [max(map(width_of, part)) + 2 for part in parts]
        if sum(widths) - 2 <= width or n_rows == len(names):
            rows = ([part[row] for part in parts if row < len(part)] for row in range(n_rows))
            yield from ("".join(map(pad, row, widths)).rstrip() for row in rows)
            return
