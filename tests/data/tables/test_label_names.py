"""Label names: a mapping or a publisher's file, and rows that hold either the label or its name."""

from __future__ import annotations

import pytest

from paddle_tasks.data.tables.label_names import accept_label_names, read_label_names
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.splits import parse_labelled_text
from paddle_tasks.errors import DataError

from ...helpers import DATA

NAMES = {"100": "故事", "102": "娱乐"}


def test_a_mapping_is_taken_as_it_is():
    assert read_label_names(NAMES) == NAMES
    assert read_label_names(None) == {}


def test_the_lines_of_a_text_file_name_labels_0_1_2(tmp_path):
    path = tmp_path / "class.txt"
    path.write_text("finance\n\nstocks\n", encoding="utf-8")
    assert read_label_names(str(path)) == {"0": "finance", "2": "stocks"}


@pytest.mark.parametrize("key", ["label_desc", "label_des"])
@pytest.mark.parametrize("quote", ['"', ""])
def test_json_lines_name_the_publishers_ids(tmp_path, key, quote):
    path = tmp_path / "labels.json"
    lines = [f'{{"label": {quote}{label}{quote}, "{key}": "{name}"}}' for label, name in NAMES.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert read_label_names(str(path)) == NAMES


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"label": 1, "label_desc": "甲"}\n{"label": 2', r"labels\.json:2: expected one JSON object a line"),
        ('{"label": 1, "label_desc": "甲"}\n{"label": 2, "label_desc": "甲"}', "'甲' is the name of 1, 2; expected"),
        ('{"label": 1, "titel": "甲"}', "cannot tell which columns hold label and name among label, titel"),
    ],
)
def test_invalid_input_is_refused(tmp_path, content, message):
    path = tmp_path / "labels.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_label_names(str(path))
    with pytest.raises(DataError, match=r"lables\.json: no such file; did you mean '.*labels\.json'"):
        read_label_names(str(tmp_path / "lables.json"))


def label(found: str, names: dict[str, str]) -> str:
    parse = accept_label_names(lambda row: parse_labelled_text(row, tuple(names) or None), names)
    return parse(Row("a.tsv", 1, {"text": "好", "label": found})).label


def test_a_row_may_hold_the_label_or_its_name():
    assert (label("102", NAMES), label(" 娱乐 ", NAMES)) == ("102", "102")
    assert label("娱乐", {}) == "娱乐"
    with pytest.raises(DataError, match=r"unknown label '101'"):
        label("101", NAMES)
    assert label("1", {"0": "1", "1": "0"}) == "1", "a label goes before a name"


@pytest.mark.skipif(not (DATA / "clue").is_dir(), reason=f"no CLUE data in {DATA}")
def test_the_names_of_tnews_and_thucnews():
    tnews = read_label_names(str(DATA / "clue" / "tnews" / "labels.json"))
    assert (len(tnews), tnews["104"], "105" in tnews) == (15, "news_finance", False)
    assert read_label_names(str(DATA / "news" / "thucnews_titles" / "class.txt"))["3"] == "education"
