"""The options of `predict` that only some models or pipelines take, in one table; and the output of `predict`."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from paddle_tasks.inference.pipelines import Usage
    from paddle_tasks.training.protocol import Record

Command = TypeVar("Command", bound=Callable[..., Any])

_EXPLAIN = (
    "Show on stderr what the answer is based on. Text classifiers: also add the attribution of each token to the JSON, "
    "[start, end, value] in characters (integrated gradients of the label's log-odds), and colour the text from green "
    "(for the label) to red (against it), or mark it as {+for+} and [-against-] without colours or with NO_COLOR. Models "
    "that extract opinions: colour the spans, or mark them as 【text｜label】, and list the triplets. --quiet leaves "
    "stderr empty."
)
_SUMMARY = (
    "Models that extract opinions: instead of the JSON, print a table of the aspects in all texts with their counts, "
    "polarity shares and typical opinions, and draw a bar chart into FILE."
)
_DOCCANO = (
    "Models that extract opinions: instead of the JSON, write the predictions as JSON lines that doccano imports, to "
    "correct them there."
)
# None is an option that is not given; each pipeline has its own defaults.
OPTIONS: dict[str, Any] = {
    "explain": Annotated[bool | None, typer.Option("--explain", help=_EXPLAIN, show_default=False)],
    "clue": Annotated[
        bool | None,
        typer.Option(
            "--clue",
            help="Classifiers: write the lines of a CLUE submission file instead of the JSON.",
            show_default=False,
        ),
    ],
    "summary": Annotated[Path | None, typer.Option("--summary", metavar="FILE.png|FILE.svg", help=_SUMMARY)],
    "doccano": Annotated[Path | None, typer.Option("--doccano", metavar="FILE", help=_DOCCANO)],
    "model": Annotated[
        str | None,
        typer.Option(
            "--model",
            help="fill-mask, rewrite: another model: builtin/NAME, a model folder or a run folder of pretraining.",
        ),
    ],
    "top_k": Annotated[
        int | None,
        typer.Option(
            "--top-k",
            min=1,
            help="fill-mask: number of candidates for each [MASK], and of fillings of the text (at most 64).",
        ),
    ],
    "n_variants": Annotated[
        int | None, typer.Option("--variants", min=1, help="rewrite: number of variants of each text.")
    ],
    "share": Annotated[
        float | None,
        typer.Option("--share", min=0, max=1, help="rewrite: share of the words that are changed."),
    ],
    "rounds": Annotated[int | None, typer.Option("--rounds", min=1, help="rewrite: number of passes over the text.")],
    "min_similarity": Annotated[
        float | None,
        typer.Option("--min-similarity", min=-1, max=1, help="rewrite: minimum cosine similarity of text and variant."),
    ],
    "seed": Annotated[
        int | None, typer.Option("--seed", min=0, help="rewrite: random seed; the same seed gives the same variants.")
    ],
}
"""The options by their names in Python; a new option is a line here."""


def with_pipeline_options(command: Command) -> Command:
    """Add `OPTIONS` to a command that takes ``**options``; typer reads options from a signature."""
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


def check_options(name: str, options: Mapping[str, Any], usage: Usage) -> None:
    """Refuse options that a model or pipeline does not take.

    Raises:
        BadParameter: the message names the options that it takes.
    """
    usable = [*usage.options, *usage.formats, *["model"] * usage.takes_model]
    wrong = [flag(option) for option in options if option not in usable]
    if wrong:
        right = ", ".join(flag(option) for option in usable if option in OPTIONS) or "none of these options"
        raise typer.BadParameter(f"{', '.join(wrong)}: not for {name}, which takes {right}")
    for option, record_format in usage.formats.items():
        file, suffixes = options.get(option), record_format.suffixes
        if suffixes and isinstance(file, Path) and file.suffix not in suffixes:
            raise typer.BadParameter(f"{flag(option)} {file}: expected a name that ends in {' or '.join(suffixes)}")


def flag(option: str) -> str:
    """Return the name of an option on the command line."""
    return str(OPTIONS[option].__metadata__[0].default)


# ---- output


def check_files(output_file: Path | None, options: Mapping[str, Any]) -> None:
    """Refuse files that cannot be written.

    Raises:
        BadParameter: a folder has that name, or the folder of the file does not exist.
    """
    files = {flag(name): value for name, value in options.items() if isinstance(value, Path)}
    for option, file in {"--output": output_file, **files}.items():
        if file and file.is_dir():
            raise typer.BadParameter(f"{option} {file}: is a folder, expected a file")
        if file and not file.parent.is_dir():
            raise typer.BadParameter(f"{option} {file}: no such folder {file.parent}")


def write_records(
    records: Sequence[Record], ids: Sequence[int | str], output_file: Path | None, formats: Mapping[str, Any]
) -> None:
    """Print the records as JSON lines, or write them in the formats that were chosen.

    Args:
        records: the record of each text.
        ids: the id of each text.
        output_file: for the lines; None prints them, unless a format has a file of its own.
        formats: the format of each option that was given, with its value.
    """
    from paddle_tasks.cli.tables import print_table
    from paddle_tasks.files import write_text
    from paddle_tasks.inference.outputs import json_lines
    from paddle_tasks.training.display import Table

    written = {name: form.write(records, ids, _path(value)) for name, (form, value) in formats.items()}
    replaced = [lines for lines in written.values() if isinstance(lines, list)]
    lines = replaced[0] if replaced else json_lines(records)
    if output_file:
        write_text(output_file, "\n".join(lines) + "\n")
    elif replaced or not formats:
        sys.stdout.write("\n".join(lines) + "\n")
    for table in written.values():
        if isinstance(table, Table):
            print_table(table)


def _path(value: Any) -> Path | None:
    return value if isinstance(value, Path) else None
