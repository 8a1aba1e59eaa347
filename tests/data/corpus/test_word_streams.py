"""Words as numbers: their order, their counts, and the lines that are left."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.data.corpus.word_streams import WordRows

WORDS = st.lists(st.lists(st.sampled_from(["的", "天气", "好", "很", "水果"]), max_size=7), max_size=12)


def test_words_are_numbered_by_their_counts_and_then_by_themselves():
    counts, rows = WordRows.number([["乙", "丙", "甲"], ["丙"], ["甲", "丙", "丁"], []], min_count=1)
    assert list(counts.items()) == [("丙", 3), ("甲", 2), ("丁", 1), ("乙", 1)]
    assert rows.ids.tolist() == [3, 0, 1, 1, 0, 2]  # the line of a single word is left out, its word is counted
    assert rows.offsets.tolist() == [0, 3, 6]


@given(WORDS, st.integers(1, 4))
def test_numbers_are_those_of_counting_first_and_encoding_then(lines, min_count):
    counts, rows = WordRows.number(iter(lines), min_count)
    assert counts == {word: n for word, n in Counter(chain.from_iterable(lines)).items() if n >= min_count}
    expected = WordRows.encode(lines, {word: place for place, word in enumerate(counts)})
    for name in ("ids", "offsets"):
        np.testing.assert_array_equal(getattr(rows, name), getattr(expected, name))
        assert getattr(rows, name).dtype == getattr(expected, name).dtype


@pytest.mark.parametrize("lines", [[], [[]], [["一"]]])
def test_without_two_words_there_are_no_rows(lines):
    assert len(WordRows.number(lines, min_count=1)[1]) == 0
