"""Pairs of texts: usual column names, files without a header, and the examples that rows become."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paddle_tasks.data.pairs.text_pairs import join_pair, parse_labelled_pair, split_pair
from paddle_tasks.data.tables.readers import Layout, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.data.tables.splits import LabelledText, load_split
from paddle_tasks.errors import DataError

from ...helpers import DATA, table

FIELDS = ("text_a", "text_b", "label")
ROWS = [("怎么还款", "还款日是哪天", "0"), ("怎么还款", "要怎么还钱", "1"), ("开发票", "发票怎么开", "1")]


def read(path: Path) -> list[tuple[str, ...]]:
    found = list(read_rows(path, FIELDS, Layout()))
    assert not [row for row in found if isinstance(row, BadRow)]
    return [tuple(row.fields[field] for field in FIELDS) for row in found if isinstance(row, Row)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (0, 2, 1)])
def test_without_names_the_label_column_is_inferred_and_the_texts_keep_their_order(tmp_path, order):
    assert read(table(tmp_path / "a.txt", *(tuple(row[at] for at in order) for row in ROWS))) == ROWS


@pytest.mark.parametrize("names", [FIELDS, ("sentence1", "sentence2", "label"), ("s1", "s2", "label")])
def test_the_usual_names(tmp_path, names):
    assert read(table(tmp_path / "a.tsv", names, *ROWS)) == ROWS
    path = tmp_path / "a.json"
    path.write_text("\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in ROWS), encoding="utf-8")
    assert read(path) == ROWS


def test_two_columns_are_no_pairs(tmp_path):
    with pytest.raises(
        DataError, match=r"the first row \(.*, 0, read as tsv\) has no usual name of a column for text_a, text_b, label"
    ):
        read(table(tmp_path / "a.tsv", *(row[1:] for row in ROWS)))


def test_a_pair_is_one_text_with_a_tab():
    row = Row("a.json", 3, {"text_a": "甲\t乙", "text_b": " 丙", "label": " 1 "})
    found = parse_labelled_pair(row, ("0", "1"))
    assert found == LabelledText("甲 乙\t 丙", "1", "a.json:3")
    assert split_pair(found.text) == ("甲 乙", " 丙")
    assert split_pair(join_pair("甲", "乙")) == ("甲", "乙")


@pytest.mark.parametrize("text", ["甲", "甲\t", "\t乙", "甲\t乙\t丙", " \t乙", ""])
def test_other_than_two_texts_are_refused(text):
    with pytest.raises(DataError, match="expected two texts with a tab between them"):
        split_pair(text)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"text_a": " ", "text_b": "乙", "label": "1"}, "empty text_a"),
        ({"text_a": "甲", "text_b": "", "label": "1"}, "empty text_b"),
        ({"text_a": "甲", "text_b": "乙", "label": ""}, "empty label"),
        ({"text_a": "甲", "text_b": "乙", "label": "2"}, "unknown label '2'"),
    ],
)
def test_a_bad_pair_has_a_reason(fields, reason):
    with pytest.raises(DataError, match=reason):
        parse_labelled_pair(Row("a.tsv", 1, fields), ("0", "1"))


def test_a_long_list_of_labels_is_cut():
    labels = [str(number) for number in range(119)]
    with pytest.raises(DataError, match=r"unknown label '119'.* \(one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, …, 118; data"):
        parse_labelled_pair(Row("a.tsv", 1, {"text_a": "甲", "text_b": "乙", "label": "119"}), labels)


@pytest.mark.long
@pytest.mark.skipif(not (DATA / "clue").is_dir(), reason=f"no CLUE data in {DATA}")
def test_afqmc_is_read_as_it_is_published():
    split = load_split("dev", str(DATA / "clue" / "afqmc" / "dev.txt"), Layout(), FIELDS, parse_labelled_pair)
    assert (len(split.examples), len(split.bad_rows)) == (4316, 0)
    assert sum(example.label == "0" for example in split.examples) == 2978
    assert split_pair(split.examples[0].text) == ("双十一花呗提额在哪", "里可以提花呗额度")
