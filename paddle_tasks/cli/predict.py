"""`paddle-tasks predict`: inputs, predictions, and how they are written."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddle_tasks import runtime
from paddle_tasks.cli.notices import note_interrupted
from paddle_tasks.cli.options import Device, Quiet
from paddle_tasks.cli.output import print_notice, write_json_text
from paddle_tasks.cli.predict_options import check_options, flag, given_options, with_pipeline_options
from paddle_tasks.cli.writing import check_strategy, check_stream, write_growing_text
from paddle_tasks.files import expand_user, is_dir, short_name
from paddle_tasks.language import _

if TYPE_CHECKING:
    from paddle_tasks.inference.inputs import Inputs
    from paddle_tasks.inference.records import Display
    from paddle_tasks.inference.usage import Usage
    from paddle_tasks.training.protocol import Record, RecordFormat

_QUESTION_WORDS = 3


@with_pipeline_options
def predict(  # noqa: PLR0913, PLR0917 - a command has as many options as it offers
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|NAME",
            help="A run folder, the name of a shipped model such as sentiment, or a built-in pipeline: fill-mask, "
            "rewrite; or word2vec with --model.",
        ),
    ],
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="TEXT", help="The texts; those of a pair are one argument, with a tab between them."),
    ] = None,
    input_file: Annotated[
        Path | None,
        typer.Option(
            "--input",
            parser=expand_user,
            metavar="FILE",
            help="Read the texts from a file: TSV, CSV or JSON lines, as training reads them, or one text on each line "
            "(other endings). - is standard input, which is read without --input too.",
        ),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|INDEX",
            help="The column of the texts in the file, by name or by index from 0; A,B for pairs. By default that of "
            "the run's own data, or the column with a usual name such as text.",
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The encoding of the file, such as gb18030; by default UTF-8 or the run's."),
    ] = None,
    output_file: Annotated[
        Path | None,
        typer.Option(
            "--output",
            parser=expand_user,
            metavar="FILE",
            help="Write to this file instead of stdout: CSV (.csv), TSV (.tsv) or JSON lines.",
        ),
    ] = None,
    fields: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Write these fields only, such as id,label,score; score is the probability of a classifier's label.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON lines on a terminal too, as they are printed elsewhere.")
    ] = False,
    device: Device = "auto",
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Use a model on texts: labels, opinions, fillings, other wordings, continuations.

    On a terminal the answers are for people. In a pipe or a file there is one line of JSON for each text, such as its
    label and probabilities, or its spans; numbers have six decimal places.

    The record of a row of a file also has its line and the other columns of the row; a column named like a field of the
    prediction gets the suffix _input. A row that cannot be predicted has an error instead, and the exit code is 2 at
    the end.
    """
    runtime.thread_count()  # a wrong PADDLE_TASKS_THREADS is refused, with Paddle or without
    run, chosen = chosen_run(run, given_options(options))
    check_files(output_file, chosen)
    from paddle_tasks.inference.inputs import InputLayout, read_inputs
    from paddle_tasks.inference.pipelines import pipeline
    from paddle_tasks.inference.usage import usage_of

    usage = usage_of(run)
    check_options(run, chosen, usage)
    check_strategy(chosen)
    is_streamed = chosen.pop("stream", False)
    texts, pictures = split_pictures(join_question(texts or [], chosen), chosen, usage)
    formats = take_formats(chosen, usage)
    output = parse_output(output_file, fields, formats, as_json=as_json)
    layout = InputLayout.of_model(usage).with_options(column, encoding)
    inputs = read_inputs(texts, input_file_of(texts, input_file), layout)
    if is_streamed:
        others = {
            "--output": output_file,
            "--fields": fields,
            "--json": as_json,
            **dict.fromkeys(map(flag, formats | pictures), 1),
        }
        check_stream(chosen, others, inputs.rows)
    predictor: Any = pipeline(run, model=chosen.pop("model", None), device=device)
    if is_streamed:
        write_growing_text(inputs.rows[0].text, predictor.stream_text(inputs.rows[0].text, **chosen))
        return
    answers = answer_inputs(lambda part: predictor.answer(part, **chosen), inputs)
    if output.for_people:
        show_answers(answers, inputs, predictor.display)
    else:
        write_records(answers, inputs, output, formats)
    write_files(answers, pictures)
    if not quiet:
        note_interrupted(Path(run))
        warn_of_truncation(answers)
        if chosen.get("explain") and not output.for_people:
            show_explanations(answers, predictor.display)
    report_errors(answers, inputs)


def chosen_run(name: str, chosen: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the name and the options, with the run that ``--model`` names for a task."""
    from paddle_tasks.inference.model_folders import model_of_task, takes_model

    if "model" not in chosen or not takes_model(name):
        return name, chosen
    return str(model_of_task(name, chosen.pop("model"))), chosen


def join_question(texts: Sequence[str], chosen: Mapping[str, Any]) -> list[str]:
    """Return the texts; words that are given one by one after ``--analogy`` are one question."""
    if not chosen.get("analogy") or not texts or all(len(text.split()) == _QUESTION_WORDS for text in texts):
        return list(texts)
    return ["\t".join(texts)]


# ---- output


def take_formats(chosen: dict[str, Any], usage: Usage) -> dict[str, tuple[RecordFormat, Any]]:
    """Remove the options that name a format from the options, and return their formats and values."""
    asked = {name: form for name, form in usage.formats.items() if name in chosen and name not in usage.options}
    return {name: (form, chosen.pop(name)) for name, form in asked.items()}


def split_pictures(
    texts: Sequence[str], chosen: Mapping[str, Any], usage: Usage
) -> tuple[list[str], dict[str, tuple[RecordFormat, Path]]]:
    """Return the texts, and the format of the picture that ``--explain FILE`` asks for.

    ``--explain`` takes no value, so that the name of a file after it is the last of the texts. It is a file if the
    model can draw what explains a record and the name has the suffix of a picture.

    Args:
        texts: the arguments of the command.
        chosen: the options that were given.
        usage: the usage of the model.
    """
    form = usage.formats.get("explain") if chosen.get("explain") else None
    files = [text for text in texts if form is not None and Path(text).suffix in form.suffixes]
    if form is None or not files:
        return list(texts), {}
    others = [text for text in texts if text not in files]
    return others, {"explain": (form, expand_user(files[-1]))}


@dataclass(frozen=True)
class Output:
    """Where the records go.

    Attributes:
        file: the file to write; None prints them, unless a format writes a file of its own.
        fields: the fields to write; all if there are none.
        for_people: whether to print readable text, with colours on a terminal, in place of the records.
    """

    file: Path | None = None
    fields: Sequence[str] = ()
    for_people: bool = False


def parse_output(file: Path | None, fields: str | None, formats: Mapping[str, Any], *, as_json: bool) -> Output:
    """Return what ``--output`` and ``--fields`` ask for.

    Args:
        file: the file, if there is one.
        fields: names with commas between them.
        formats: the other formats that were asked for, by option.
        as_json: whether JSON lines were asked for.

    Raises:
        BadParameter: a name is empty, or a format replaces the records.
    """
    names = fields.split(",") if fields is not None else []
    if not all(names):
        message = _("--fields {fields}: expected names with commas between them, as in id,label,score")
        raise typer.BadParameter(message.format(fields=fields))
    replaced = next((flag(name) for name, (form, _value) in formats.items() if form.to_lines), None)
    if names and replaced:
        message = _("--fields: not with {option}, whose lines have fields of their own")
        raise typer.BadParameter(message.format(option=replaced))
    return Output(file, names, for_people=sys.stdout.isatty() and not (file or names or formats or as_json))


def check_files(output_file: Path | None, options: Mapping[str, Any]) -> None:
    """Refuse files that cannot be written.

    Raises:
        BadParameter: a folder has that name, or the folder of the file does not exist.
    """
    files = {flag(name): value for name, value in options.items() if isinstance(value, Path)}
    for option, file in {"--output": output_file, **files}.items():
        if file and is_dir(file):
            message = _("{option} {file}: is a folder, expected a file")
            raise typer.BadParameter(message.format(option=option, file=file))
        if file and not is_dir(file.parent):
            message = _("{option} {file}: no such folder {folder}")
            name, folder = short_name(file), short_name(file.parent)
            raise typer.BadParameter(message.format(option=option, file=name, folder=folder))


def input_file_of(texts: Sequence[str], input_file: Path | None) -> Path | None:
    """Return the file to read: ``-`` if there is neither a text nor a file, and standard input is no terminal."""
    is_piped = sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()
    return Path("-") if input_file is None and not texts and is_piped else input_file


def answer_inputs(answer: Callable[[list[str]], Sequence[Record]], inputs: Inputs) -> list[Record | str]:
    """Return the record of each row, or the reason why it has none; a text on the command line must have one.

    Raises:
        DataError: a text on the command line cannot be used.
    """
    from paddle_tasks.inference.outputs import predict_rows

    if all(row.line is None for row in inputs.rows):
        return list(answer([row.text for row in inputs.rows]))
    return predict_rows(answer, inputs)


def write_records(answers: Sequence[Record | str], inputs: Inputs, output: Output, formats: Mapping[str, Any]) -> None:
    """Print the records as JSON lines, or write them in other formats.

    Args:
        answers: the record of each row, or the reason why it has none.
        inputs: the rows.
        output: where they go.
        formats: the other formats by option; each is a `RecordFormat` and the value of the option. Rows without a
            record are left out of them.
    """
    from paddle_tasks.files import write_text
    from paddle_tasks.inference.outputs import format_records, select_fields, with_inputs

    good = [answer for answer in answers if not isinstance(answer, str)]
    replacements = [form.to_lines for form, _value in formats.values() if form.to_lines]
    if replacements:
        text = "".join(f"{line}\n" for line in replacements[0](good, _good_ids(answers, inputs)))
    else:
        records = with_inputs(inputs, answers)
        text = format_records(select_fields(records, output.fields) if output.fields else records, output.file)
    if output.file:
        write_text(output.file, text)
    elif replacements or not formats:
        write_json_text(text)
    write_files(answers, formats)


def write_files(answers: Sequence[Record | str], formats: Mapping[str, tuple[RecordFormat, Any]]) -> None:
    """Write the files of formats that have one, and print the tables that go with them.

    Args:
        answers: the record of each row, or the reason why it has none.
        formats: by option, each with the file.
    """
    from paddle_tasks.cli.tables import print_table

    good = [answer for answer in answers if not isinstance(answer, str)]
    for form, path in formats.values():
        table = form.write_file(good, path) if form.write_file else None
        if table:
            print_table(table)


def show_answers(answers: Sequence[Record | str], inputs: Inputs, display: Display) -> None:
    """Print answers for people: their lines, with a space between answers of several lines."""
    from rich.console import Console

    from paddle_tasks.cli.colours import show_lines
    from paddle_tasks.training.display import Segment

    blocks = []
    for row, answer in zip(inputs.rows, answers, strict=True):
        failed = isinstance(answer, str)
        reason = _("{place}: {reason}").format(place=f"{inputs.source}:{row.line}", reason=answer)
        blocks.append([[Segment(reason, tone="negative")]] if failed else list(display(answer)))  # type: ignore[arg-type]
    between: list[list[Segment]] = [[]] if any(len(block) > 1 for block in blocks) else []
    lines = [line for block in blocks for line in (*between, *block)]
    show_lines(lines[len(between) :], Console(file=sys.stdout, highlight=False))


def show_explanations(answers: Sequence[Record | str], display: Display) -> None:
    """Show on stderr what speaks for the answers that are printed as JSON."""
    from paddle_tasks.cli.colours import show_lines

    show_lines([line for answer in answers if not isinstance(answer, str) for line in display(answer)])


def _good_ids(answers: Sequence[Record | str], inputs: Inputs) -> list[int | str]:
    """Return the ids of the rows that have a record."""
    from paddle_tasks.inference.inputs import Inputs as Rows

    rows = [
        row if not isinstance(answer, str) else replace(row, error=answer)
        for row, answer in zip(inputs.rows, answers, strict=True)
    ]
    return Rows(rows, inputs.source).ids


def warn_of_truncation(answers: Sequence[Record | str]) -> None:
    """Print one line on stderr if texts are longer than the model reads."""
    n_truncated = sum(not isinstance(answer, str) and bool(answer.get("truncated")) for answer in answers)
    if n_truncated:
        message = _(
            "warning: {count} of {total} texts: longer than the model reads, which has read only a part of each "
            '("truncated": true)'
        )
        print_notice(message.format(count=n_truncated, total=len(answers)))


def report_errors(answers: Sequence[Record | str], inputs: Inputs) -> None:
    """Exit with 2 and one line on stderr if a row has no record."""
    from paddle_tasks.errors import DataError

    errors = [(row.line, answer) for row, answer in zip(inputs.rows, answers, strict=True) if isinstance(answer, str)]
    if errors:
        line, reason = errors[0]
        where = f"{inputs.source}:{line}"
        message = _("{count} of {total} rows could not be predicted; the first one: {where}: {reason}")
        raise DataError(message.format(count=len(errors), total=len(answers), where=where, reason=reason))
