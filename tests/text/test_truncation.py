"""Truncation of long texts, against slices of Python lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.text.packing import PackedIds, concatenate_rows
from paddle_tasks.text.truncation import Truncation, truncate

CLS, SEP = 1, 2
TEXTS = st.lists(st.lists(st.integers(10, 99), max_size=30), min_size=1, max_size=5)


def packed(texts: list[list[int]]) -> PackedIds:
    rows = [[CLS, *text, SEP] for text in texts]
    offsets = np.cumsum([0, *map(len, rows)])
    return PackedIds(np.array([token for row in rows for token in row], np.int32), offsets.astype(np.int64))


def rows(found: PackedIds) -> list[list[int]]:
    return [
        found.input_ids[start:end].tolist() for start, end in zip(found.offsets[:-1], found.offsets[1:], strict=True)
    ]


def cut(texts: list[list[int]], truncation: Truncation, max_length: int) -> list[list[int]]:
    return rows(truncate(packed(texts), truncation, max_length=max_length, cls_id=CLS, sep_id=SEP))


def expected(text: list[int], method: str, room: int) -> list[int]:
    if len(text) <= room:
        return text
    head = {"head": room, "tail": 0, "head_tail": room // 4}[method]
    return text[:head] + text[len(text) - (room - head) :]


@given(texts=TEXTS, room=st.integers(1, 12), method=st.sampled_from(["head", "tail", "head_tail"]))
def test_kept_tokens_equal_slices(texts, room, method):
    found = cut(texts, Truncation(method), room + 2)
    assert found == [[CLS, *expected(text, method, room), SEP] for text in texts]


def windows(text: list[int], room: int, overlap: int) -> list[list[int]]:
    found, start = [text[:room]], 0
    while start + room < len(text):
        start += room - overlap
        found.append(text[start : start + room])
    return found


@given(texts=TEXTS, room=st.integers(1, 9), overlap=st.integers(0, 8), max_windows=st.none() | st.integers(1, 4))
def test_windows_equal_slices(texts, room, overlap, max_windows):
    overlap = min(overlap, room - 1)
    found = cut(texts, Truncation("windows", overlap, max_windows), room + 2)
    for text, row in zip(texts, found, strict=True):
        kept = windows(text, room, overlap)[:max_windows]
        assert row == [token for window in kept for token in (CLS, *window, SEP)]
        assert all(len(window) == room for window in kept[:-1])
        if max_windows is None:
            whole = kept[0] + [token for window in kept[1:] for token in window[overlap:]]
            assert whole == text


def test_the_methods_differ():
    text = [list(range(10, 30))]
    found = {method: cut(text, Truncation(method), 10)[0] for method in ("head", "tail", "head_tail", "windows")}
    assert found["head"][1:-1] == [10, 11, 12, 13, 14, 15, 16, 17]
    assert found["tail"][1:-1] == [22, 23, 24, 25, 26, 27, 28, 29]
    assert found["head_tail"][1:-1] == [10, 11, 24, 25, 26, 27, 28, 29]
    assert len(found["windows"]) == 20 + 3 * 2


@given(texts=st.lists(st.tuples(st.lists(st.integers(10, 99)), st.lists(st.integers(10, 99))), max_size=5))
def test_concatenated_rows(texts):
    if not texts:
        return
    first, second = (packed([list(pair[at]) for pair in texts]) for at in (0, 1))
    both = concatenate_rows(first, second)
    assert rows(both) == [a + b for a, b in zip(rows(first), rows(second), strict=True)]
    assert both.token_type_ids is not None
    types = np.split(both.token_type_ids, both.offsets[1:-1])
    for (a, b), found in zip(texts, types, strict=True):
        assert found.tolist() == [0] * (len(a) + 2) + [1] * (len(b) + 2)


@pytest.mark.parametrize("method", ["head", "tail", "head_tail", "windows"])
def test_short_texts_are_unchanged(method):
    texts = [[], [10], [10, 11, 12]]
    assert cut(texts, Truncation(method), 5) == rows(packed(texts))
