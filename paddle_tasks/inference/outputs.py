"""The records of a prediction, and the formats that suit the records of every task."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_tasks.errors import DataError, did_you_mean, join_names
from paddle_tasks.files import to_json
from paddle_tasks.inference.inputs import InputRow, Inputs
from paddle_tasks.language import _

Record = Mapping[str, Any]
LINE, ERROR = "line", "error"
DECIMALS = 6
_SOMETIMES = (LINE, ERROR, "truncated", "unsure")
"""Keys that only some records have."""
_SUFFIX = "_input"
_SURROGATE = re.compile("[\ud800-\udfff]")
_QUOTED = re.compile(r'["\t\r\n]')


def predict_rows(answer: Callable[[list[str]], Sequence[Record]], inputs: Inputs) -> list[Record | str]:
    """Return for each row the record of its text, or the reason why it has none.

    Args:
        answer: returns a record for each text; it may raise DataError for a text that it cannot use.
        inputs: the rows.
    """
    answers = iter(_answer_each(answer, [row.text for row in inputs.rows if not row.error]))
    return [row.error or next(answers) for row in inputs.rows]


def _answer_each(answer: Callable[[list[str]], Sequence[Record]], texts: list[str]) -> list[Record | str]:
    """Return a record or an error for each text; halves are answered apart until the texts with errors are alone."""
    try:
        return list(answer(texts)) if texts else []
    except DataError as error:
        if len(texts) == 1:
            return [str(error)]
    middle = len(texts) // 2
    return [*_answer_each(answer, texts[:middle]), *_answer_each(answer, texts[middle:])]


def with_inputs(inputs: Inputs, answers: Sequence[Record | str]) -> list[dict[str, Any]]:
    """Return a record for each row: its line, the other columns of its row, and the prediction or the error.

    The numbers of the prediction are `rounded`. A column whose name is a key of the predictions gets the suffix
    ``_input``: ``label_input`` is the file's label.
    """
    taken = {LINE, ERROR, *(key for answer in answers if not isinstance(answer, str) for key in answer)}
    names = _rename((name for row in inputs.rows for name in row.others), taken)
    return [_record(row, answer, names) for row, answer in zip(inputs.rows, answers, strict=True)]


def _rename(columns: Iterable[str], taken: set[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    columns = list(dict.fromkeys(columns))
    for column in columns:
        name = column
        while name in taken or (name != column and name in columns):
            name += _SUFFIX
        names[column] = name
    return names


def _record(row: InputRow, answer: Record | str, names: Mapping[str, str]) -> dict[str, Any]:
    line = {} if row.line is None else {LINE: row.line}
    others = {names[name]: value for name, value in row.others.items()}
    return {**line, **others, **({ERROR: answer} if isinstance(answer, str) else rounded(answer))}


def rounded(value: Any) -> Any:
    """Return a JSON value whose numbers have at most six decimal places: more would be noise of the processor."""
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, Mapping):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def select_fields(records: Sequence[Record], fields: Sequence[str]) -> list[dict[str, Any]]:
    """Return records with some of their fields; records with an error keep ``line`` and ``error`` too.

    Raises:
        DataError: no record has a field of that name.
    """
    known = list(dict.fromkeys([*(key for record in records for key in record), *_SOMETIMES]))
    unknown = [field for field in fields if field not in known]
    if unknown and any(ERROR not in record for record in records):
        near = did_you_mean(unknown[0], known)
        message = _("--fields: no field {name!r}{near} (one of {known})")
        raise DataError(message.format(name=unknown[0], near=near, known=join_names(known)))
    return [
        {key: record.get(key) for key in (*fields, *((LINE, ERROR) if ERROR in record else ()))} for record in records
    ]


# ---- formats


def json_lines(records: Sequence[Record]) -> str:
    """Return each record as a line of JSON."""
    # Only an escape can write half of a character, which JSON input may hold.
    return "".join(_SURROGATE.sub(_escape, to_json(record)) + "\n" for record in records)


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def csv_table(records: Sequence[Record]) -> str:
    """Return the records as CSV with a header; a list or an object is written as JSON."""
    return _table(records, ",")


def tsv_table(records: Sequence[Record]) -> str:
    """Return the records as TSV with a header; all cells are quoted if one of them holds a tab, quote or line break."""
    return _table(records, "\t")


def _table(records: Sequence[Record], separator: str) -> str:
    columns = list(dict.fromkeys(key for record in records for key in record))
    rows = [columns, *([_cell(record.get(column)) for column in columns] for record in records)]
    # Our own readers know no quotes in TSV unless all cells have them.
    quote_all = separator == "\t" and any(_QUOTED.search(cell) for row in rows for cell in row)
    table = io.StringIO()
    writer = csv.writer(
        table,
        delimiter=separator,
        lineterminator="\n",
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
    )
    writer.writerows(rows)
    return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", table.getvalue())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else to_json(value)


def format_records(records: Sequence[Record], file: Path | None) -> str:
    """Return the records in the format that the ending of a file names: CSV, TSV, or else JSON lines."""
    suffix = file.suffix.lower() if file else ""
    return {".csv": csv_table, ".tsv": tsv_table}.get(suffix, json_lines)(records)
