"""Remarks on what is suspicious in the splits of a task, and what is said about what was read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.data.tables.remarks import describe_split, describe_truncation, find_suspicious
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.workflows.check_data import check_data, report_lines


def split(name="train", n_bad=0, dropped=None, **counts) -> Split[LabelledText]:
    """Return a split with so many rows of each label."""
    labels = [label for label, count in counts.items() for _ in range(count)]
    examples = [LabelledText("好" * (1 + n % 3), label, f"{name}:{n}") for n, label in enumerate(labels, start=1)]
    bad_rows = [BadRow(name, line, "bad") for line in range(n_bad)]
    return Split(name, Path(f"{name}.csv"), "", examples, bad_rows, dropped=dropped or {})


def suspicious(**counts) -> list[str]:
    return find_suspicious({"train": split("train", **counts)})


def test_ordinary_splits_have_no_remarks():
    assert find_suspicious({"train": split(**{"0": 3, "1": 4}), "dev": split("dev", **{"0": 1, "1": 1})}) == []
    assert suspicious(正面=10, 负面=10, 中性=3) == []


def test_rare_labels():
    assert suspicious(a=2, b=3, c=1) == ["data.train: 2 of 3 labels have fewer than 3 rows: 'a' 2, 'c' 1"]
    rare = "data.train: 1 of 2 labels have fewer than 5 rows (0.1% of the rows): 'b' 4"
    assert suspicious(a=4500, b=4) == [rare]
    assert suspicious(a=4500, b=5) == []
    assert find_suspicious({"train": split(a=9, b=9), "dev": split("dev", a=1, b=1)}) == [], "dev may be small"


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ("Label", "looks like the name of a column"),
        ("标签", "looks like the name of a column"),
        ("N/A", "looks like a missing value"),
        ("none", "looks like a missing value"),
        ("很长的文本" * 9, "is a text of 45 characters"),
        ("7", "is a number among names"),
    ],
)
def test_strange_names(label, reason):
    (remark,) = suspicious(**{"正面": 5, "负面": 5, label: 4})
    assert remark.startswith("data.train: the label '")
    assert remark.endswith(f"{reason} (first at train:11)")
    assert len(remark) < 120


def test_a_name_among_numbers():
    assert suspicious(**{"0": 5, "1": 5, "好": 4}) == [
        "data.train: the label '好' is a name among numbers (first at train:11)"
    ]


def test_a_strange_name_in_another_split_is_named_there():
    splits = {"train": split(a=5, b=5), "dev": split("dev", a=5, label=2)}
    assert find_suspicious(splits) == ["data.dev: the label 'label' looks like the name of a column (first at dev:6)"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Positive", "positive"),
        ("正 面", "正面"),
        ("ＡＢ", "AB"),
        ("1", "1.0"),
        ("01", "1"),
        ("体育\u200b", "体育"),
        ("0\ufeff", "0"),
    ],
)
def test_labels_that_are_nearly_equal(first, second):
    remarks = find_suspicious({"train": split(**{first: 4, "2": 5}), "dev": split("dev", **{second: 3, "2": 3})})
    alike = "labels that differ only by white space, width, case, invisible characters or spelling of a number: "
    assert f"{alike}{first!r} 4, {second!r} 3" in remarks


def test_splits_with_one_label():
    splits = {"train": split(a=5, b=5), "dev": split("dev", a=5), "test": split("test", b=1)}
    assert find_suspicious(splits) == ["data.dev: all 5 rows have the label 'a'"], "a single row is no split to score"


def test_what_was_dropped():
    splits = {"train": split(a=5, b=5, dropped={"repeated headers": 2, "byte-order marks": 1})}
    assert find_suspicious(splits) == [
        "data.train: left out 2 repeated headers and 1 byte-order mark inside train.csv, as joining files leaves them"
    ]


def test_check_data_prints_the_remarks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n好,1\n差,0\n\ufefftext,label\n好吃,1\n难吃,0\n不错,1\n很差,0\n", encoding="utf-8")
    report = check_data("sentiment", {"train": str(path)})
    assert report["rows"] == {"train": 6}
    assert report["labels"]["train"] == {"1": 3, "0": 3}
    (remark,) = report["remarks"]
    assert "left out 1 byte-order mark and 1 repeated header inside" in remark
    assert f"remark: {remark}" in report_lines("sentiment", report)


def test_what_was_read():
    lines = describe_split(split(n_bad=2, **{"1": 1200, "0": 3}), {"1": "好评"})
    assert lines == [
        "data.train: 1,203 rows of train.csv, 2 bad ones left out; characters of a text: 2.0 on average, "
        "95 % have at most 3, the longest 3",
        "data.train: labels: 1 (好评) 1,200, 0 3",
    ]
    many = describe_split(split(**{f"l{number}": 1 for number in range(30)}))[1]
    assert many.endswith("l11 1, … (30 labels)")


def test_what_truncation_loses():
    assert describe_truncation([5, 10, 15], 10) == (
        "1 of 3 texts (33.3%) is longer than max_length 10; cutting loses 5 of 30 tokens (16.7%)"
    )
    assert describe_truncation([20, 20], 10) == (
        "2 of 2 texts (100.0%) are longer than max_length 10; cutting loses 20 of 40 tokens (50.0%)"
    )
    assert describe_truncation([10, 10], 10) == describe_truncation([], 10) == ""


@given(st.lists(st.integers(1, 300), max_size=30), st.integers(1, 200))
def test_truncation_counts_what_is_cut(lengths, max_length):
    described = describe_truncation(lengths, max_length)
    n_lost = sum(length - min(length, max_length) for length in lengths)
    assert (f"cutting loses {n_lost:,} of {sum(lengths):,} tokens" in described) == bool(n_lost)


@pytest.mark.usefixtures("in_chinese")
def test_data_lines_and_remarks_in_chinese():
    one = split(positive=5, negative=1, 未知=1, n_bad=2, dropped={"byte-order marks": 1, "repeated headers": 2})
    assert describe_split(one) == [
        "训练集（data.train）：train.csv，7 行，跳过有问题的 2 行；"
        "每段文本平均 2.0 字，95% 的文本不超过 3 字，最长 3 字",
        "训练集（data.train）的标签：正面 (positive) 5、负面 (negative) 1、未知 1",
    ]
    assert find_suspicious({"train": one}) == [
        "data.train：3 种标签中有 2 种不足 3 行：'negative'（1 行）、'未知'（1 行）",
        "data.train：标签 '未知' 像是缺失值（首次出现在 train:7）",
        "data.train：忽略了 train.csv 中间的 1 个 BOM、2 个重复的表头，多半是拼接文件时留下的",
    ]
    cut = "3 段文本中有 1 段（33.3%）超过 max_length 10；截断会丢掉 30 个词元中的 5 个（16.7%）"
    assert describe_truncation([5, 10, 15], 10) == cut
