"""The input texts of a prediction: from arguments, standard input, or a file of lines or records."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from paddle_tasks.data.pairs.text_pairs import join_pair
from paddle_tasks.data.tables.headers import is_usual_name, match_names, normalise_name
from paddle_tasks.data.tables.paths import readable_file
from paddle_tasks.data.tables.readers import Format, Layout
from paddle_tasks.data.tables.records import has_lone_surrogate
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.text_files import TextFile, data_suffix, read_text_file
from paddle_tasks.data.tables.whole_rows import read_whole_rows
from paddle_tasks.errors import DataError, UserError, nearest_path
from paddle_tasks.files import is_dir, list_siblings, short_name
from paddle_tasks.inference.texts import BLANK, find_problem
from paddle_tasks.inference.usage import Usage
from paddle_tasks.language import _, mark

STDIN = Path("-")
_TABLES = tuple(name for name in get_args(Format) if name != "imdb")
_FORMATS: Mapping[str, Format] = {
    ".tsv": "tsv", ".csv": "csv", ".json": "jsonl", ".jsonl": "jsonl", ".ndjson": "jsonl"
}  # fmt: skip
_MAX_DIGITS = 18
"""Of a number; what has more is a text."""
_SEPARATORS: Mapping[Format, str] = {"tsv": "\t", "csv": ","}
_ID_NAMES = frozenset({"", "id", "qid", "index", "编号", "序号"})
# The readers name settings; `predict` has options in their place. Patterns of words are translated as the words are.
_OPTIONS = (
    (r"data\.columns\.text_a=(\S+) data\.columns\.text_b=([^\s;；，]+)", r"--column \1,\2"),
    (r"data\.columns\.text=([^\s;；，]+)", r"--column \1"),
    (r" data\.columns\.label=[^\s;；，]+", ""),
    (r"data\.columns(\.\w+)?", "--column"),
    (mark(r"another data\.format, or positions"), mark("or the position of the texts")),
    (
        mark(r"set data\.header=true (.*) if it is one, or data\.header=false if it is a row"),
        mark(r"name the column of the texts: \1"),
    ),
    (mark(r"set data\.encoding to another"), mark("name another with --encoding")),
    (r"data\.encoding=(\S+)", r"--encoding \1"),
    (r"data\.encoding", "--encoding"),
)


@dataclass(frozen=True)
class InputRow:
    """One text to predict.

    Attributes:
        text: the text; the two of a pair have a tab between them.
        line: its line number, from 1, or ``row N`` for the N-th object of a JSON array; None for an argument.
        others: the other columns of its row, by name.
        error: why it cannot be predicted; empty if it can.
    """

    text: str
    line: int | str | None = None
    others: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Inputs:
    """The texts to predict.

    Attributes:
        rows: in their order.
        source: the file, for messages.
    """

    rows: Sequence[InputRow]
    source: str = ""

    @property
    def ids(self) -> list[int | str]:
        """The ids of the rows without error: their column ``id``, or their indices from 0 if no row has one.

        Raises:
            DataError: some rows have an id and others have none.
        """
        good = [row for row in self.rows if not row.error]
        without = [row for row in good if "id" not in row.others]
        if len(without) == len(good):
            return [index for index, row in enumerate(self.rows) if not row.error]
        if without:
            message = _("--input {file}:{line}: no field 'id', which other rows have")
            raise DataError(message.format(file=self.source, line=without[0].line))
        return [_parse_id(row.others["id"]) for row in good]


def _parse_id(value: Any) -> int | str:
    text = str(value)
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else text


@dataclass(frozen=True)
class InputLayout:
    """How a file of inputs is laid out.

    Attributes:
        fields: the fields of an input: ``text``, or ``text_a`` and ``text_b``.
        all_fields: those of a labelled row of the task's data.
        layout: columns, header, encoding and format of the data that the model was trained on.
        suffixes: the endings of the files that the model was trained on.
        asked: what the user has asked for: ``column``, ``encoding`` or both.
    """

    fields: Sequence[str] = ("text",)
    all_fields: Sequence[str] = ("text",)
    layout: Layout = field(default_factory=Layout)
    suffixes: frozenset[str] = frozenset()
    asked: frozenset[str] = frozenset()

    @classmethod
    def of_model(cls, usage: Usage) -> InputLayout:
        """Return the layout of the data that a model was trained on; that of any file for a built-in pipeline."""
        data, columns = usage.data, usage.data.get("columns")
        form = data.get("format") if data.get("format") in _TABLES else None
        layout = Layout(
            format=form,
            encoding=data.get("encoding") or "utf-8",
            header=data.get("header"),
            columns={name: columns[name] for name in usage.fields} if columns else None,
            known_labels=usage.labels,
        )
        files = [data[split] for split in ("train", "dev", "test") if isinstance(data.get(split), str)]
        suffixes = frozenset(data_suffix(Path(file)) for file in files)
        return cls(usage.fields, usage.task.FIELDS if usage.task else usage.fields, layout, suffixes)

    def with_options(self, column: str | None, encoding: str | None) -> InputLayout:
        """Return the layout that ``--column`` and ``--encoding`` ask for.

        Args:
            column: the name or the index from 0 of the column of the texts; two with a comma between them for pairs.
            encoding: the name of a codec.

        Raises:
            DataError: the number of columns is wrong.
        """
        layout, asked = self.layout, set(self.asked)
        if column is not None:
            layout, asked = replace(layout, columns=self._parse_column(column), header=None), {*asked, "column"}
        if encoding is not None:
            layout, asked = replace(layout, encoding=encoding), {*asked, "encoding"}
        return replace(self, layout=layout, asked=frozenset(asked))

    def _parse_column(self, column: str) -> dict[str, str | int]:
        names = column.split(",") if len(self.fields) > 1 else [column]
        if len(names) != len(self.fields) or not all(names):
            message = _("--column {column}: expected {count} columns, as in --column a,b or --column 0,1")
            raise DataError(message.format(column=column, count=len(self.fields)))
        columns = (int(name) if name.isdecimal() and len(name) <= _MAX_DIGITS else name for name in names)
        return dict(zip(self.fields, columns, strict=True))


def read_inputs(texts: Sequence[str], file: Path | None, layout: InputLayout = InputLayout()) -> Inputs:
    """Return the given texts, or those of a file.

    A row of a file that cannot be used has an `InputRow.error`. Of a file of lines, each line is a text; blank lines at
    its end do not count.

    Args:
        texts: the texts; empty if a file is given. The two texts of a pair have a tab between them.
        file: a table (.tsv, .csv), JSON lines (.json, .jsonl), or lines; ``-`` is standard input.
        layout: how the file is laid out.

    Raises:
        DataError: there are no texts, there are both texts and a file, a given text is no input, or the file cannot be
            read or its texts cannot be found.
        ConfigError: the encoding is unknown.
    """
    if file is not None and texts:
        raise DataError(_("give texts or --input FILE, not both"))
    inputs = Inputs(_check_arguments(texts, layout)) if file is None else _read_file(file, layout)
    if not inputs.rows:
        raise DataError(_("nothing to predict: expected a text, or --input FILE with one text on each line"))
    return inputs


def _check_arguments(texts: Sequence[str], layout: InputLayout) -> list[InputRow]:
    for number, text in enumerate(texts, start=1):
        problem = find_problem(text, len(layout.fields))
        if problem == _(BLANK):
            message = _("nothing to predict: text {number} of {count} is blank")
            raise DataError(message.format(number=number, count=len(texts)))
        if problem:
            raise DataError(problem)
    return [InputRow(text) for text in texts]


def _read_file(path: Path, layout: InputLayout) -> Inputs:
    if path != STDIN and is_dir(path):
        raise DataError(_("{option} {file}: is a folder, expected a file").format(option="--input", file=path))
    if not _is_readable(path):
        near = nearest_path(path, list_siblings(path))
        raise DataError(_("--input {file}: no such file{near}").format(file=short_name(path), near=near))
    try:
        rows = _read_rows(path, layout)
    except UserError as error:
        raise type(error)(f"--input {for_command(str(error))}") from None
    return Inputs([_checked(row, layout) for row in rows], _("standard input") if path == STDIN else str(path))


def _is_readable(path: Path) -> bool:
    try:
        return readable_file(path) is not None
    except OSError as error:
        if path != STDIN:
            raise
        message = _("nothing to predict: expected a text, or --input FILE (standard input: {reason})")
        raise DataError(message.format(reason=error)) from None


def for_command(message: str) -> str:
    """Return a message of the readers with the options of `predict` in place of settings."""
    for pattern, replacement in _OPTIONS:
        message = re.sub(_(pattern), _(replacement), message) if replacement else re.sub(pattern, "", message)
    return message


def _read_rows(path: Path, layout: InputLayout) -> list[InputRow]:
    table = replace(layout.layout, encoding=_find_encoding(path, layout))
    file = read_text_file(path, table.encoding)
    _check_decoded(file)
    form = find_format(file, layout)
    if form is None:
        return _read_lines(file)
    rows = read_whole_rows(path, layout.fields, layout.all_fields, replace(table, format=form))
    return [
        InputRow("", row.line, error=row.reason)
        if isinstance(row, BadRow)
        else InputRow(_join(list(row.fields.values())), row.line, row.others)
        for row in rows
    ]


def _check_decoded(file: TextFile) -> None:
    """Check that most lines decode, of those that are not plain ASCII; single broken lines are bad rows.

    Raises:
        DataError: they do not, so that the file is in another encoding or is no text.
    """
    foreign = [(number, has_lone_surrogate(line)) for number, line in file.lines if not line.isascii()]
    broken = [number for number, is_broken in foreign if is_broken]
    if len(broken) > len(foreign) / 2:
        raise DataError(str(file.undecoded(broken[0])))


def _find_encoding(path: Path, layout: InputLayout) -> str:
    """Return the encoding that was asked for, UTF-8 for a file that is valid UTF-8, or else that of the train data.

    Text in another encoding is hardly ever valid UTF-8, whereas gb18030 would read most UTF-8 as other characters.
    """
    encoding = layout.layout.encoding
    if "encoding" in layout.asked or encoding == "utf-8":
        return encoding
    try:
        lines = read_text_file(path, "utf-8").lines
    except DataError:  # UTF-16 looks like a binary file
        return encoding
    return encoding if any(has_lone_surrogate(line) for _, line in lines) else "utf-8"


def _read_lines(file: TextFile) -> list[InputRow]:
    n_lines = max((number for number, line in file.lines if line.strip()), default=0)
    return [
        InputRow("", number, error=file.undecoded(number).reason)
        if has_lone_surrogate(line)
        else InputRow(line, number)
        for number, line in file.lines[:n_lines]
    ]


def _join(texts: list[str]) -> str:
    return join_pair(*texts) if len(texts) > 1 else texts[0]


def _checked(row: InputRow, layout: InputLayout) -> InputRow:
    """Return the row, with an error if its text is no input."""
    problem = row.error or find_problem(row.text, len(layout.fields))
    return replace(row, error=for_command(problem)) if problem else row


# ---- the format


def find_format(file: TextFile, layout: InputLayout) -> Format | None:
    """Return the format of a file by its ending; None if each line is a text.

    A file with another ending, such as a pipe, holds records if its first line is a JSON object or a header of usual
    names, if columns are asked for, or if it has the ending and at least the columns of labelled train data.
    """
    suffix = data_suffix(file.path)
    if suffix in layout.suffixes and layout.layout.format:
        return layout.layout.format
    if suffix in _FORMATS:
        return _FORMATS[suffix]
    first = next((line for _, line in file.lines if line.strip()), "")
    if _is_json(first, file):
        return "jsonl"
    for form, separator in _SEPARATORS.items():
        cells = next(csv.reader([first], delimiter=separator), [])
        if len(cells) > 1 and ("column" in layout.asked or _is_header(cells, layout)):
            return form
        if suffix in layout.suffixes and form == "tsv" and len(cells) > len(layout.fields):
            return form
    return "tsv" if "column" in layout.asked else None


def _is_json(first: str, file: TextFile) -> bool:
    """Return whether the first line is a JSON object, or the whole file an object or an array."""
    if _starts_object(first):
        return True
    if first.lstrip()[:1] not in ("{", "["):
        return False
    try:
        return isinstance(json.loads("\n".join(line for _, line in file.lines)), (dict, list))
    except (ValueError, RecursionError):
        return False


def _starts_object(first: str) -> bool:
    try:
        return first.lstrip().startswith("{") and isinstance(json.loads(first), dict)
    except (ValueError, RecursionError):
        return False


def _is_header(cells: Sequence[str], layout: InputLayout) -> bool:
    """Return whether all cells are usual names of columns, among them those of the texts."""
    if not all(is_usual_name(cell) or normalise_name(cell) in _ID_NAMES for cell in cells):
        return False
    try:
        match_names(layout.fields, cells, "")
    except DataError:
        return False
    return True
