"""The inputs of a prediction: arguments, lines, and tables and JSON lines with their other columns."""

from __future__ import annotations

import codecs
import gzip
import io
import json
import os
from pathlib import Path

import pytest

from paddle_tasks import language
from paddle_tasks.data.tables.readers import Layout
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.inputs import InputLayout, InputRow, Inputs, for_command, read_inputs

PAIR = InputLayout(("text_a", "text_b"), ("text_a", "text_b", "label"))
TEXT = InputLayout(("text",), ("text", "label"))


def own(suffix: str = ".csv", **layout: object) -> InputLayout:
    """Return the layout of a run whose train data has these settings."""
    return InputLayout(("text",), ("text", "label"), Layout(**layout), frozenset({suffix}))


def write(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(content.encode(encoding))
    return path


def write_records(path: Path, *rows: object) -> Path:
    return write(path, "\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n")


def texts(inputs: Inputs) -> list[str]:
    return [f"! {row.error}" if row.error else row.text for row in inputs.rows]


# ---- arguments and lines


def test_arguments_have_no_line():
    assert read_inputs(["好", "甲\t乙"], None).rows == [InputRow("好"), InputRow("甲\t乙")]
    assert read_inputs(["好", "差"], None).ids == [0, 1]


def test_each_line_is_a_text_with_its_number(tmp_path):
    file = write(tmp_path / "a.txt", "好\n\n甲,乙\n{不是 JSON\n \n\n", "utf-8-sig")
    assert read_inputs([], file, TEXT).rows == [
        InputRow("好", 1),
        InputRow("", 2, error="the text is blank"),
        InputRow("甲,乙", 3),
        InputRow("{不是 JSON", 4),
    ]


def test_pairs_are_lines_with_a_tab(tmp_path):
    file = write(tmp_path / "a", "甲\t乙\n甲\n")
    assert texts(read_inputs([], file, PAIR)) == ["甲\t乙", "! expected two texts with a tab between them, found '甲'"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_lines_in_any_encoding_with_a_mark_and_with_any_ends(tmp_path, encoding):
    assert texts(read_inputs([], write(tmp_path / "a.txt", "好\r\n差\r\n", encoding))) == ["好", "差"]
    assert texts(read_inputs([], write(tmp_path / "b.txt", "好\r差\r", encoding))) == ["好", "差"]


def test_gzip(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress("好\n差\n".encode()))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress("id,text\n1,好\n".encode()))
    assert texts(read_inputs([], tmp_path / "a.txt.gz")) == ["好", "差"]
    assert read_inputs([], tmp_path / "a.csv.gz").rows == [InputRow("好", 2, {"id": "1"})]


def test_a_line_that_does_not_decode_is_an_error_of_its_own(tmp_path):
    (tmp_path / "a.txt").write_bytes("好\n".encode() + "差\n".encode("gbk") + "行\n".encode())
    assert texts(read_inputs([], tmp_path / "a.txt")) == [
        "好",
        "! not valid utf-8 (name another with --encoding, such as gb18030)",
        "行",
    ]


# ---- tables


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t"), (".CSV", ",")])
def test_a_table_is_read_by_its_header_and_keeps_its_other_columns(tmp_path, suffix, separator):
    rows = [["id", "text", "label"], ["7", "房间很干净", "1"], ["8", " ", "0"], ["9", "服务差"]]
    file = write(tmp_path / f"a{suffix}", "".join(separator.join(row) + "\n" for row in rows))
    assert read_inputs([], file, TEXT).rows == [
        InputRow("房间很干净", 2, {"id": "7", "label": "1"}),
        InputRow(" ", 3, {"id": "8", "label": "0"}, error="the text is blank"),
        InputRow("", 4, error="expected 3 columns, found 2"),
    ]


def test_columns_without_or_with_the_same_name_are_numbered(tmp_path):
    file = write(tmp_path / "a.csv", ",text,x,x\n0,好,1,2\n")
    assert read_inputs([], file, TEXT).rows[0].others == {"column_0": "0", "x": "1", "column_3": "2"}


def test_a_labelled_table_without_a_header_is_read_as_training_reads_it(tmp_path):
    file = write(tmp_path / "a.tsv", "1\t房间很干净\n0\t服务差\n1\t很好\n0\t太差了\n")
    assert read_inputs([], file, TEXT).rows[1] == InputRow("服务差", 2, {"label": "0"})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "好\n差\n",
            r"a\.csv:1: the first row \(好, read as csv\) has no usual name .* for text; .* --column 0$",
        ),
        ("a.csv", "甲,乙,丙\n丁,戊,己\n", r"a\.csv:1: the first row \(甲, 乙, 丙, read as csv\) .* --column 0$"),
        (
            "a.tsv",
            "id\tlabel\n1\t0\n",
            r"a\.tsv:1: the first row \(id, label, read as tsv\) .* --column 0$",
        ),
        ("a.csv", "", "the file is empty"),
    ],
)
def test_a_table_whose_texts_cannot_be_told_is_never_read_as_lines(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message) as error:
        read_inputs([], write(tmp_path / name, content), TEXT)
    assert "data." not in str(error.value)


@pytest.mark.parametrize(("column", "expected"), [("评论", ["好", "差"]), ("2", ["好", "差"]), ("id", ["7", "8"])])
def test_the_column_can_be_named(tmp_path, column, expected):
    file = write(tmp_path / "a.csv", "id,text,评论\n7,甲,好\n8,乙,差\n")
    inputs = read_inputs([], file, TEXT.with_options(column, None))
    # With an index, a first row without a usual name at that place is a row.
    assert texts(inputs)[-2:] == expected


def test_two_columns_are_named_for_pairs(tmp_path):
    file = write(tmp_path / "a.csv", "a,b,c\n1,甲,乙\n")
    assert texts(read_inputs([], file, PAIR.with_options("b,c", None))) == ["甲\t乙"]
    with pytest.raises(DataError, match=r"--column b: expected 2 columns, as in --column a,b"):
        PAIR.with_options("b", None)
    with pytest.raises(DataError, match=r"no column 'd', only a, b, c"):
        read_inputs([], file, PAIR.with_options("b,d", None))


def test_a_run_reads_its_own_columns_and_encoding(tmp_path):
    layout = own(columns={"text": "评论"}, encoding="gb18030")
    file = write(tmp_path / "a.csv", "情感,评论\n好评,房间很干净\n", "gb18030")
    assert read_inputs([], file, layout).rows == [InputRow("房间很干净", 2, {"情感": "好评"})]
    # UTF-8 is recognised, since gb18030 would read it as other characters.
    assert texts(read_inputs([], write(tmp_path / "b.csv", "情感,评论\n好评,房间很干净\n"), layout)) == ["房间很干净"]
    assert texts(read_inputs([], write(tmp_path / "c.txt", "房间很干净\n", "gb18030"), layout)) == ["房间很干净"]
    asked = layout.with_options(None, "utf-8")
    with pytest.raises(DataError, match=r"--input .*c\.txt:1: not valid utf-8 \(name another with --encoding, "):
        read_inputs([], write(tmp_path / "c.txt", "房间很干净\n", "gb18030"), asked)


@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_a_file_in_another_encoding_is_refused_once(tmp_path, name):
    """Single broken lines, which are bad rows, are few among those that are not plain ASCII."""
    lines = ["text,id", "房间很干净,1", "plain,2", "服务差,3", "很好,4"]
    with pytest.raises(DataError, match=rf"--input .*{name}:2: not valid utf-8 ") as error:
        read_inputs([], write(tmp_path / name, "\n".join(lines), "gb18030"), TEXT)
    assert "\n" not in str(error.value)
    content = "\n".join(lines).encode().replace("服".encode(), b"\xff")
    (tmp_path / name).write_bytes(content)
    assert sum(bool(row.error) for row in read_inputs([], tmp_path / name, TEXT).rows) == 1


def test_a_run_without_a_header_reads_its_own_positions(tmp_path):
    layout = own(".tsv", columns={"text": 0}, header=False)
    file = write(tmp_path / "a.tsv", "text\tlabel\n好\t1\n")
    assert read_inputs([], file, layout).rows == [
        InputRow("text", 1, {"column_1": "label"}),
        InputRow("好", 2, {"column_1": "1"}),
    ]


def test_the_ending_of_the_train_file_means_its_format(tmp_path):
    table = write(tmp_path / "test.txt", "1\t好\n0\t差\n1\t很好\n0\t太差\n")
    assert texts(read_inputs([], table, own(".txt"))) == ["好", "差", "很好", "太差"]
    assert texts(read_inputs([], table, own(".tsv"))) == ["1\t好", "0\t差", "1\t很好", "0\t太差"]
    lines = write(tmp_path / "lines.txt", "好\n差\n")
    assert texts(read_inputs([], lines, own(".txt"))) == ["好", "差"]
    commas = write(tmp_path / "test.data", "text,label\n好,1\n")
    assert texts(read_inputs([], commas, own(".data", format="csv"))) == ["好"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"id": 1, "text": "好"}\n{"id": 2, "text": "差"}\n', ["好", "差"]),
        ('[{"text": "好"},\n {"text": "差"}]', ["好", "差"]),
        ("text,label\n好,1\n", ["好"]),
        ("id\t评论\n1\t好\n", ["好"]),
        ("标题,第一章\n好\n", ["标题,第一章", "好"]),
        ("[MASK]好\n", ["[MASK]好"]),
        ("文本\n好\n", ["文本", "好"]),
    ],
)
def test_records_are_recognised_without_an_ending(tmp_path, content, expected):
    assert texts(read_inputs([], write(tmp_path / "fifo", content), TEXT)) == expected


def test_a_column_of_a_file_without_an_ending(tmp_path):
    file = write(tmp_path / "fifo", "x,y\n好,1\n")
    assert texts(read_inputs([], file, TEXT.with_options("x", None))) == ["好"]
    assert texts(read_inputs([], write(tmp_path / "one", "x\n好\n"), TEXT.with_options("x", None))) == ["好"]


# ---- JSON


@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".ndjson"])
def test_json_lines_keep_their_other_fields(tmp_path, suffix):
    rows = [{"id": 7, "sentence": "甲", "keywords": ["x"]}, {"id": 3, "sentence": "乙", "keywords": None}]
    inputs = read_inputs([], write_records(tmp_path / f"a{suffix}", *rows))
    assert inputs.rows == [
        InputRow("甲", 1, {"id": 7, "keywords": ["x"]}),
        InputRow("乙", 2, {"id": 3, "keywords": None}),
    ]
    assert inputs.ids == [7, 3]


def test_json_pairs_with_ids(tmp_path):
    rows = [{"id": "q1", "sentence1": "甲", "sentence2": "乙"}, {"id": "q2", "sentence1": "丙", "sentence2": "丁"}]
    inputs = read_inputs([], write_records(tmp_path / "a.json", *rows), PAIR)
    assert (texts(inputs), inputs.ids) == (["甲\t乙", "丙\t丁"], ["q1", "q2"])


def test_without_ids_rows_are_counted_from_0(tmp_path):
    rows = [{"text": "甲"}, {"text": ""}, {"text": "乙"}]
    assert read_inputs([], write_records(tmp_path / "a.json", *rows)).ids == [0, 2]


def test_ids_of_some_rows_only_are_refused(tmp_path):
    inputs = read_inputs([], write_records(tmp_path / "a.json", {"id": 1, "text": "甲"}, {"text": "乙"}))
    with pytest.raises(DataError, match=r"a\.json:2: no field 'id', which other rows have"):
        _ = inputs.ids


def test_json_rows_that_cannot_be_used_are_errors(tmp_path):
    rows = [{"sentence": "甲"}, {"sentense": "乙"}, {"sentence": " "}, {"sentence": ["丙"]}, {"sentence": None}, "丁"]
    found = texts(read_inputs([], write_records(tmp_path / "a.json", *rows)))
    assert found[0] == "甲"
    assert "no field 'sentence', only sentense" in found[1]
    assert "found a list" in found[3]
    assert found[4] == "! the text is blank"
    assert "expected one JSON object" in found[5]


def test_an_object_of_columns_is_refused(tmp_path):
    file = write(tmp_path / "columns.json", '{"text": {"0": "好", "1": "差"}}')
    with pytest.raises(DataError, match=r"one object with text.*expected JSON lines"):
        read_inputs([], file)


def test_unknown_names_of_columns_are_refused(tmp_path):
    file = write_records(tmp_path / "a.json", {"id": 0, "sentence": "甲"})
    with pytest.raises(DataError, match=r"a\.json:1: cannot tell which columns hold text_a and text_b among id, sen"):
        read_inputs([], file, PAIR)


# ---- pipes and files that are none


def test_standard_input(monkeypatch):
    class Stdin:
        buffer = io.BytesIO("好\n差\n".encode())

    monkeypatch.setattr("sys.stdin", Stdin())
    inputs = read_inputs([], Path("-"))
    assert (texts(inputs), inputs.source) == (["好", "差"], "standard input")


def test_a_pipe_is_read_once(tmp_path):
    reader, writer = os.pipe()
    os.write(writer, "text,label\n好,1\n".encode())
    os.close(writer)
    assert texts(read_inputs([], Path(f"/dev/fd/{reader}"))) == ["好"]
    os.close(reader)


def test_what_is_no_file_of_texts_is_named(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(DataError, match=r"--input .*a\.parquet: a Parquet file"):
        read_inputs([], tmp_path / "a.parquet")
    with pytest.raises(DataError, match="is a folder, expected a file"):
        read_inputs([], tmp_path)
    with pytest.raises(DataError, match=r"--input (房间){39}房…: no such file$") as error:
        read_inputs([], Path("房间" * 300))
    assert len(str(error.value)) < 150
    with pytest.raises(DataError, match="no such file"):
        read_inputs([], Path("a\0b"))
    with pytest.raises(ConfigError, match="--encoding: 'gb2313' is not a known encoding"):
        read_inputs([], write(tmp_path / "a.txt", "好\n"), TEXT.with_options(None, "gb2313"))


def test_a_mark_at_the_start_of_a_later_line_is_dropped(tmp_path):
    (tmp_path / "a.txt").write_bytes("好\n".encode() + codecs.BOM_UTF8 + "差\n".encode())
    assert texts(read_inputs([], tmp_path / "a.txt")) == ["好", "差"]


def test_messages_name_options_instead_of_settings():
    assert for_command("name them, as in data.columns.text_a=NAME data.columns.text_b=NAME") == (
        "name them, as in --column NAME,NAME"
    )
    columns = "data.header=true data.columns.text=0 data.columns.label=1"
    advice = f"set {columns} if it is one, or data.header=false if it is a row"
    assert for_command(advice) == "name the column of the texts: --column 0"
    assert for_command("a.csv:1: data.columns.text: no column 'x'") == "a.csv:1: --column: no column 'x'"


READERS = (
    "{where}: the first row ({names}) may be a header: {label!r} {reason}; set data.header=true {positions} if it is "
    "one, or data.header=false if it is a row",
    "{where}: the first row ({names}, read as {format}) has no usual name of a column for {fields}; expected a header "
    "with such names, another data.format, or positions from 0, as in {settings}",
    "not valid {encoding} (set data.encoding to another, such as gb18030)",
    "a binary file, or UTF-16 without a byte-order mark; for UTF-16 set data.encoding=utf-16-le",
)
"""What the readers say to those who train."""


@pytest.mark.parametrize("language_name", ["en", "zh"])
def test_options_replace_settings_in_both_languages(language_name):
    settings = "data.columns.text=0 data.columns.label=1"
    values = {"where": "a", "names": "b", "label": "c", "reason": "d", "positions": settings, "settings": settings}
    with language.using(language_name):
        for message in READERS:
            said = language._(message)
            assert (said == message) == (language_name == "en")
            shown = for_command(said.format(**values, fields="e", format="tsv", encoding="utf-8"))
            assert "--" in shown
            assert "data." not in shown
