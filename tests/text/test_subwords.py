"""Character n-grams of words, and their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.text.subwords import WordParts, character_ngrams


@pytest.mark.parametrize(
    ("word", "longest", "expected"),
    [
        ("教师", 0, []),
        ("教师", 1, ["教", "师"]),
        ("教师", 2, ["教", "师", "<教", "教师", "师>"]),
        ("好", 3, ["好", "<好", "好>", "<好>"]),
        ("哥哥", 1, ["哥", "哥"]),
    ],
)
def test_ngrams(word, longest, expected):
    assert character_ngrams(word, longest) == expected


def test_a_part_is_the_word_or_an_ngram_that_another_word_has():
    parts = WordParts.of(["教师", "老师", "老", "一一"], longest=2)
    assert parts.ngrams == {"师": 4, "师>": 5, "老": 6, "<老": 7}
    ids, lengths = parts.select(np.array([1, 3, 2]))
    assert ids.tolist() == [1, 6, 4, 7, 5, 3, 2, 6, 7]
    assert lengths.tolist() == [5, 1, 3]
    assert parts.of_unknown("老手") == [6, 7]
    assert parts.of_unknown("xyz") == []


def test_every_word_has_itself_first_even_without_a_shared_ngram():
    parts = WordParts.of(["甲", "乙"], longest=3)
    assert (parts.ids.tolist(), parts.offsets.tolist()) == ([0, 1], [0, 1, 2])
