"""The options of `predict` that only some pipelines take: one table, from which the command gets them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., Any])

_EXPLAIN = (
    "Text classifiers: add attributions to the JSON, [start, end, value] in characters (integrated gradients of the "
    "label's log-odds), and show the text on stderr, coloured from green (for the label) to red (against); without "
    "colours, or with NO_COLOR, as {+for+} and [-against-]. --quiet leaves stderr empty."
)
# None is "not given": each pipeline has defaults of its own.
OPTIONS: dict[str, Any] = {
    "explain": Annotated[bool | None, typer.Option("--explain", help=_EXPLAIN, show_default=False)],
    "clue": Annotated[
        bool | None,
        typer.Option("--clue", help="Classifiers: the lines of CLUE's submission files instead.", show_default=False),
    ],
    "model": Annotated[
        str | None,
        typer.Option("--model", help="fill-mask, rewrite: builtin/NAME, a model folder or a run of pretrain."),
    ],
    "top_k": Annotated[
        int | None,
        typer.Option(
            "--top-k", min=1, help="fill-mask: candidates for each [MASK], and fillings, of these at most 64."
        ),
    ],
    "n_variants": Annotated[int | None, typer.Option("--variants", min=1, help="rewrite: variants of each text.")],
    "share": Annotated[
        float | None,
        typer.Option("--share", min=0, max=1, help="rewrite: part of the words that is changed."),
    ],
    "rounds": Annotated[int | None, typer.Option("--rounds", min=1, help="rewrite: how often a text is changed.")],
    "min_similarity": Annotated[
        float | None,
        typer.Option("--min-similarity", min=-1, max=1, help="rewrite: least cosine between text and variant."),
    ],
    "seed": Annotated[
        int | None, typer.Option("--seed", min=0, help="rewrite: of the draws; equal seeds, equal ends.")
    ],
}
"""The options by the names that Python knows them by; a new one is a line here."""

_OF_BUILTINS = "model"  # chosen when a pipeline is made, not when it is called


def with_pipeline_options(command: Command) -> Command:
    """Give a command that takes ``**options`` those of `OPTIONS`, as typer reads them from a signature."""
    signature = inspect.signature(command, eval_str=True)
    own = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in OPTIONS.items()
    ]
    vars(command)["__signature__"] = signature.replace(parameters=[*own, *added])
    command.__annotations__.update(OPTIONS)
    return command


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def check_options(name: str, options: Mapping[str, Any], known: Sequence[str], builtin: bool) -> None:
    """Refuse options that what answers does not take.

    Raises:
        BadParameter: names those that it takes.
    """
    usable = [*known, *[_OF_BUILTINS] * builtin]
    wrong = [flag(option) for option in options if option not in usable]
    if wrong:
        right = ", ".join(map(flag, usable)) or "none of these options"
        raise typer.BadParameter(f"{', '.join(wrong)}: not for {name}, which takes {right}")


def flag(option: str) -> str:
    """Return what an option is called on the command line."""
    return str(OPTIONS[option].__metadata__[0].default)
