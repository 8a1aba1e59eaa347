"""The options of `predict` that apply to some models or pipelines only."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from paddle_tasks.files import expand_user

if TYPE_CHECKING:
    from paddle_tasks.inference.usage import Usage

Command = TypeVar("Command", bound=Callable[..., Any])

_EXPLAIN = (
    "Classifiers: show which tokens speak for the label (green) and against it (red), and add these attributions to "
    "the JSON as [start, end, value] in characters (integrated gradients of the label's log-odds). Opinion extraction: "
    "show the spans in colours, and the triplets. Shown on stderr, unless --quiet is given; without colours, or with "
    "the environment variable NO_COLOR, marked as {+for+}, [-against-] and 【text｜label】."
)
_SUMMARY = (
    "Opinion extraction: instead of the JSON, print a table of the aspects in all texts with their counts, shares of "
    "polarities and most frequent opinions, and write a bar chart to the file."
)
_DOCCANO = (
    "Opinion extraction: instead of the JSON, write the predictions to a file that the annotation tool doccano can "
    "import, to correct them there."
)
# None means that an option is not given; each pipeline has its own defaults.
OPTIONS: dict[str, Any] = {
    "explain": Annotated[bool | None, typer.Option("--explain", help=_EXPLAIN, show_default=False)],
    "clue": Annotated[
        bool | None,
        typer.Option(
            "--clue",
            help="Classifiers: instead of the JSON, print the lines of a submission to the CLUE benchmark.",
            show_default=False,
        ),
    ],
    "summary": Annotated[
        Path | None, typer.Option("--summary", parser=expand_user, metavar="FILE.png|FILE.svg", help=_SUMMARY)
    ],
    "doccano": Annotated[Path | None, typer.Option("--doccano", parser=expand_user, metavar="FILE", help=_DOCCANO)],
    "model": Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME|FOLDER",
            help="fill-mask, rewrite: another masked language model: builtin/NAME of `paddle-tasks list models`, a "
            "model folder, or a run folder of pretraining.",
        ),
    ],
    "top_k": Annotated[
        int | None,
        typer.Option(
            "--top-k",
            metavar="N",
            min=1,
            help="fill-mask, runs of pretraining: number of candidates for each [MASK], and of fillings of the whole "
            "text (at most 64); 5 by default.",
        ),
    ],
    "n_variants": Annotated[
        int | None,
        typer.Option("--variants", metavar="N", min=1, help="rewrite: number of variants of each text; 3 by default."),
    ],
    "share": Annotated[
        float | None,
        typer.Option(
            "--share",
            metavar="X",
            min=0,
            max=1,
            help="rewrite: share of the changeable words that are replaced, above 0; 0.3 by default.",
        ),
    ],
    "rounds": Annotated[
        int | None,
        typer.Option(
            "--rounds",
            metavar="N",
            min=1,
            help="rewrite: how often the words are replaced; each round sees the replacements of the rounds before; "
            "2 by default.",
        ),
    ],
    "min_similarity": Annotated[
        float | None,
        typer.Option(
            "--min-similarity",
            metavar="X",
            min=-1,
            max=1,
            help="rewrite: minimum cosine similarity of text and variant; 0.85 by default.",
        ),
    ],
    "seed": Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="rewrite: random seed; the same seed gives the same variants; 0 by default.",
        ),
    ],
}
"""The options by their names in Python."""


def with_pipeline_options(command: Command) -> Command:
    """Add `OPTIONS` to the signature of a command that takes ``**options``; typer reads options from a signature."""
    signature = inspect.signature(command, eval_str=True)
    own = [
        parameter for parameter in signature.parameters.values() if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in OPTIONS.items()
    ]
    vars(command)["__signature__"] = signature.replace(parameters=[*own, *added])
    command.__annotations__.update(OPTIONS)
    return command


def given_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given on the command line."""
    return {name: value for name, value in options.items() if value is not None}


def check_options(name: str, options: Mapping[str, Any], usage: Usage) -> None:
    """Refuse options that a model or pipeline does not take, and files with a wrong suffix.

    Args:
        name: the model or pipeline, for the message.
        options: the options that were given.
        usage: the usage of the model or pipeline.

    Raises:
        BadParameter: an option cannot be used; the message names those that can.
    """
    accepted = [*usage.options, *usage.formats, *["model"] * usage.takes_model]
    refused = [flag(option) for option in options if option not in accepted]
    if refused:
        listing = ", ".join(flag(option) for option in accepted if option in OPTIONS) or "none of these options"
        raise typer.BadParameter(f"{', '.join(refused)}: not for {name}, which takes {listing}")
    for option, record_format in usage.formats.items():
        file, suffixes = options.get(option), record_format.suffixes
        if suffixes and isinstance(file, Path) and file.suffix not in suffixes:
            raise typer.BadParameter(f"{flag(option)} {file}: expected a name that ends in {' or '.join(suffixes)}")


def flag(option: str) -> str:
    """Return the name of an option on the command line, such as ``--top-k`` for ``top_k``."""
    return str(OPTIONS[option].__metadata__[0].default)
