"""Copied passages against a search by plain loops."""

from __future__ import annotations

import random

import pytest

from paddle_tasks.text.copied_text import KnownTexts


def longest(text: str, known: list[str]) -> tuple[int, int]:
    """Return the first of the longest passages of a text that are in a known text, by trying all."""
    for length in range(len(text), 0, -1):
        for start in range(len(text) - length + 1):
            if any(text[start : start + length] in other for other in known):
                return start, start + length
    return 0, 0


def count(text: str, known: list[str], width: int) -> int:
    windows = [text[start : start + width] for start in range(len(text) - width + 1)]
    return sum(any(window in other for other in known) for window in windows)


@pytest.mark.parametrize("alphabet", ["ab", "abcdefgh", "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))], ids=len)
def test_runs_are_those_of_an_exhaustive_search(alphabet):
    generator = random.Random(len(alphabet))
    known = ["".join(generator.choices(alphabet, k=generator.randint(0, 60))) for _ in range(30)]
    index = KnownTexts(known)
    for _ in range(60):
        source = generator.choice(known)
        cut = sorted(generator.choices(range(len(source) + 1), k=2))
        text = "".join(generator.choices(alphabet + "?", k=8)) + source[cut[0] : cut[1]] + generator.choice(known)[:15]
        runs = index.find(text)
        assert runs.longest() == longest(text, known)
        for width in {index.width, 9, 20}:
            assert runs.count_windows(width) == count(text, known, width)


def test_the_width_depends_on_the_number_of_characters():
    assert KnownTexts(["ab"]).width == 8
    assert KnownTexts(["".join(map(chr, range(0x4E00, 0x4E00 + 9000)))]).width == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (0, 0)),
        ("天地", (0, 0)),
        ("天乙", (1, 2)),
        ("甲乙丙丁", (0, 3)),  # 丁 begins the next text
        ("乙丙", (0, 2)),  # at the end of a text
        ("戊", (0, 1)),  # the last character of all
        ("甲\0乙", (0, 1)),  # NUL is no character of the known texts
        ("\ud800戊", (1, 2)),
    ],
)
def test_short_texts_and_borders(text, expected):
    assert KnownTexts(["甲乙丙", "", "丁戊"]).find(text).longest() == expected


def test_no_known_text():
    assert KnownTexts([]).find("甲").longest() == (0, 0)
    assert KnownTexts([""]).find("甲乙丙丁戊己庚辛壬").count_windows(5) == 0
