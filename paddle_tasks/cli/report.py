"""`paddle-tasks report`: the results table on stdout, and files of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddle_tasks.cli.options import Quiet
from paddle_tasks.cli.output import print_text
from paddle_tasks.files import expand_user

if TYPE_CHECKING:
    from paddle_tasks.reporting.entries import Entry


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            parser=expand_user,
            metavar="RUN",
            help="Folders of runs or sweeps, or folders that contain these, such as runs.",
        ),
    ],
    markdown: Annotated[
        Path | None, typer.Option(parser=expand_user, metavar="FILE", help="Also write the table to this file.")
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(
            parser=expand_user, metavar="FOLDER", help="Also write figures of the runs (.png) into this folder."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Print the results of runs and sweeps beside published scores.

    The table is Markdown: the scores, model, number of parameters, seconds and seeds of each run, grouped by data set.
    """
    from paddle_tasks.files import exists, is_dir, write_text
    from paddle_tasks.reporting.report import report as make_report

    if markdown and is_dir(markdown):
        raise typer.BadParameter(f"--markdown {markdown}: is a folder, expected a file")
    if markdown and not is_dir(markdown.parent):
        raise typer.BadParameter(f"--markdown {markdown}: no such folder {markdown.parent}")
    if png and exists(png) and not png.is_dir():
        raise typer.BadParameter(f"--png {png}: is a file, expected a folder")
    made = make_report(runs)
    print_text(made.markdown.rstrip())
    if markdown:
        write_text(markdown, made.markdown)
    if png:
        _write_figures(made.entries, png, quiet=quiet)


def _write_figures(entries: Sequence[Entry], folder: Path, *, quiet: bool) -> None:
    from paddle_tasks.reporting.figure_files import write_figures

    written = write_figures(entries, folder)
    for note in written.notes:
        typer.echo(f"note: {note}", err=True)
    if not quiet:
        typer.echo("\n".join(f"wrote {path}" for path in written.files), err=True)
