"""Label names: a mapping or a publisher's file, and rows that hold either the label or its name."""

from __future__ import annotations

import pytest

from paddle_tasks.data.tables.label_names import accept_label_names, check_label_names, read_label_names
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
        ('{"label": 1, "titel": "甲"}', r"labels\.json:1: found the fields label, titel, expected a table with"),
    ],
)
def test_invalid_input_is_refused(tmp_path, content, message):
    path = tmp_path / "labels.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_label_names(str(path))
    with pytest.raises(DataError, match=r"lables\.json: no such file; did you mean '.*labels\.json'"):
        read_label_names(str(tmp_path / "lables.json"))


TABLE = {"0": "差评", "1": "好评"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("n.csv", "label,label_desc\n0,差评\n1,好评\n"),
        ("n.csv", "Name,Label\n差评,0\n好评,1\n"),
        ("n.csv", "0,差评\n1,好评\n"),
        ("n.tsv", "ID\tName\n0\t差评\n1\t好评\n"),
        ("n.txt", "0\t差评\n1\t好评\n"),
        ("n.txt", "差评\t0\n好评\t1\n"),
        ("n.txt", "0,差评\n1,好评"),
        ("n.txt", "标签\t名称\r\n0\t差评\r\n\r\n1\t好评\r\n"),
        ("n.txt", "差评\n好评\n"),
        ("n.json", '{"0": "差评", "1": "好评"}'),
        ("n.json", '{\n  "0": "差评",\n  "1": "好评"\n}'),
        ("n.json", '{"差评": 0, "好评": 1}'),
        ("n.json", '["差评", "好评"]'),
        ("n.json", '[{"id": 0, "name": "差评"}, {"id": 1, "name": "好评"}]'),
        ("n.jsonl", '{"label": 0, "name": "差评"}\n{"label": 1, "name": "好评"}\n'),
    ],
)
def test_tables_and_json_of_label_and_name(tmp_path, name, content):
    path = tmp_path / name
    path.write_text(content, encoding="utf-8", newline="")
    assert read_label_names(str(path)) == TABLE
    path.write_bytes(content.encode("utf-8-sig"))
    assert read_label_names(str(path)) == TABLE


@pytest.mark.parametrize("content", ["pos\t好评\nneg\t差评\n", "label\tname\npos\t好评\nneg\t差评\n"])
def test_labels_may_be_words_too(tmp_path, content):
    (tmp_path / "n.tsv").write_text(content, encoding="utf-8")
    assert read_label_names(str(tmp_path / "n.tsv")) == {"pos": "好评", "neg": "差评"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0\t差评\n1\n", r"n\.txt:2: found: '1', expected a table with label and name \(CSV,"),
        ("0\t差评\tx\n1\t好评\ty\n", r"n\.txt:1: found the columns 0, 差评, x, expected a table"),
        ("0\t差评\n0\t好评\n", r"n\.txt:2: a second name of a label: '0, 好评'"),
        ("代号\t中文\n0\t差评\n1\t好评\n", r"n\.txt:1: found 代号, 中文 above the labels"),
        ("标签\t中文\n0\t差评\n1\t好评\n", r"n\.txt:1: found the columns 标签, 中文"),
        ("label_desc\n差评\n好评\n", r"n\.txt:1: found 'label_desc', the name of a column"),
        ("0 差评\n1 好评\n", r"n\.txt:1: found a number before each name \('0 差评'\)"),
        ("1: 差评\n2：好评\n", "found a number before each name"),
        ("差评,很差\n好评\n", r"found '差评,很差', a line with a comma"),
        ('{"0": "差评", "1": 2}', r"n\.txt:1: found the fields 0, 1"),
        (" \n", r"n\.txt: the file is empty"),
    ],
)
def test_what_is_no_table_of_names_is_refused(tmp_path, content, message):
    path = tmp_path / "n.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=rf"^data\.label_names: .*{message}"):
        read_label_names(str(path))


def test_names_that_start_with_numbers_or_hold_line_separators_are_names(tmp_path):
    path = tmp_path / "n.txt"
    path.write_text("1 star\n2 stars\n", encoding="utf-8")
    assert read_label_names(str(path)) == {"0": "1 star", "1": "2 stars"}
    path.write_text("一\u2028二\n三\x0b四\n", encoding="utf-8")
    assert read_label_names(str(path)) == {"0": "一\u2028二", "1": "三\x0b四"}
    path.write_bytes("差评\n好评\n".encode("gb18030"))
    with pytest.raises(DataError, match=r"n\.txt:1: not valid UTF-8, save the file as UTF-8"):
        read_label_names(str(path))


def test_lines_may_not_be_more_than_the_labels(tmp_path):
    path = tmp_path / "n.txt"
    path.write_text("差评\n好评\n中评\n", encoding="utf-8")
    check_label_names(str(path), ["0", "1", "2"])
    message = r"n\.txt: has 3 names \(差评, 好评, 中评\), but the data has 2 labels \(0, 1\); give a table"
    with pytest.raises(DataError, match=message):
        check_label_names(str(path), ["1", "0"])
    path.write_text("0\t差评\n1\t好评\n2\t中评\n", encoding="utf-8")
    check_label_names(str(path), ["0", "1"])
    check_label_names({"0": "差评", "1": "好评", "2": "中评"}, ["0", "1"])
    check_label_names(None, [])


def label(found: str, names: dict[str, str]) -> str:
    parse = accept_label_names(lambda row: parse_labelled_text(row, tuple(names) or None), names)
    return parse(Row("a.tsv", 1, {"text": "好", "label": found})).label


def test_a_row_may_hold_the_label_or_its_name():
    assert (label("102", NAMES), label(" 娱乐 ", NAMES)) == ("102", "102")
    assert label("娱乐", {}) == "娱乐"
    with pytest.raises(DataError, match=r"unknown label '101'"):
        label("101", NAMES)
    assert label("1", {"0": "1", "1": "0"}) == "1", "a label goes before a name"


@pytest.mark.long
@pytest.mark.skipif(not (DATA / "clue").is_dir(), reason=f"no CLUE data in {DATA}")
def test_the_names_of_tnews_and_thucnews():
    tnews = read_label_names(str(DATA / "clue" / "tnews" / "labels.json"))
    assert (len(tnews), tnews["104"], "105" in tnews) == (15, "news_finance", False)
    assert read_label_names(str(DATA / "news" / "thucnews_titles" / "class.txt"))["3"] == "education"
