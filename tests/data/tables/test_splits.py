"""Splits: rows become examples, bad rows are collected with file and line, and labels have a stable order."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.data.tables.readers import Layout
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.section import LayoutSection
from paddle_tasks.data.tables.splits import (
    LabelledText,
    Split,
    load_split,
    ordered_labels,
    parse_labelled_text,
    require_good,
)
from paddle_tasks.errors import DataError
from paddle_tasks.training.result import describe_splits

from ...helpers import table

FIELDS = ("text", "label")


def load(path: Path, labels: tuple[str, ...] | None = None, on_bad_row: str | None = None) -> Split[LabelledText]:
    split = load_split("dev", str(path), Layout(), FIELDS, lambda row: parse_labelled_text(row, labels))
    return require_good(split, on_bad_row) if on_bad_row else split


def labelled(*labels: str) -> Split[LabelledText]:
    return Split("train", Path("x"), "", [LabelledText("好", label, "x:1") for label in labels], [])


# ---- one row


def test_an_example_knows_its_file_and_line():
    row = Row("a.tsv", 7, {"text": " 很好 ", "label": " 1 "})
    assert parse_labelled_text(row) == LabelledText(" 很好 ", "1", "a.tsv:7")


@pytest.mark.parametrize(
    ("text", "label", "labels", "reason"),
    [
        (" \u3000", "1", None, "empty text"),
        ("好", " ", None, "empty label"),
        ("好", "postive", ("negative", "positive"), "unknown label 'postive'; did you mean 'positive'"),
        ("好", "2", ("0", "1"), r"unknown label '2' \(one of 0, 1; data\.labels may name others\)"),
        ("好", "1.0", ("0", "1"), "unknown label '1.0'"),
    ],
)
def test_a_bad_row_has_a_reason(text, label, labels, reason):
    with pytest.raises(DataError, match=reason):
        parse_labelled_text(Row("a.tsv", 1, {"text": text, "label": label}), labels)


# ---- one file


def test_bad_rows_are_collected_with_file_and_line(tmp_path):
    rows = [("label", "text"), ("1", "好"), ("2", "差"), ("1",), ("0", " "), ("0", "差")]
    split = load(table(tmp_path / "a.tsv", *rows), ("0", "1"))
    assert [example.where for example in split.examples] == [f"{tmp_path}/a.tsv:2", f"{tmp_path}/a.tsv:6"]
    assert [str(bad).removeprefix(f"{tmp_path}/a.tsv:") for bad in split.bad_rows] == [
        "3: unknown label '2' (one of 0, 1; data.labels may name others)",
        "4: expected 2 columns, found 1",
        "5: empty text",
    ]


def test_a_split_knows_its_file(tmp_path):
    path = table(tmp_path / "a.tsv", ("label", "text"), ("1", "好"), ("0", ""))
    expected = {
        "path": str(path),
        "rows": 1,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "skipped_rows": 1,
    }
    facts = describe_splits({"dev": load(path, on_bad_row="skip")})
    assert {name: split.model_dump() for name, split in facts.items()} == {"dev": expected}


@pytest.mark.parametrize(("n_bad", "more"), [(1, ""), (10, ""), (11, "… and 1 more"), (25, "… and 15 more")])
def test_stopping_shows_at_most_ten(tmp_path, n_bad, more):
    path = table(tmp_path / "a.tsv", ("label", "text"), ("1", "好"), *[("1", "")] * n_bad)
    with pytest.raises(DataError) as raised:
        load(path, on_bad_row="stop")
    heading, *shown, advice = str(raised.value).splitlines()
    assert heading == f"data.dev: {n_bad} of {n_bad + 1} rows cannot be used:"
    assert shown[:10] == [f"  {path}:{line}: empty text" for line in range(3, 3 + min(n_bad, 10))]
    assert [line.strip() for line in shown[10:]] == ([more] if more else [])
    assert "data.on_bad_row=skip" in advice


def test_skipping_all_rows_is_an_error(tmp_path):
    path = table(tmp_path / "a.tsv", ("label", "text"), ("1", " "))
    with pytest.raises(DataError, match=r"data\.dev: .*a\.tsv: no row can be used"):
        load(path, on_bad_row="skip")


def test_stopping_is_the_default():
    assert LayoutSection().on_bad_row == "stop"


# ---- the order of labels


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (["10", "9", "2"], ("2", "9", "10")),
        (["1", "-1", "0"], ("-1", "0", "1")),
        (["01", "1", "001"], ("001", "01", "1")),
        (["10.5", "9.0", "+1"], ("+1", "9.0", "10.5")),
        (["positive", "negative"], ("negative", "positive")),
        (["b", "100", "a", "-"], ("100", "-", "a", "b")),
        (["nan", "inf", "1e3", "5"], ("5", "1e3", "inf", "nan")),
    ],
)
def test_numbers_are_ordered_by_value_and_names_by_code_point(labels, order):
    assert ordered_labels(labelled(*labels)) == order
    assert ordered_labels(labelled(*reversed(labels), *labels)) == order


@given(st.lists(st.one_of(st.integers(-30, 30).map(str), st.integers(0, 9).map("0{}".format), st.text(max_size=3))))
def test_the_order_does_not_depend_on_the_rows_order(labels):
    found = ordered_labels(labelled(*labels))
    assert found == ordered_labels(labelled(*sorted(labels)))
    assert sorted(found) == sorted(set(labels))


@pytest.mark.usefixtures("in_chinese")
def test_bad_rows_are_explained_in_chinese(tmp_path):
    rows = [FIELDS, ("好", "positive"), ("差", "positve"), ("", "positive"), ("中", ""), ("好", "positive", "x")]
    path = table(tmp_path / "a.tsv", *rows, ("差", "NULL"))
    with pytest.raises(DataError) as caught:
        load(path, ("negative", "positive"), "stop")
    assert str(caught.value).replace(str(path), "a.tsv").splitlines() == [
        "data.dev：6 行中有 5 行不能用：",
        "  a.tsv:3：没有标签 'positve'；是不是想写 'positive'？"
        "（可选：negative、positive；其他标签可以用 data.labels 列出）",
        "  a.tsv:4：文本为空",
        "  a.tsv:5：标签为空",
        "  a.tsv:6：应有 2 列，实际有 3 列",
        "  a.tsv:7：标签是 'NULL'，表示缺失值（如果确实是标签，请用 data.labels 列出）",
        "请改正，或者设 data.on_bad_row=skip 跳过这些行",
    ]


@pytest.mark.usefixtures("in_chinese")
def test_missing_files_and_encodings_are_explained_in_chinese(tmp_path):
    (tmp_path / "train.tsv").write_bytes("text\tlabel\n好\tpositive\n".encode("gb18030"))
    missing = r"^data\.dev：.*trian\.tsv：没有这个文件，也没有这个名字的数据集；是不是想写 '.*train.tsv'？"
    with pytest.raises(DataError, match=missing):
        load(tmp_path / "trian.tsv")
    with pytest.raises(DataError, match=r"不是有效的 utf-8 编码（可以把 data\.encoding 设为其他编码，例如 gb18030）"):
        load(tmp_path / "train.tsv", on_bad_row="stop")
