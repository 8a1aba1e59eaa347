"""Headers: usual names in any case, width, language and quotes; a header never becomes a class."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.data.tables.headers import is_usual_name, normalise_name
from paddle_tasks.data.tables.readers import Layout, read_rows
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.errors import DataError

FIELDS = ("text", "label")
PAIR = ("text_a", "text_b", "label")


def read(
    path: Path, content: str, fields: tuple[str, ...] = FIELDS, dropped: Counter[str] | None = None, **layout: Any
) -> list[tuple[str, ...]]:
    """Write a file and return the cells of its rows; fail if one is bad."""
    path.write_bytes(content.encode())
    rows = list(read_rows(path, fields, Layout(**layout), dropped=dropped))
    assert all(isinstance(row, Row) for row in rows), rows
    return [tuple(row.fields.values()) for row in rows if isinstance(row, Row)]


def refusal(path: Path, content: str, fields: tuple[str, ...] = FIELDS, **layout: Any) -> str:
    with pytest.raises(DataError) as raised:
        read(path, content, fields, **layout)
    return str(raised.value)


# ---- usual names


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Text_A", "texta"),
        (' "text a" ', "texta"),
        ("ＴＥＸＴ－Ａ", "texta"),
        ("“标签”", "标签"),
        ("\ufeffLabel", "label"),
    ],
)
def test_case_width_quotes_and_separators_of_a_name_do_not_matter(name, key):
    assert normalise_name(name) == key


def test_usual_names_belong_to_fields():
    assert is_usual_name("Sentence1")
    assert is_usual_name("Sentence1", ["text_a"])
    assert not is_usual_name("Sentence1", ["text", "label"])
    assert not is_usual_name("好吃")


@pytest.mark.parametrize(
    "header",
    [
        "Text,Label",
        "TEXT,LABEL",
        '"text","label"',
        "'Text','Label'",
        "“Review”,“Class”",
        "ｔｅｘｔ,ｌａｂｅｌ",
        "Review Text,Class_Label",
        "评论内容,情感倾向",
        "評論,標籤",
        "新闻标题,分类",
        "Headline,Topic",
    ],
)
@pytest.mark.parametrize("labels", ["1010", "abab"])
def test_a_header_is_recognised(tmp_path, header, labels):
    rows = [(text, label) for text, label in zip(["好", "差", "好吃", "难吃"], labels, strict=True)]
    content = "\n".join([header, *map(",".join, rows)])
    assert read(tmp_path / "a.csv", content) == rows
    assert read(tmp_path / "a.tsv", content.replace(",", "\t")) == rows


@pytest.mark.parametrize(
    "header",
    ["Sentence1,Sentence2,Label", "句子A,句子B,标签", "Question 1,Question 2,Is_Duplicate,Label", "Q1,Q2,类别"],
)
def test_a_header_of_pairs_is_recognised(tmp_path, header):
    extra = ["x"] * (header.count(",") - 2)
    content = "\n".join(
        [header, ",".join(["怎么还款", "如何还钱", *extra, "1"]), ",".join(["开票", "下雨", *extra, "0"])]
    )
    assert read(tmp_path / "a.csv", content, PAIR) == [("怎么还款", "如何还钱", "1"), ("开票", "下雨", "0")]


def test_keys_of_json_are_recognised_too(tmp_path):
    assert read(tmp_path / "a.jsonl", '{"Label": 1, "Sentence": "好"}\n') == [("好", "1")]
    assert read(tmp_path / "a.jsonl", '{"id": 3, "data": "好", "label": ["1"]}\n') == [("好", "1")]


def test_one_column_serves_one_field(tmp_path):
    content = '{"label_desc": "好"}\n'
    assert "cannot tell which columns hold label and name" in refusal(tmp_path / "a.jsonl", content, ("label", "name"))


def test_a_table_whose_cells_are_all_quoted_is_read_without_quotes(tmp_path):
    content = '"text"\t"label"\n"好, ""真""好"\t"1"\n"第一行\n第二行"\t"0"\n'
    assert read(tmp_path / "a.tsv", content) == [('好, "真"好', "1"), ("第一行\n第二行", "0")]
    content = 'text\tlabel\n"好"\t1\n'
    assert read(tmp_path / "a.tsv", content) == [('"好"', "1")], "without quotes in the header, quotes are text"


# ---- a first row that can only be a header


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("原文,分数\n好,1\n差,0\n", "'分数' is a name, but all other labels are numbers"),
        ("原文,分数\n好,1\n", "is a name, but all other labels are numbers"),
        ("原文,分数\n好,1\n差,nan\n坏,0\n", "is a name, but all other labels are numbers"),
        ("原文,褒贬\n好,正面\n差,负面\n好吃,正面\n难吃,负面\n", "'褒贬' occurs in no other row"),
    ],
)
def test_a_header_without_usual_names_is_refused_with_what_to_set(tmp_path, content, reason):
    message = refusal(tmp_path / "a.csv", content)
    assert "a.csv:1: the first row (原文, " in message
    assert reason in message
    assert "set data.header=true data.columns.label=1 data.columns.text=0 if it is one, or data.header=false" in message
    rows = [tuple(line.split(",")) for line in content.split("\n") if line]
    columns = {"text": 0, "label": 1}
    assert read(tmp_path / "a.csv", content, header=True, columns=columns) == rows[1:]
    assert read(tmp_path / "a.csv", content, header=False) == rows


def test_a_rare_label_in_the_first_row_of_many_is_a_header_but_for_known_labels(tmp_path):
    rows = [("好", "中性"), *[(f"好{number}", "正面") for number in range(30)], ("差", "负面")]
    content = "\n".join(map("\t".join, rows))
    assert "'中性' occurs in no other row" in refusal(tmp_path / "a.tsv", content.removesuffix("\n差\t负面"))
    assert read(tmp_path / "a.tsv", content) == rows, "two of 32 rows have a label of their own: chance"
    assert read(tmp_path / "a.tsv", content.removesuffix("\n差\t负面"), known_labels={"中性"}) == rows[:-1]


@pytest.mark.parametrize(
    "rows",
    [
        [("好", "1"), ("差", "0"), ("好吃", "1"), ("一般", "2")],
        [("好", "正面"), ("差", "负面"), ("好吃", "正面")],
        [("很好吃", "正面"), ("很难吃", "负面")],
        [("失恋了怎么办", "情感"), ("昨天下雨", "天气"), ("想他", "情感")],
    ],
)
def test_rows_without_a_header_are_all_rows(tmp_path, rows):
    assert read(tmp_path / "a.tsv", "\n".join(map("\t".join, rows))) == rows


def test_with_given_positions_a_name_among_numbers_is_the_header(tmp_path):
    columns = {"text": 0, "label": 2}
    assert read(tmp_path / "a.tsv", "原文\tx\t分数\n好\tx\t1\n", columns=columns) == [("好", "1")]
    content = "原文\tx\t褒贬\n" + "好\tx\t正\n差\tx\t负\n" * 3
    assert "'褒贬' occurs in no other row" in refusal(tmp_path / "a.tsv", content, columns=columns)


# ---- repeated headers and byte-order marks inside a file


@pytest.mark.parametrize("separator", [",", "\t"])
@pytest.mark.parametrize("again", ["text,label", "Text,Label", "\ufefftext,label"])
def test_a_repeated_header_is_dropped_and_counted(tmp_path, separator, again):
    content = f"text,label\n好,1\n差,0\n{again}\n好吃,1\n".replace(",", separator)
    dropped: Counter[str] = Counter()
    name = "a.csv" if separator == "," else "a.tsv"
    assert read(tmp_path / name, content, dropped=dropped) == [("好", "1"), ("差", "0"), ("好吃", "1")]
    assert dropped == {"repeated headers": 1} | ({"byte-order marks": 1} if again[0] == "\ufeff" else {})


def test_a_header_after_rows_without_one_is_dropped(tmp_path):
    dropped: Counter[str] = Counter()
    content = "1,好\n0,差\nlabel,text\n1,好吃\n"
    assert read(tmp_path / "a.csv", content, dropped=dropped) == [("好", "1"), ("差", "0"), ("好吃", "1")]
    assert dropped == {"repeated headers": 1}
    assert len(read(tmp_path / "a.csv", content, header=False)) == 4, "unless the configuration calls it a row"


def test_a_header_of_unusual_names_is_dropped_again_too(tmp_path):
    content = "原文\t分数\n好\t1\n原文\t分数\n差\t0\n"
    columns = {"text": "原文", "label": "分数"}
    assert read(tmp_path / "a.tsv", content, columns=columns) == [("好", "1"), ("差", "0")]


@pytest.mark.parametrize(
    ("name", "lines", "expected"),
    [
        ("a.csv", ["1,好", "0,差", "0,难吃", '1,"好, 吃"'], [("好", "1"), ("差", "0"), ("难吃", "0"), ("好, 吃", "1")]),
        ("a.tsv", ["1\t好", "0\t差", "0\t难吃"], [("好", "1"), ("差", "0"), ("难吃", "0")]),
        ("a.jsonl", ['{"text": "好", "label": 1}', '{"text": "差", "label": 0}'], [("好", "1"), ("差", "0")]),
    ],
)
def test_byte_order_marks_at_the_starts_of_lines_are_dropped_and_counted(tmp_path, name, lines, expected):
    dropped: Counter[str] = Counter()
    assert read(tmp_path / name, "".join(f"\ufeff{line}\n" for line in lines), dropped=dropped) == expected
    assert dropped == {"byte-order marks": len(lines) - 1}


def test_a_mark_inside_a_text_is_text(tmp_path):
    assert read(tmp_path / "a.tsv", "label\ttext\n1\t好\ufeff吃\n") == [("好\ufeff吃", "1")]
