"""Labels and texts that are no labels and texts: lists, objects, NaN, and what stands for a missing value."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.data.pairs.text_pairs import parse_labelled_pair
from paddle_tasks.data.tables.readers import Layout
from paddle_tasks.data.tables.splits import LabelledText, Split, load_split, parse_labelled_text
from paddle_tasks.data.tables.values import MISSING, label_of, label_of_cell, text_of
from paddle_tasks.errors import DataError
from paddle_tasks.workflows.check_data import check_data

FIELDS = ("text", "label")


def load(path: Path, content: str, labels: Sequence[str] | None = None) -> Split[LabelledText]:
    path.write_text(content, encoding="utf-8")
    layout = Layout(known_labels=labels or ())
    return load_split("train", str(path), layout, FIELDS, partial(parse_labelled_text, labels=labels))


def bad_rows(split: Split[LabelledText]) -> list[str]:
    return [f"{bad.line}: {bad.reason}" for bad in split.bad_rows]


# ---- JSON


@pytest.mark.parametrize(
    ("value", "label"), [("正", "正"), (1, "1"), (["正"], "正"), ([0], "0"), ([True], "true"), (None, "")]
)
def test_a_json_label(value, label):
    assert label_of(value) == label


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "found none: []"),
        (["正", "快"], 'found 2: ["正", "快"]'),
        ([[0, 2, "正"]], 'found [[0, 2, "正"]]'),
        ([None], "found [null]"),
        ([float("nan")], "found NaN"),
        ({"choices": ["正"]}, 'found an object: {"choices": ["正"]}'),
        (float("nan"), "found NaN"),
        (float("-inf"), "found -Infinity"),
        (["很长" * 50, "x"], "很长…"),
    ],
)
def test_what_is_no_json_label(value, reason):
    with pytest.raises(DataError) as raised:
        label_of(value)
    assert reason in str(raised.value)


def test_numbers_of_json_are_texts_and_lists_are_not():
    assert (text_of(1.5), text_of(False), text_of(None)) == ("1.5", "false", "")
    for value in ([], ["好"], {}, float("nan"), float("inf")):
        with pytest.raises(DataError, match="found "):
            text_of(value)


def test_doccanos_lists_of_labels(tmp_path):
    values: list[Any] = [["正向"], [], ["正向", "物流"], {"a": 1}, "负向"]
    content = "".join(json.dumps({"text": "好", "label": value}) + "\n" for value in values)
    split = load(tmp_path / "a.jsonl", content)
    assert [example.label for example in split.examples] == ["正向", "负向"]
    assert bad_rows(split) == [
        "2: expected one label in 'label', found none: []",
        '3: expected one label in \'label\', found 2: ["正向", "物流"]',
        "4: expected one label in 'label', found an object: {\"a\": 1}",
    ]


def test_json_without_values(tmp_path):
    rows = ['"label": NaN, "text": "好"', '"label": 1, "text": NaN', '"label": 1, "text": ["好"]', '"label": Infinity']
    rows += ['"label": null, "text": "好"', '"label": " ", "text": "好"', '"label": 1, "text": "好", "score": NaN']
    split = load(tmp_path / "a.jsonl", "".join(f"{{{row}}}\n" for row in rows))
    assert [example.where for example in split.examples] == [f"{tmp_path}/a.jsonl:7"], "other fields may be NaN"
    assert bad_rows(split) == [
        "1: expected one label in 'label', found NaN",
        "2: expected a text in 'text', found NaN",
        "3: expected a text in 'text', found a list: [\"好\"]",
        "4: no field 'text', only label",
        "5: empty label",
        "6: empty label",
    ]


# ---- tables


@pytest.mark.parametrize("missing", sorted(MISSING))
@pytest.mark.parametrize("name", ["a.tsv", "a.csv"])
def test_a_cell_that_stands_for_a_missing_value_is_a_bad_row(tmp_path, name, missing):
    separator = "\t" if name == "a.tsv" else ","
    rows = ["label,text", "1,好", f"{missing},差", f"1, {missing} ", f"0,{missing} 不好"]
    split = load(tmp_path / name, "\n".join(rows).replace(",", separator))
    assert [example.text for example in split.examples] == ["好", f"{missing} 不好"], "inside a text it is a word"
    assert bad_rows(split) == [
        f"3: the label is {missing!r}, which stands for a missing value (data.labels may name it)",
        f"4: the text is {missing!r}, which stands for a missing value",
    ]


def test_a_text_of_a_pair_may_be_missing_too(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("text_a\ttext_b\tlabel\n好\tNULL\t1\nnan\t差\t0\n好\t不错\t1\n", encoding="utf-8")
    split = load_split("train", str(path), Layout(), ("text_a", "text_b", "label"), parse_labelled_pair)
    assert len(split.examples) == 1
    assert [bad.reason.split(",")[0] for bad in split.bad_rows] == ["the text_b is 'NULL'", "the text_a is 'nan'"]


def test_a_label_that_is_configured_is_no_missing_value(tmp_path):
    content = "label\ttext\nNone\t好\n正\t差\n['a']\t坏\n"
    labels = ["None", "正", "['a']"]
    assert [example.label for example in load(tmp_path / "a.tsv", content, labels).examples] == labels
    path = tmp_path / "a.tsv"
    assert check_data("sentiment", {"train": str(path)})["bad_rows"] == 1
    report = check_data("sentiment", {"train": str(path)}, ["""data.labels=[None, 正, "['a']"]"""])
    assert (report["bad_rows"], list(report["labels"]["train"])) == (0, labels)


@pytest.mark.parametrize(
    ("cell", "label"),
    [("正", "正"), ("['正向']", "正向"), ('["正向"]', "正向"), ("[3]", "3"), ("[开心]", "[开心]"), ("", "")],
)
def test_a_list_in_a_cell(cell, label):
    assert label_of_cell(cell) == label


@pytest.mark.parametrize("cell", ["[]", "['正', '快']", "{}", "{'a': 1}", ' ["正", "快"] '])
def test_a_list_in_a_cell_is_no_label(tmp_path, cell):
    with pytest.raises(DataError, match="found "):
        label_of_cell(cell)
    split = load(tmp_path / "a.tsv", f"label\ttext\n{cell}\t好\n1\t差\n")
    assert len(split.examples) == 1
    assert bad_rows(split)[0].startswith("2: expected one label, found ")
