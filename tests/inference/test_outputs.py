"""Records of predictions: rows with errors, names of handed-through columns, chosen fields, CSV and TSV."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from paddle_tasks.data.tables.readers import Layout
from paddle_tasks.data.tables.whole_rows import read_whole_rows
from paddle_tasks.errors import DataError
from paddle_tasks.inference.inputs import InputRow, Inputs
from paddle_tasks.inference.outputs import (
    csv_table,
    format_records,
    json_lines,
    predict_rows,
    select_fields,
    tsv_table,
    with_inputs,
)

RECORD = {"input": "好", "label": "positive", "score": 0.75, "probabilities": {"negative": 0.25, "positive": 0.75}}


class Answer:
    """Answers texts, and refuses those that begin with x; counts the texts of each call."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, texts: list[str]) -> list[dict[str, str]]:
        self.calls.append(len(texts))
        bad = [text for text in texts if text.startswith("x")]
        if bad:
            raise DataError(f"{bad[0]}: refused")
        return [{"input": text} for text in texts]


def inputs(*texts: str) -> Inputs:
    return Inputs([InputRow(text, line) for line, text in enumerate(texts, start=1)], "a.txt")


def test_each_row_gets_its_record_or_its_own_error():
    answer, texts = Answer(), [*"abcd", "x1", *"efg", "x2"]
    rows = Inputs([*inputs(*texts).rows, InputRow("", 10, error="blank")])
    expected = [f"{text}: refused" if text.startswith("x") else {"input": text} for text in texts]
    assert predict_rows(answer, rows) == [*expected, "blank"]
    assert answer.calls[0] == len(texts)


def test_rows_without_errors_are_predicted_at_once():
    answer = Answer()
    predict_rows(answer, inputs(*"abcdefgh"))
    assert answer.calls == [8]
    assert predict_rows(answer, Inputs([InputRow("", 1, error="blank")])) == ["blank"]


def test_columns_named_like_keys_get_a_suffix_in_all_records():
    others = {"id": 7, "label": "1", "line": "x", "score": 5, "label_input": "?"}
    rows = [InputRow("好", 2, others), InputRow("", 3, {"id": 8, "label": "0"}, error="blank")]
    first, second = with_inputs(Inputs(rows), [RECORD, "blank"])
    assert first == {
        "line": 2,
        "id": 7,
        "label_input_input": "1",
        "line_input": "x",
        "score_input": 5,
        "label_input": "?",
        **RECORD,
    }
    assert second == {"line": 3, "id": 8, "label_input_input": "0", "error": "blank"}


def test_arguments_have_no_line():
    assert with_inputs(Inputs([InputRow("好")]), [RECORD]) == [RECORD]


def test_fields_are_selected_in_their_order():
    assert select_fields([RECORD], ["score", "label"]) == [{"score": 0.75, "label": "positive"}]
    assert list(select_fields([RECORD], ["score", "label"])[0]) == ["score", "label"]
    assert select_fields([RECORD], ["truncated"]) == [{"truncated": None}]


def test_records_with_errors_keep_line_and_error():
    records = [{"line": 2, **RECORD}, {"line": 3, "id": 7, "error": "blank"}]
    assert select_fields(records, ["id", "label"]) == [
        {"id": None, "label": "positive"},
        {"id": 7, "label": None, "line": 3, "error": "blank"},
    ]
    assert select_fields([{"line": 3, "error": "blank"}], ["label"]) == [{"label": None, "line": 3, "error": "blank"}]


def test_an_unknown_field_is_named():
    with pytest.raises(DataError, match=r"--fields: no field 'scores'; did you mean 'score'\?"):
        select_fields([RECORD], ["scores"])
    with pytest.raises(DataError, match="no field 'score'"):
        select_fields([{"input": "好", "spans": []}], ["score"])


def test_csv_is_read_back():
    records = [
        {"id": 7, "text": '甲,"乙"\n丙', "spans": [{"start": 0}], "ok": True, "p": 1e-07, "none": None},
        {"x": 1},
    ]
    header, first, second = csv.reader(io.StringIO(csv_table(records)))
    assert header == ["id", "text", "spans", "ok", "p", "none", "x"]
    assert first == ["7", '甲,"乙"\n丙', '[{"start": 0}]', "true", "1e-07", "", ""]
    assert second == ["", "", "", "", "", "", "1"]


@pytest.mark.parametrize("text", ["好", "甲\t乙", '"甲" 乙', "甲\n乙"])
def test_tsv_is_read_back_by_the_readers_of_train_data(tmp_path, text):
    file = tmp_path / "a.tsv"
    file.write_text(tsv_table([{"id": 1, "text": text}, {"id": 2, "text": "丙"}]), encoding="utf-8")
    rows = read_whole_rows(file, ("text",), ("text",), Layout())
    assert [row.fields["text"] for row in rows] == [text, "丙"]


def test_json_lines_are_strict_and_can_be_written():
    lines = json_lines([{"a": float("nan"), "text": "\ud83d"}, {"a": "好"}])
    assert lines.encode("utf-8")
    assert [json.loads(line) for line in lines.splitlines()] == [{"a": None, "text": "\ud83d"}, {"a": "好"}]


def test_the_ending_names_the_format():
    records = [{"a": 1}]
    assert format_records(records, Path("x.CSV")) == "a\n1\n"
    assert format_records(records, Path("x.tsv")) == "a\n1\n"
    for file in (None, Path("x.jsonl"), Path("x.json"), Path("x")):
        assert format_records(records, file) == '{"a": 1}\n'
