"""The options of `predict` that only some pipelines take: one table, from which the command gets them."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

Command = TypeVar("Command", bound=Callable[..., Any])

_EXPLAIN = (
    "Text classifiers: add attributions to the JSON, [start, end, value] in characters (integrated gradients of the "
    "label's log-odds), and show the text on stderr, coloured from green (for the label) to red (against); without "
    "colours, or with NO_COLOR, as {+for+} and [-against-]. opinion: show the text with its spans in colours, or as "
    "【text｜label】, and its triplets. --quiet leaves stderr empty."
)
_SUMMARY = (
    "opinion: instead of the JSON, print a table of the aspects in all texts, with counts, polarity shares and typical "
    "opinions, and draw it into FILE as bars."
)
_DOCCANO = "opinion: instead of the JSON, write what was found as JSON lines that doccano imports, to be corrected."
# None is "not given": each pipeline has defaults of its own.
OPTIONS: dict[str, Any] = {
    "explain": Annotated[bool | None, typer.Option("--explain", help=_EXPLAIN, show_default=False)],
    "clue": Annotated[
        bool | None,
        typer.Option("--clue", help="Classifiers: the lines of CLUE's submission files instead.", show_default=False),
    ],
    "summary": Annotated[Path | None, typer.Option("--summary", metavar="FILE.png|FILE.svg", help=_SUMMARY)],
    "doccano": Annotated[Path | None, typer.Option("--doccano", metavar="FILE", help=_DOCCANO)],
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

OUTPUTS = ("clue", "summary", "doccano")
"""The options that say what is made of the records; they are the command line's own."""

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


# ---- what is made of the records


def check_files(output_file: Path | None, outputs: Mapping[str, Any]) -> None:
    """Refuse files that cannot be written.

    Raises:
        BadParameter: a folder of that name is there, or theirs is not, or a chart of an unknown form.
    """
    named = {"--output": output_file, "--summary": outputs.get("summary"), "--doccano": outputs.get("doccano")}
    for option, file in named.items():
        if file and file.is_dir():
            raise typer.BadParameter(f"{option} {file}: is a folder, expected a file")
        if file and not file.parent.is_dir():
            raise typer.BadParameter(f"{option} {file}: no such folder {file.parent}")
    chart = outputs.get("summary")
    if chart and chart.suffix not in (".png", ".svg"):
        raise typer.BadParameter(f"--summary {chart}: expected a name that ends in .png or .svg")


def write_answers(
    records: Sequence[Mapping[str, Any]], ids: Sequence[int | str], output_file: Path | None, outputs: Mapping[str, Any]
) -> None:
    """Print the records as JSON lines, or write them and what else was asked for.

    Args:
        records: of each text.
        ids: of each text.
        output_file: for the JSON lines, or CLUE's.
        outputs: those of `OUTPUTS` that were given.
    """
    from paddle_tasks.files import write_text
    from paddle_tasks.tasks.classification.clue import submission

    clue = outputs.get("clue", False)
    lines = submission(ids, records) if clue else [json.dumps(record, ensure_ascii=False) for record in records]
    if output_file:
        write_text(output_file, "\n".join(lines) + "\n")
    elif not {"summary", "doccano"} & set(outputs):
        sys.stdout.write("\n".join(lines) + "\n")
    if "doccano" in outputs:
        from paddle_tasks.tasks.opinion.doccano import write_pre_annotated

        write_pre_annotated(outputs["doccano"], records)
    if "summary" in outputs:
        from paddle_tasks.cli.opinion_table import show_summary

        show_summary(records, outputs["summary"])
