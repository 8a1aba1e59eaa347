"""`paddle-tasks report`: the results table on stdout, and files of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddle_tasks.cli.options import Quiet
from paddle_tasks.cli.output import print_notice, print_text
from paddle_tasks.files import expand_user
from paddle_tasks.language import _
from paddle_tasks.wrapping import columns

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
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            parser=expand_user,
            metavar="FILE",
            help="Also write the whole report into one HTML file: verdict, figures, errors, data, commands.",
        ),
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

    The scores, model, number of parameters, seconds and seeds of each run, grouped by data set. In a pipe or a file the
    tables are Markdown; on a terminal they are made to fit.
    """
    from paddle_tasks.cli.markdown import to_terminal
    from paddle_tasks.files import exists, write_text
    from paddle_tasks.reporting.report import report as make_report

    for option, file in (("--markdown", markdown), ("--html", html)):
        _require_file(option, file)
    if png and exists(png) and not png.is_dir():
        raise typer.BadParameter(_("--png {folder}: is a file, expected a folder").format(folder=png))
    made = make_report(runs)
    text = made.markdown.rstrip()
    print_text("\n".join(to_terminal(text, columns())) if sys.stdout.isatty() else text)
    if markdown:
        write_text(markdown, made.markdown)
    if html:
        made.to_html(html)
        if not quiet:
            print_notice(_("wrote {file}").format(file=html))
    if png:
        _write_figures(made.entries, png, quiet=quiet)


def _require_file(option: str, file: Path | None) -> None:
    """Check that a file can be written where an option says."""
    from paddle_tasks.files import is_dir

    if file and is_dir(file):
        message = _("{option} {file}: is a folder, expected a file")
        raise typer.BadParameter(message.format(option=option, file=file))
    if file and not is_dir(file.parent):
        message = _("{option} {file}: no such folder {folder}")
        raise typer.BadParameter(message.format(option=option, file=file, folder=file.parent))


def _write_figures(entries: Sequence[Entry], folder: Path, *, quiet: bool) -> None:
    from paddle_tasks.reporting.figure_files import write_figures

    written = write_figures(entries, folder)
    if not quiet:
        for note in written.notes:
            print_notice(_("note: {note}").format(note=note))
        print_notice("\n".join(_("wrote {file}").format(file=path) for path in written.files))
