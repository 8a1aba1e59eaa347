"""Readers: formats, encodings, headers and columns; bad rows name their line."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_tasks.data.tables.readers import Layout, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.data.tables.values import MISSING
from paddle_tasks.errors import ConfigError, DataError, UserError

FIELDS = ("text", "label")
# No carriage return: in a CSV it is part of a line break, which comes back as a line feed.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r\0")  # Python 3.10's csv knows no NUL
# No byte-order mark at the start of a line, and nothing that stands for a missing value or a list.
CELLS = st.text(CHARACTERS, min_size=1, max_size=12).filter(
    lambda cell: cell.strip() not in {"", *MISSING} and cell[0] != "\ufeff" and cell.strip()[0] not in "[{"
)
ROWS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6)


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a file, texts as UTF-8, and returns its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def records(path: Path, **layout: Any) -> list[tuple[Any, ...]]:
    """Return (line, text, label) of good rows and (line, reason) of bad ones."""
    found = list(read_rows(path, FIELDS, Layout(**layout)))
    assert all(row.file == str(path) for row in found)
    return [
        (row.line, row.reason) if isinstance(row, BadRow) else (row.line, row.fields["text"], row.fields["label"])
        for row in found
    ]


def refusal(path: Path, **layout: Any) -> str:
    with pytest.raises(UserError) as raised:
        list(read_rows(path, FIELDS, Layout(**layout)))
    return str(raised.value)


# ---- layouts


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "label\ttext_a\n1\t很好\n0\t很差\n"),
        ("a.tsv", "qid\tlabel\ttext_a\n7\t1\t很好\n8\t0\t很差\n"),
        ("a.tsv", "sentence\tlabel_desc\n很好\t1\n很差\t0\n"),
        ("a.txt", "title\tcategory\n很好\t1\n很差\t0"),
        ("a.tsv", " label \ttext\n1\t很好\n0\t很差\n"),
        ("a.csv", "cat,label,review\n书,1,很好\n书,0,很差\n"),
        ("a.CSV", "评论,标签\n很好,1\n很差,0\n"),
    ],
)
def test_columns_are_found_by_their_usual_names(file, name, content):
    assert records(file(name, content)) == [(2, "很好", "1"), (3, "很差", "0")]


@pytest.mark.parametrize("swapped", [False, True])
def test_without_a_header_the_column_with_fewest_values_is_the_label(file, swapped):
    rows = [("词汇阅读是关键", "3"), ("中国人民公安大学", "3"), ("10", "4"), ("名师详解考研", "3")]
    lines = ["\t".join(reversed(row) if swapped else row) for row in rows]
    assert records(file("a.txt", "\n".join(lines))) == [(line, *row) for line, row in enumerate(rows, start=1)]


def test_json_lines(file):
    content = '{"label": 1, "label_des": "好", "sentence": "很好"}\n\n{"sentence": "很\\n差", "label": "0", "x": [1]}\n'
    assert records(file("a.json", content)) == [(1, "很好", "1"), (3, "很\n差", "0")]


def test_json_values_become_text(file):
    values: list[Any] = [None, True, 1.5, "[1]"]
    content = "".join(json.dumps({"text": value, "label": "x"}) + "\n" for value in values)
    assert [text for _, text, _ in records(file("a.jsonl", content))] == ["", "true", "1.5", "[1]"]


@pytest.mark.parametrize(
    ("name", "content", "format_"),
    [("a.txt", "label,text\n1,很好\n", "csv"), ("a.csv", "label\ttext\n1\t很好\n", "tsv")],
)
def test_a_configured_format_overrides_the_name(file, name, content, format_):
    assert records(file(name, content), format=format_) == [(2, "很好", "1")]
    assert "read as" in refusal(file(name, content))


# ---- columns that are given


@pytest.mark.parametrize(
    ("content", "layout"),
    [
        ("a\tb\tc\n很好\tx\t1\n", {"columns": {"text": "a", "label": "c"}}),
        ("a\tb\tc\n很好\tx\t1\n", {"columns": {"text": 0, "label": "c"}}),
        ("a\tb\tc\n很好\tx\t1\n", {"columns": {"text": 0, "label": 2}, "header": True}),
        ("text\tb\tlabel\n很好\tx\t1\n", {"columns": {"text": 0, "label": 2}}),
        ("text\tlabel\n很好\t1\n", {"header": True}),
    ],
)
def test_columns_with_a_header(file, content, layout):
    assert records(file("a.tsv", content), **layout) == [(2, "很好", "1")]


@pytest.mark.parametrize(
    ("content", "layout", "first"),
    [
        ("很好\tx\t1\n", {"columns": {"text": 0, "label": 2}}, ("很好", "1")),
        ("a\tb\tc\n", {"columns": {"text": 0, "label": 2}}, ("a", "c")),
        ("text\tlabel\n很好\tlabel\n", {"header": False}, ("text", "label")),
        ("text\tlabel\n很好\t1\n", {"columns": {"text": 0, "label": 1}, "header": False}, ("text", "label")),
    ],
)
def test_columns_without_a_header(file, content, layout, first):
    assert records(file("a.tsv", content), **layout)[0] == (1, *first)


def test_json_keys_can_be_given(file):
    path = file("a.jsonl", '{"s": "很好", "ot": "x"}\n{"s": "很差"}\n')
    assert records(path, columns={"text": "s", "label": "ot"}) == [(1, "很好", "x"), (2, "no field 'ot', only s")]


@pytest.mark.parametrize(
    ("content", "layout", "message"),
    [
        (
            "lable\ttext\n1\t好\n",
            {"columns": {"text": "text", "label": "label"}},
            r"a\.tsv:1: data\.columns\.label: no column 'label', only.*mean 'lable'",
        ),
        ("1\t好\n", {"columns": {"text": 2, "label": 0}}, r"data\.columns\.text: no column 2; the columns are 0 to 1"),
        ("1\t好\n", {"columns": {"text": -1, "label": 0}}, r"data\.columns\.text: no column -1;"),
        ("1\t好\n", {"columns": {"text": 1}}, "expected text and label, found text; .*data.columns.label=1"),
        ("1\t好\n", {"columns": {"txt": 1, "label": 0}}, "expected text and label, found txt and label"),
        ("a\tb\n1\t好\n", {"columns": {"text": "b", "label": "a"}, "header": False}, "names go with a header"),
        ("a\tb\n1\t好\n", {"header": True}, r"a\.tsv:1: cannot tell which columns hold text and label among a, b"),
        ("1\t2\t好\n", {}, r"a\.tsv:1: the first row \(1, 2, 好, read as tsv\) .*data\.columns\.text=0"),
        ("只有一列\n", {}, r"the first row \(只有一列, read as tsv\) has no usual name"),
    ],
)
def test_columns_that_cannot_be_identified_are_refused(file, content, layout, message):
    path = file("a.tsv", content)
    with pytest.raises(UserError, match=message):
        list(read_rows(path, FIELDS, Layout(**layout)))


def test_json_without_the_usual_keys_is_refused(file):
    path = file("a.jsonl", '\n{"s": "很好", "ot": "x"}\n')
    assert refusal(path).startswith(f"{path}:2: cannot tell which columns hold text and label among s, ot; name them")


# ---- encodings


@pytest.mark.parametrize(
    ("encoding", "given"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8"), ("gb18030", "gb18030"), ("gbk", "GB2312"), ("utf-16", "utf-16")],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_line_ends(file, encoding, given, newline):
    content = newline.join(["label\ttext", "1\t很好", "0\t很差", ""]).encode(encoding)
    assert records(file("a.tsv", content), encoding=given) == [(2, "很好", "1"), (3, "很差", "0")]


@pytest.mark.parametrize(
    ("name", "head", "good", "bad"),
    [
        ("a.tsv", "label\ttext\n", "1\t好\n", "1\t{}\n"),
        ("a.csv", "label,text\n", "1,好\n", '1,"{}"\n'),
        ("a.jsonl", "", '{"label": "1", "text": "好"}\n', '{"label": "1", "text": "{}"}\n'),
    ],
)
def test_bytes_that_do_not_decode_name_their_line(file, name, head, good, bad):
    broken = bad.encode().replace(b"{}", b"ok\xff\xfe")
    path = file(name, (head + good).encode() + broken + good.encode())
    line = 2 + bool(head)
    assert records(path)[1] == (line, "not valid utf-8 (set data.encoding to another, such as gb18030)")
    assert [record[0] for record in records(path) if len(record) == 3] == [line - 1, line + 1]


def test_a_quoted_cell_that_does_not_decode_makes_its_whole_record_bad(file):
    content = 'label,text\n1,好\n0,"{}一\n二,三"\n1,完\n'.encode().replace(b"{}", b"\xff")
    assert [record[0] for record in records(file("a.csv", content))] == [2, 3, 5]


def test_a_lone_surrogate_in_json_is_reported(file):
    content = '{"label": "1", "text": "\\ud83d\\ude00"}\n{"label": "1", "text": "\\ud83d"}\n'
    good, bad = records(file("a.jsonl", content))
    assert good == (1, "😀", "1")
    assert bad[0] == 2
    assert bad[1].startswith("'text' contains half of a character")


@pytest.mark.parametrize("name", ["utf-88", "hex", "no such"])
def test_an_unknown_encoding_is_refused(file, name):
    path = file("a.tsv", "label\ttext\n1\t好\n")
    with pytest.raises(ConfigError, match=rf"data\.encoding: '{name}' is not a known encoding"):
        list(read_rows(path, FIELDS, Layout(encoding=name)))


def test_text_of_another_encoding_is_refused(file):
    assert "not utf-16 text at byte" in refusal(file("a.tsv", b"label\ttext\n1\tx\n"), encoding="utf-16")


# ---- broken and odd records


def test_wrong_numbers_of_columns_are_bad_and_blank_lines_are_none(file):
    path = file("a.tsv", "label\ttext\n\n1\t好\n1\n \t \n1\t好\t多\n\n0\t差\n\n")
    two = "expected 2 columns, found"
    assert records(path) == [(3, "好", "1"), (4, f"{two} 1"), (6, f"{two} 3"), (8, "差", "0")]


def test_unicode_line_separators_do_not_end_a_line(file):
    text = "一\u2028二\x85三\x0b四\x1e五"
    assert records(file("a.tsv", f"label\ttext\n1\t{text}\n0\t差\n")) == [(2, text, "1"), (3, "差", "0")]
    assert records(file("a.csv", f"label,text\n1,{text}\n0,差\n")) == [(2, text, "1"), (3, "差", "0")]
    line = json.dumps({"label": "1", "text": text}, ensure_ascii=False)
    assert records(file("a.jsonl", f"{line}\n")) == [(1, text, "1")]


def test_quoted_cells_may_hold_commas_quotes_and_line_breaks(file):
    content = 'label,text\r\n1,"好, ""真""好"\r\n\r\n0,"第一行\r\n\r\n第三行"\r\n1,完\r\n'
    found = [(2, '好, "真"好', "1"), (4, "第一行\n\n第三行", "0"), (7, "完", "1")]
    assert records(file("a.csv", content)) == found


def test_quotes_in_tsv_have_no_meaning(file):
    assert records(file("a.tsv", 'label\ttext\n1\t"好\n0\t差"\n')) == [(2, '"好', "1"), (3, '差"', "0")]


@pytest.mark.parametrize(
    ("content", "line"),
    [('label,text\n1,好\n0,"差\n1,好\n', 3), ('label,text\n1,"好"坏\n0,差\n', 2), ("label,text\n1,a\rb\n0,差\n", 2)],
)
def test_broken_quoting_names_its_line(file, content, line):
    bad = [record for record in records(file("a.csv", content)) if len(record) == 2]
    assert [number for number, _ in bad] == [line]
    assert "broken quoting" in bad[0][1]


def test_a_quote_that_is_never_closed_makes_only_its_own_line_bad(file):
    content = 'label,text\n1,"好\n好"\n0,"差\n1,好\n0,"差\n1,完\n'
    found = records(file("a.csv", content))
    assert [record[0] for record in found if len(record) == 2] == [4, 6]
    assert [record for record in found if len(record) == 3] == [(2, "好\n好", "1"), (5, "好", "1"), (7, "完", "1")]


def test_a_cell_may_be_as_long_as_a_book(file):
    text = "好" * 200_000
    assert records(file("a.csv", f'label,text\n1,"{text}"\n')) == [(2, text, "1")]


@pytest.mark.parametrize("header", ["label\tremark", "mark\ttext"])
def test_a_header_with_one_usual_name_but_not_all_is_refused(file, header):
    path = file("a.tsv", f"{header}\n1\t好\n0\t差\n")
    assert "a.tsv:1: cannot tell which columns hold text and label" in refusal(path)
    assert records(path, columns={"text": 1, "label": 0}) == [(2, "好", "1"), (3, "差", "0")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"label": "1", "text": ', "expected one JSON object a line: not valid JSON near column 24 (Expecting value)"),
        ("[1, 2]", "expected one JSON object a line, found '[1, 2]'"),
        ('"text"', "expected one JSON object a line"),
        ('{"label": "1"}', "no field 'text', only label"),
    ],
)
def test_a_broken_json_line_is_named(file, line, reason):
    good = '{"label": "1", "text": "好"}\n'
    found = records(file("a.jsonl", f"{good}{line}\n{good}"))
    assert [record[0] for record in found] == [1, 2, 3]
    assert found[1][1].startswith(reason)


@pytest.mark.parametrize("content", ["", " \n\n", "\ufeff\n"])
@pytest.mark.parametrize("name", ["a.tsv", "a.csv", "a.jsonl"])
def test_an_empty_file_is_refused(file, name, content):
    assert refusal(file(name, content)).endswith(f"{name}: the file is empty")


def test_a_table_of_empty_cells_is_empty(file):
    assert refusal(file("a.csv", ',,\n"",\n')).endswith("the file is empty")


def test_a_file_of_broken_lines_alone_is_refused(file):
    message = refusal(file("a.tsv", "标签\t文本\n正\t好\n".encode("gbk")))
    assert "a.tsv:1: no line can be read; the first one: not valid utf-8 (set data.encoding" in message


def test_a_missing_file_is_refused_with_the_nearest(file):
    path = file("train.tsv", "label\ttext\n1\t好\n")
    with pytest.raises(DataError, match=r"trian\.tsv: no such file; did you mean '.*train\.tsv'"):
        list(read_rows(path.with_name("trian.tsv"), FIELDS, Layout()))


# ---- what is written is read


@settings(max_examples=150)
@given(rows=ROWS, quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]), end=st.sampled_from(["\n", "\r\n"]))
def test_csv_round_trip(tmp_path_factory, rows, quoting, end):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=quoting, lineterminator=end)
        writer.writerows([("label", "text"), *((label, text) for text, label in rows)])
    found = list(read_rows(path, FIELDS, Layout()))
    assert all(isinstance(row, Row) for row in found)
    assert [(row.fields["text"], row.fields["label"]) for row in found] == rows
    lines = [2 + sum(sum(cell.count("\n") for cell in row) + 1 for row in rows[:at]) for at in range(len(rows))]
    assert [row.line for row in found] == lines


@settings(max_examples=100)
@given(rows=ROWS, ascii_only=st.booleans())
def test_json_round_trip(tmp_path_factory, rows, ascii_only):
    path = tmp_path_factory.mktemp("json") / "a.jsonl"
    lines = [json.dumps({"text": text, "label": label}, ensure_ascii=ascii_only) for text, label in rows]
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")
    assert records(path) == [(line, *row) for line, row in enumerate(rows, start=1)]


@settings(max_examples=100)
@given(rows=st.lists(st.tuples(CELLS, CELLS).filter(lambda row: not set("\n\t") & set("".join(row))), min_size=1))
def test_tsv_round_trip(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tsv") / "a.tsv"
    path.write_text("".join(f"{text}\t{label}\n" for text, label in [FIELDS, *rows]), encoding="utf-8", newline="\n")
    assert records(path) == [(line, *row) for line, row in enumerate(rows, start=2)]


@pytest.mark.parametrize("second", ["opinions", "原文"])
def test_one_usual_name_is_enough_for_a_header(tmp_path, second):
    """Taken for a row, it would add a label to every file, and nobody would notice."""
    file = tmp_path / "rows.csv"
    file.write_text(f"label,{second}\n1,好\n0,差\n", encoding="utf-8")
    with pytest.raises(DataError, match=f"cannot tell which columns hold text and label among label, {second}"):
        list(read_rows(file, ("text", "label"), Layout()))


def test_an_unclosed_quote_anywhere_makes_only_its_own_line_bad(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text('label,text\n1,好\n0,"差\n1,行\n0,"坏\n1,"成"\n', encoding="utf-8")
    rows = list(read_rows(file, ("text", "label"), Layout()))
    assert [(row.line, isinstance(row, BadRow)) for row in rows] == [
        (2, False),
        (3, True),
        (4, False),
        (5, True),
        (6, False),
    ]


def test_a_cell_of_any_length(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(f"label,text\n1,{'好' * 200_000}\n", encoding="utf-8")
    assert [len(row.fields["text"]) for row in read_rows(file, ("text", "label"), Layout())] == [200_000]
