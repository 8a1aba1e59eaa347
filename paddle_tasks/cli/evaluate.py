"""`paddle-tasks evaluate` and `paddle-tasks verify`: scores of a run, and whether they are what its folder says."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from paddle_tasks import runtime
from paddle_tasks.cli.notices import note_interrupted
from paddle_tasks.cli.options import Device, Quiet, RunFolder
from paddle_tasks.cli.output import print_json, print_lines
from paddle_tasks.files import expand_user

_SETTINGS_HELP = (
    "Settings of the file's layout in place of the run's, such as data.columns.text=review, data.encoding=gb18030 or "
    'data.label_map=\'{"1": positive, "0": negative}\'.'
)


def evaluate(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    run: Annotated[
        Path,
        typer.Argument(
            parser=expand_user,
            metavar="RUN|MODEL",
            help="A run folder, or the name of a shipped model such as sentiment.",
            show_default=False,
        ),
    ],
    settings: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", help=_SETTINGS_HELP)] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Score this file, laid out like the run's data or as KEY=VALUE says."),
    ] = None,
    split: Annotated[
        Literal["dev", "test"], typer.Option(metavar="dev|test", help="The split of the run to score.")
    ] = "test",
    device: Device = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON on a terminal too, as it is printed elsewhere.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Score the model of a run on dev, test or another file.

    Prints the main scores on a terminal, and JSON with all metrics elsewhere; its numbers have six decimal places. The
    run may be finished or interrupted; its best model so far is scored.
    """
    runtime.import_paddle()
    from paddle_tasks.inference.outputs import rounded
    from paddle_tasks.workflows.evaluate import evaluate as score

    scores = score(run, data=data, split=split, settings=settings or [], device=device)
    if as_json or not sys.stdout.isatty():
        print_json(rounded(scores))
    else:
        print_lines("\n".join(segment.text for line in scores.lines() for segment in line), "  ")
    if not quiet:
        note_interrupted(run)


def verify(
    run: RunFolder,
    tolerance: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            min=0,
            help="Largest relative difference of numbers that agree; 1e-5 by default. On the machine that trained the "
            "run, 0 should do; other processors differ in the last digits, and by more after training in 16 bits.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Recompute the scores of a finished run and compare them with its files.

    It says what differs from result.json and the predictions. The weights and the data of the run are needed. The exit
    code is 0 if everything agrees, 1 if something differs, and 2 if the scores cannot be recomputed, for example
    because the data has changed.
    """
    runtime.import_paddle()
    from paddle_tasks.workflows.verify import TOLERANCE, describe
    from paddle_tasks.workflows.verify import verify as compare

    verification = compare(run, tolerance=TOLERANCE if tolerance is None else tolerance, device=device)
    if as_json:
        print_json(verification.to_json())
    elif not quiet or verification.differences:
        print_lines("\n".join(describe(verification)), "  ")
    if verification.differences:
        raise typer.Exit(1)
