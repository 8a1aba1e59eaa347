"""The options of `predict` that apply to some models or pipelines only."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from paddle_tasks.cli.writing_options import WRITING_OPTIONS
from paddle_tasks.errors import join_alternatives
from paddle_tasks.files import expand_user
from paddle_tasks.language import _, join, mark

if TYPE_CHECKING:
    from paddle_tasks.inference.usage import Usage

Command = TypeVar("Command", bound=Callable[..., Any])

_LABELS, _OPINIONS = mark("Labels"), mark("Opinions")
_MASKS, _REWRITINGS, _WORDS = mark("fill-mask and pretrained models"), mark("rewrite"), mark("Word vectors")
# None means that an option is not given; each pipeline has its own defaults.
OPTIONS: dict[str, Any] = {
    "top_k": Annotated[
        int | None,
        typer.Option(
            "--top-k",
            metavar="N",
            min=1,
            help="Number of candidates for each [MASK], and of fillings of the whole text, 5 by default; or number of "
            "labels in the JSON, all by default; or of nearest words, 10 by default. Writing draws each character from "
            "the N most probable ones.",
        ),
    ],
    "explain": Annotated[
        bool | None,
        typer.Option(
            "--explain",
            help="Show which tokens speak for the label (green) and against it (red): integrated gradients of its "
            "log-odds, also added to the JSON as [start, end, value] in characters. For opinions: show them in colours "
            "beside the JSON, as a terminal does without it. Without colours, or with NO_COLOR set, +plus+ and -minus- "
            "signs and 【text｜label】 mark them.",
            show_default=False,
            rich_help_panel=_LABELS,
        ),
    ],
    "clue": Annotated[
        bool | None,
        typer.Option(
            "--clue",
            help="Print the lines of a submission to the CLUE benchmark instead.",
            show_default=False,
            rich_help_panel=_LABELS,
        ),
    ],
    "summary": Annotated[
        Path | None,
        typer.Option(
            "--summary",
            parser=expand_user,
            metavar="FILE",
            help="Print a table of the aspects in all texts instead, with counts, polarities and frequent opinions, "
            "and draw it into this file (.png or .svg).",
            rich_help_panel=_OPINIONS,
        ),
    ],
    "doccano": Annotated[
        Path | None,
        typer.Option(
            "--doccano",
            parser=expand_user,
            metavar="FILE",
            help="Write a file for the annotation tool doccano instead, to correct the predictions there.",
            rich_help_panel=_OPINIONS,
        ),
    ],
    "model": Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="Another masked language model for fill-mask or rewrite: builtin/NAME of `paddle-tasks list models`, "
            "a model folder, or a run folder of pretraining. For word2vec, the run or imported model.",
            rich_help_panel=_MASKS,
        ),
    ],
    "n_variants": Annotated[
        int | None,
        typer.Option(
            "--variants",
            metavar="N",
            min=1,
            help="Number of variants of each text; 3 by default.",
            rich_help_panel=_REWRITINGS,
        ),
    ],
    "share": Annotated[
        float | None,
        typer.Option(
            "--share",
            metavar="X",
            min=0,
            max=1,
            help="Share of the changeable words that are replaced, above 0; 0.3 by default.",
            rich_help_panel=_REWRITINGS,
        ),
    ],
    "rounds": Annotated[
        int | None,
        typer.Option(
            "--rounds",
            metavar="N",
            min=1,
            help="How often words are replaced; each round sees the replacements before it; 2 by default.",
            rich_help_panel=_REWRITINGS,
        ),
    ],
    "min_similarity": Annotated[
        float | None,
        typer.Option(
            "--min-similarity",
            metavar="X",
            min=-1,
            max=1,
            help="Minimum cosine similarity of text and variant; 0.85 by default.",
            rich_help_panel=_REWRITINGS,
        ),
    ],
    "analogy": Annotated[
        bool | None,
        typer.Option(
            "--analogy",
            help="The texts are a question of three words A B C: which word is to C as B is to A? In a file, three "
            "words on each line.",
            show_default=False,
            rich_help_panel=_WORDS,
        ),
    ],
    "seed": Annotated[
        int | None,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="Random seed of rewriting and writing; the same seed gives the same texts; 0 by default.",
        ),
    ],
    **WRITING_OPTIONS,
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
    accepted = [*usage.options, *usage.formats, *["model"] * usage.takes_model, *["stream"] * usage.streams]
    of_run = [flag(option) for option in options if option in usage.run_options]
    if of_run:
        message = _(
            "{options}: {name} is an exported model, which cannot do it; name the run that it was exported from"
        )
        raise typer.BadParameter(message.format(options=join(of_run), name=name))
    refused = [flag(option) for option in options if option not in accepted]
    if refused:
        listing = join([flag(option) for option in accepted if option in OPTIONS]) or _("none of these options")
        message = _("{options}: not for {name}, which takes {accepted}")
        raise typer.BadParameter(message.format(options=join(refused), name=name, accepted=listing))
    for option, record_format in usage.formats.items():
        file, suffixes = options.get(option), record_format.suffixes
        if suffixes and isinstance(file, Path) and file.suffix not in suffixes:
            message = _("{option} {file}: expected a name that ends in {suffixes}")
            endings = join_alternatives(suffixes)
            raise typer.BadParameter(message.format(option=flag(option), file=file, suffixes=endings))


def flag(option: str) -> str:
    """Return the name of an option on the command line, such as ``--top-k`` for ``top_k``."""
    return str(OPTIONS[option].__metadata__[0].default)
