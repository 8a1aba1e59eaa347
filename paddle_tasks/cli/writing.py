"""`predict` with models that write: options that contradict each other, and texts that are printed as they grow."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import typer

from paddle_tasks.cli.predict_options import flag
from paddle_tasks.cli.writing_options import SAMPLING
from paddle_tasks.language import _, join

if TYPE_CHECKING:
    from paddle_tasks.inference.inputs import InputRow


def check_strategy(options: Mapping[str, Any]) -> None:
    """Refuse options of sampling beside a beam search, and more outputs than it keeps.

    Args:
        options: the options that were given.

    Raises:
        BadParameter: options contradict each other.
    """
    n_beams, n_outputs = options.get("num_beams") or 1, options.get("num_return_sequences") or 1
    refused = [flag(name) for name in SAMPLING if name in options]
    if n_beams > 1 and refused:
        message = _("{options}: not with --beams {count}; a beam search does not draw")
        raise typer.BadParameter(message.format(options=join(refused), count=n_beams))
    if 1 < n_beams < n_outputs:
        message = _("--n {found}: expected at most {count}, as many as --beams keeps")
        raise typer.BadParameter(message.format(found=n_outputs, count=n_beams))


def check_stream(options: Mapping[str, Any], others: Mapping[str, Any], rows: Sequence[InputRow]) -> None:
    """Refuse what ``--stream`` cannot do.

    Args:
        options: the options of the model that were given.
        others: the other options by their flags, with a value that is true if they were given.
        rows: the inputs.

    Raises:
        BadParameter: there is not exactly one text, several outputs, or another form of output.
    """
    several = [flag(name) for name in ("num_beams", "num_return_sequences") if (options.get(name) or 1) > 1]
    refused = [*several, *(name for name, value in others.items() if value)]
    if refused:
        message = _("--stream: prints one text while it is written, so not with {options}")
        raise typer.BadParameter(message.format(options=join(refused)))
    if len(rows) != 1:
        raise typer.BadParameter(_("--stream: expected one text, found {count}").format(count=len(rows)))
    if rows[0].error:
        raise typer.BadParameter(_("--stream: {reason}").format(reason=rows[0].error))


def write_growing_text(beginning: str, pieces: Iterable[str]) -> None:
    """Write a text and the pieces that continue it, each at once; it ends with a line break after Ctrl-C, too."""
    try:
        for piece in chain([beginning], pieces):
            sys.stdout.write(_shown(piece))
            sys.stdout.flush()
    finally:
        sys.stdout.write("\n")
        sys.stdout.flush()


def _shown(piece: str) -> str:
    """Return a piece of a text; on a terminal without characters that would control it."""
    if not sys.stdout.isatty():
        return piece
    from paddle_tasks.cli.colours import replace_controls

    return "\n".join(map(replace_controls, piece.split("\n")))
