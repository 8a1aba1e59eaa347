"""The inputs of a prediction: arguments, lines of text, and JSON lines with their ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paddle_tasks.errors import DataError
from paddle_tasks.inference.inputs import Inputs, read_inputs

PAIR = ("text_a", "text_b")


def write_records(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")
    return path


def test_arguments_and_lines_are_counted_from_0(tmp_path):
    (tmp_path / "a.txt").write_text("好\n\n甲\t乙\n", encoding="utf-8-sig")
    assert read_inputs(["好", "甲\t乙"], None) == Inputs(["好", "甲\t乙"], [0, 1])
    assert read_inputs([], tmp_path / "a.txt", PAIR) == Inputs(["好", "甲\t乙"], [0, 1])


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_json_lines_keep_their_ids(tmp_path, suffix):
    rows = [{"id": 7, "sentence": "甲", "keywords": ""}, {"id": 3, "sentence": "乙", "keywords": "x"}]
    assert read_inputs([], write_records(tmp_path / f"a{suffix}", *rows)) == Inputs(["甲", "乙"], [7, 3])
    rows = [{"id": "q1", "sentence1": "甲", "sentence2": "乙"}, {"id": "q2", "sentence1": "丙", "sentence2": "丁"}]
    assert read_inputs([], write_records(tmp_path / f"b{suffix}", *rows), PAIR) == Inputs(
        ["甲\t乙", "丙\t丁"], ["q1", "q2"]
    )


def test_without_ids_rows_are_counted_from_0(tmp_path):
    assert read_inputs([], write_records(tmp_path / "a.json", {"text": "甲"}, {"text": "乙"})) == Inputs(
        ["甲", "乙"], [0, 1]
    )


@pytest.mark.parametrize(
    ("rows", "fields", "message"),
    [
        (
            [{"id": 0, "sentence": "甲"}],
            PAIR,
            r"a\.json:1: cannot tell which columns hold text_a and text_b among id, sen",
        ),
        ([{"sentence": "甲"}, {"sentense": "乙"}], ("text",), r"a\.json:2: no field 'sentence', only sentense"),
        ([{"id": 1, "text": "甲"}, {"text": "乙"}], ("text",), r"a\.json:2: no field 'id', only text"),
        ([{"sentence": "甲"}, {"sentence": " "}], ("text",), "text 2 of 2 is blank"),
        (["甲"], ("text",), r"a\.json:1: no line can be read; the first one: expected one JSON object a line, found"),
    ],
)
def test_records_that_cannot_be_used_are_named(tmp_path, rows, fields, message):
    with pytest.raises(DataError, match=message):
        read_inputs([], write_records(tmp_path / "a.json", *rows), fields)
