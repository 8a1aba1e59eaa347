"""The texts that a prediction is asked for: arguments, lines, and JSON lines with their ids."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paddle_tasks.errors import DataError
from paddle_tasks.inference.inputs import Asked, read_texts
from paddle_tasks.tasks.classification.clue import submission

PAIR = ("text_a", "text_b")


def written(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")
    return path


def test_arguments_and_lines_are_counted_from_0(tmp_path):
    (tmp_path / "a.txt").write_text("好\n\n甲\t乙\n", encoding="utf-8-sig")
    assert read_texts(["好", "甲\t乙"], None) == Asked(["好", "甲\t乙"], [0, 1])
    assert read_texts([], tmp_path / "a.txt", PAIR) == Asked(["好", "甲\t乙"], [0, 1])


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_json_lines_keep_their_ids(tmp_path, suffix):
    rows = [{"id": 7, "sentence": "甲", "keywords": ""}, {"id": 3, "sentence": "乙", "keywords": "x"}]
    assert read_texts([], written(tmp_path / f"a{suffix}", *rows)) == Asked(["甲", "乙"], [7, 3])
    rows = [{"id": "q1", "sentence1": "甲", "sentence2": "乙"}, {"id": "q2", "sentence1": "丙", "sentence2": "丁"}]
    assert read_texts([], written(tmp_path / f"b{suffix}", *rows), PAIR) == Asked(["甲\t乙", "丙\t丁"], ["q1", "q2"])


def test_without_ids_places_count(tmp_path):
    assert read_texts([], written(tmp_path / "a.json", {"text": "甲"}, {"text": "乙"})) == Asked(["甲", "乙"], [0, 1])


@pytest.mark.parametrize(
    ("rows", "fields", "message"),
    [
        ([{"id": 0, "sentence": "甲"}], PAIR, r"a\.json:1: cannot tell which columns hold text_a and text_b among id, sen"),
        ([{"sentence": "甲"}, {"sentense": "乙"}], ("text",), r"a\.json:2: no field 'sentence', only sentense"),
        ([{"id": 1, "text": "甲"}, {"text": "乙"}], ("text",), r"a\.json:2: no field 'id', only text"),
        ([{"sentence": "甲"}, {"sentence": " "}], ("text",), "text 2 of 2 is blank"),
        (["甲"], ("text",), r"a\.json:1: expected one JSON object a line"),
    ],
)
def test_records_that_cannot_be_used_are_named(tmp_path, rows, fields, message):
    with pytest.raises(DataError, match=message):
        read_texts([], written(tmp_path / "a.json", *rows), fields)


# ---- CLUE


def test_a_submission_is_clues():
    records = [{"label": "101", "probabilities": {}}, {"label": "116", "name": "news_game"}]
    assert submission([0, 5], records) == ['{"id": 0, "label": "101"}', '{"id": 5, "label": "116"}']


@pytest.mark.parametrize(
    ("ids", "label", "message"),
    [([1, 1], "0", "the id 1 stands twice"), ([0, 1], "news_car", "label 'news_car' is none of CLUE's.*label_names=")],
)
def test_what_clue_would_not_take_is_refused(ids, label, message):
    with pytest.raises(DataError, match=message):
        submission(ids, [{"label": label}] * 2)
