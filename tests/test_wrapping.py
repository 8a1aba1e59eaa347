"""Widths agree with those of rich, and wrapped lines fit and keep the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from paddle_tasks.wrapping import pad, width_of, wrap

CHARACTERS = st.sampled_from("abc xyz0,.;:()第一轮训练集验证，。；（）“”《》…é·—①")
TEXTS = st.text(CHARACTERS, max_size=80)


@given(TEXTS)
def test_widths_are_those_of_rich(text):
    assert width_of(text) == cell_len(text)


@given(TEXTS, st.integers(12, 40), st.sampled_from(["", "  ", "    "]), st.sampled_from(["", "      "]))
@example("x" * 50, 20, "", "  ")
@example("字" * 50, 13, "  ", "")
def test_lines_fit_and_nothing_is_lost(text, width, indent, hanging):
    lines = wrap(text, width, indent, hanging)
    assert max(map(width_of, lines)) <= width
    assert lines[0].startswith(indent)
    assert all(line.startswith(hanging) for line in lines[1:])
    assert re.sub(r"\s", "", "".join(lines)) == re.sub(r"\s", "", text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("训练一轮，再一轮", ["训练一", "轮，再", "一轮"]),
        ("训练一轮（两遍）", ["训练一", "轮（两", "遍）"]),
        ("在 GPU 上训练", ["在 GPU", "上训练"]),
        ("", [""]),
    ],
)
def test_where_lines_end(text, lines):
    assert wrap(text, 7) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("每段文本的平均长度是 36.9 字，最长 113", ["每段文本的平均长度是 36.9 字，", "最长 113"]),
        ("配置文件里没有这个配置项；是不是想写", ["配置文件里没有这个配置项；", "是不是想写"]),
        ("这一行里没有任何标点符号可以用来断开", ["这一行里没有任何标点符号可以用来", "断开"]),
        ("one two, three four fiv six seven", ["one two, three four fiv six", "seven"]),
    ],
)
def test_lines_end_at_a_punctuation_mark_that_is_near(text, lines):
    assert wrap(text, 32) == lines


def test_padding_counts_columns():
    assert pad("标签", 6) == "标签  "
    assert pad("labels", 6) == "labels"
