"""The options of `predict` that models which write texts take, under their names in the section ``generation``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from paddle_tasks.language import mark

_WRITING = mark("Writing")
# Each help says what an option does to the next token; what is not given is as the run's configuration has it.
WRITING_OPTIONS: dict[str, Any] = {
    "max_new_tokens": Annotated[
        int | None,
        typer.Option("--length", metavar="N", min=1, help="Characters to write.", rich_help_panel=_WRITING),
    ],
    "stream": Annotated[
        bool | None,
        typer.Option(
            "--stream",
            help="Print each character as soon as it is written; for one text. Ctrl-C ends the text.",
            show_default=False,
            rich_help_panel=_WRITING,
        ),
    ],
    "temperature": Annotated[
        float | None,
        typer.Option(
            "--temperature",
            metavar="X",
            min=0.01,
            help="Divides the scores of the characters: below 1 the text is more predictable, above 1 more surprising.",
            rich_help_panel=_WRITING,
        ),
    ],
    "top_p": Annotated[
        float | None,
        typer.Option(
            "--top-p",
            metavar="X",
            min=0,
            max=1,
            help="Draw from the fewest characters whose probability adds up to this.",
            rich_help_panel=_WRITING,
        ),
    ],
    "min_p": Annotated[
        float | None,
        typer.Option(
            "--min-p",
            metavar="X",
            min=0,
            max=1,
            help="Draw from the characters of at least this fraction of the highest probability.",
            rich_help_panel=_WRITING,
        ),
    ],
    "repetition_penalty": Annotated[
        float | None,
        typer.Option(
            "--repetition-penalty",
            metavar="X",
            min=0.01,
            help="Above 1, characters that occurred before become less probable.",
            rich_help_panel=_WRITING,
        ),
    ],
    "no_repeat_window": Annotated[
        int | None,
        typer.Option(
            "--no-repeat-window",
            metavar="N",
            min=0,
            help="No character equals one of the N before it.",
            rich_help_panel=_WRITING,
        ),
    ],
    "num_beams": Annotated[
        int | None,
        typer.Option(
            "--beams",
            metavar="N",
            min=1,
            help="Above 1: do not draw, but look for the most probable text with a beam search that keeps N.",
            rich_help_panel=_WRITING,
        ),
    ],
    "length_penalty": Annotated[
        float | None,
        typer.Option(
            "--length-penalty",
            metavar="X",
            help="Of a beam search: above 0, longer texts score higher, below 0 shorter ones; 1 by default.",
            rich_help_panel=_WRITING,
        ),
    ],
    "num_return_sequences": Annotated[
        int | None,
        typer.Option(
            "--n",
            metavar="N",
            min=1,
            help="Number of continuations of each text; of a beam search the best ones.",
            rich_help_panel=_WRITING,
        ),
    ],
}
"""The options by their names in Python."""
SAMPLING = ("top_k", "top_p", "min_p", "temperature")
"""The options that only sampling reads."""
