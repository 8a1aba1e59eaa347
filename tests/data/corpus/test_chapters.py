"""Chapters: numerals against a generator, headings against prose, and the published rule for held-out chapters."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.data.corpus.chapters import (
    assign_split,
    chinese_number,
    find_chapter,
    folder_number,
    heading_number,
    split_chapters,
)

DIGITS = "〇一二三四五六七八九"


def numeral(number: int, zero: str) -> str:
    """Write a number the way it is read aloud, with ``zero`` for a gap between units."""
    written, gap = "", False
    for unit, value in (("千", 1000), ("百", 100), ("十", 10), ("", 1)):
        digit = number // value % 10
        if digit:
            written += zero * (gap and bool(written)) + DIGITS[digit] + unit
        gap = not digit
    return written


@given(st.integers(1, 9999), st.sampled_from(["零", "〇", "○", ""]))
def test_a_number_is_read_as_it_was_written(number: int, zero: str) -> None:
    assert chinese_number(numeral(number, zero)) == number


@given(st.integers(1, 9999))
def test_a_leading_one_before_a_unit_may_be_left_out(number: int) -> None:
    written = numeral(number, "零")
    for unit in "千百十":
        if written.startswith(f"一{unit}"):
            assert chinese_number(written[1:]) == number


@given(st.integers(0, 9999))
def test_strings_of_digits_are_numbers(number: int) -> None:
    chinese = "".join(DIGITS[int(digit)] for digit in str(number))
    assert chinese_number(chinese) == chinese_number(chinese.replace("〇", "零")) == number
    wide = "".join(chr(ord("０") + int(digit)) for digit in str(number))
    assert chinese_number(wide) == chinese_number(str(number)) == number


@given(st.integers(20, 49), st.sampled_from(["", "一百", "三千零", "两千两百"]))
def test_characters_for_twenty_thirty_and_forty(number: int, before: str) -> None:
    score = {2: "廿", 3: "卅", 4: "卌"}[number // 10]
    ones = DIGITS[number % 10] if number % 10 else ""
    value = {"": 0, "一百": 100, "三千零": 3000, "两千两百": 2200}[before]
    assert chinese_number(before + score + ones) == value + number


@given(st.text(alphabet="一二九十百千", max_size=7))
def test_only_one_spelling_is_read(text: str) -> None:
    number = chinese_number(text)
    if number is not None and set(text) & set("十百千"):
        spelt = numeral(number, "")
        for unit in "千百十":
            text, spelt = text.replace(f"一{unit}", unit), spelt.replace(f"一{unit}", unit)
        assert text == spelt


@pytest.mark.parametrize(
    "text", ["", "序", "十百", "二三十", "百千", "一万", "十十", "廿十", "回", "一 二", "-1", "1.5"]
)
def test_other_texts_are_not_numerals(text: str) -> None:
    assert chinese_number(text) is None


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("第一回 宴桃园豪杰三结义", 1),
        ("第八十回\u3000曹丕废帝篡炎刘", 80),
        ("\u3000\u3000第 一百二十 回", 120),
        ("第一一七回  阻超凡佳人双护玉\r", 117),
        ("第〇回", 0),
        ("第3章 起", 3),
        ("卷一 第一回", None),
        ("    第四回中既将薛家母子在荣府内寄居等事略已表明，此回则暂不能写矣．", None),
        ("    第三十八回林潇湘魁夺菊花诗薛蘅芜讽和螃蟹咏——", None),
        ("此开卷第一回也．", None),
        ("第几回 某", None),
        ("附录 陈光蕊赴任逢灾", None),
        ("楔子\u3000张天师祈禳瘟疫", None),
    ],
)
def test_a_heading_starts_its_line_and_is_followed_by_white_space(line: str, number: int | None) -> None:
    assert heading_number(line) == number


@pytest.mark.parametrize(
    ("name", "number"),
    [("第一百七回", 107), ("卷三十一", 31), ("卷一", 1), ("第三卷", 3), ("十二回", 12), ("第五", 5), ("107", None)]
    + [
        (name, None)
        for name in ("序", "叙", "自序", "原书序", "坎坷记愁", "如是我闻一(1)", "四十千", "三生", "三", "第回")
    ],
)
def test_numbers_of_folders(name: str, number: int | None) -> None:
    assert folder_number(name) == number


@pytest.mark.parametrize(
    ("path", "chapter"),
    [
        ("a.tar.gz/古文原文/三侠五义/第一百七回/text.txt", ("三侠五义", 107)),
        ("a.tar.gz/古文原文/聊斋志异/卷一/三生/text.txt", ("聊斋志异", 1)),
        ("a.tar.gz/古文原文/浮生六记/坎坷记愁/text.txt", None),
        ("a.zip/书/卷一/第三回/text.txt", ("书", 1)),
        ("水浒传/第三回.txt", ("水浒传", 3)),
        ("novels/水浒传.txt", None),
        ("第三回.txt", None),
    ],
)
def test_book_and_chapter_of_a_path(path: str, chapter: tuple[str, int] | None) -> None:
    assert find_chapter(PurePosixPath(path)) == chapter


def test_the_splits_of_chapters_are_the_published_ones() -> None:
    """As `sha256sum` and `bc` tell of ``水浒传:1`` and those after it."""
    found = {number: assign_split("水浒传", number) for number in range(1, 41)}
    assert [number for number, part in found.items() if part == "dev"] == [12, 31]
    assert [number for number, part in found.items() if part == "test"] == [1, 15, 30, 35, 39]
    assert [assign_split("红楼梦", number) for number in (1, 2, 3)] == ["test", "train", "train"]


def test_about_a_tenth_of_the_chapters_is_dev_and_a_tenth_is_test() -> None:
    parts = [assign_split(book, number) for book in "甲乙丙丁戊己庚辛壬癸" for number in range(1, 101)]
    assert {part: 60 < parts.count(part) < 140 for part in ("dev", "test")} == {"dev": True, "test": True}


def test_a_book_is_split_at_its_headings_without_losing_lines() -> None:
    lines = ["《书》", "第一回 起", "甲", "第二回中说", "第三回 转", "乙", "第三回 转"]
    assert list(split_chapters(lines)) == [
        (None, ["《书》"]),
        (1, ["第一回 起", "甲", "第二回中说"]),
        (3, ["第三回 转", "乙"]),
        (3, ["第三回 转"]),
    ]
    assert list(split_chapters([])) == []
