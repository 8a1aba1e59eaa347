"""Passages: cutting documents into rows without loss, and sentence starts against a loop over strings."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paddlenlp.datasets import MapDataset

from paddle_tasks.data.corpus.passages import (
    CLOSING,
    SENTENCE_ENDS,
    Passages,
    cut_rows,
    sentence_starts,
    strip_special_tokens,
)
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer

LETTERS = ("甲", "乙", "，", "“", *SENTENCE_ENDS, *CLOSING)
ENDS, CLOSES = (np.isin(LETTERS, marks) for marks in (SENTENCE_ENDS, CLOSING))
texts = st.text(["甲", "乙", "，", "“", "。", "！", "…", "”", "）", '"'], max_size=12) | st.text(LETTERS, max_size=9)


def ids_of(text):
    return np.array([LETTERS.index(character) for character in text], np.int32)


@given(st.lists(st.integers(0, 60), max_size=12), st.integers(1, 20))
def test_rows_joined_are_the_documents(counts, room):
    starts, ends, documents = cut_rows(np.array(counts, np.int64), room)
    assert {starts.dtype, ends.dtype, documents.dtype} == {np.dtype(np.int64)}
    edges = [0, *accumulate(counts)]
    for document, count in enumerate(counts):
        own = np.flatnonzero(documents == document)
        places = [place for row in own for place in range(starts[row], ends[row])]
        dropped = count - len(places)
        assert places == list(range(edges[document], edges[document + 1] - dropped))
        # Only what is shorter than a row and than 8 is dropped, and never a whole document.
        assert 0 <= dropped < min(room, 8)
        assert not dropped or len(places) >= room
        assert all(ends[row] - starts[row] == room for row in own[:-1])
        assert dropped == 0 or ends[own[-1]] - starts[own[-1]] == room
    assert documents.tolist() == sorted(documents.tolist())


@pytest.mark.parametrize(
    ("count", "room", "lengths"),
    [
        (0, 10, []),
        (1, 10, [1]),
        (10, 10, [10]),
        (17, 10, [10]),
        (18, 10, [10, 8]),
        (27, 10, [10, 10]),
        (6, 3, [3, 3]),
        (8, 3, [3, 3]),
        (3, 1, [1, 1, 1]),
    ],
)
def test_a_remainder_shorter_than_eight_is_dropped(count, room, lengths):
    starts, ends, _ = cut_rows(np.array([count]), room)
    assert (ends - starts).tolist() == lengths


# ---- sentences


def oracle(lines):
    """Return where sentences start, character by character, line by line."""
    found, at = [], 0
    for line in lines:
        has_ended = True
        for place, character in enumerate(line):
            is_mark = character in SENTENCE_ENDS + CLOSING
            if place == 0 or (has_ended and not is_mark):
                found.append(at)
            # An end stays one through the marks behind it.
            has_ended = character in SENTENCE_ENDS or (place > 0 and has_ended and is_mark)
            at += 1
    return found


def found_in(lines):
    counts = np.array([len(line) for line in lines], np.int64)
    return sentence_starts(ids_of("".join(lines)), np.cumsum(counts) - counts, ENDS, CLOSES).tolist()


@given(st.lists(texts, max_size=5))
def test_sentence_starts_match_a_loop_over_characters(lines):
    assert found_in(lines) == oracle(lines)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["甲。乙"], ["甲。", "乙"]),
        (["甲！”乙"], ["甲！”", "乙"]),
        (["甲？”）乙"], ["甲？”）", "乙"]),
        (["“甲……”“乙！”"], ["“甲……”", "“乙！”"]),
        (["甲（乙）甲"], ["甲（乙）甲"]),
        (["甲", "", "乙。", "乙"], ["甲", "乙。", "乙"]),
        (["甲。", "”乙"], ["甲。", "”乙"]),
        (["。甲"], ["。", "甲"]),
        (["甲。”！）乙"], ["甲。”！）", "乙"]),
    ],
)
def test_sentences(lines, expected):
    lines = [line.replace("（", "，") for line in lines]
    expected = [sentence.replace("（", "，") for sentence in expected]
    starts = found_in(lines)
    text = "".join(lines)
    assert [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)] == expected
    assert oracle(lines) == starts


# ---- rows


@st.composite
def passages(draw):
    counts = np.array(draw(st.lists(st.integers(0, 40), min_size=1, max_size=5)), np.int64)
    n_tokens = int(counts.sum())
    starts, ends, documents = cut_rows(counts, draw(st.integers(1, 20)))
    inside = draw(st.sets(st.integers(0, max(n_tokens - 1, 0)), max_size=8)) if n_tokens else set()
    return Passages(
        ids=np.arange(100, 100 + n_tokens, dtype=np.int32),
        unit_starts=np.arange(n_tokens) % 3 == 0,
        sentences=np.array(sorted(inside), np.int64),
        starts=starts,
        ends=ends,
        documents=documents,
        pairs=draw(st.booleans()),
    )


@given(passages())
def test_a_passage_has_the_tokens_and_units_of_its_row(found):
    assert len(found) == len(found.starts)
    for row, passage in enumerate(found):
        places = range(found.starts[row], found.ends[row])
        assert passage["ids"].tolist() == [100 + place for place in places]
        assert passage["unit_starts"].tolist() == [place % 3 == 0 for place in places]


@given(passages())
def test_sentences_within_a_row_exclude_its_start(found):
    for row in range(len(found)):
        inside = [place for place in found.sentences.tolist() if found.starts[row] < place < found.ends[row]]
        assert found.sentences_within(row).tolist() == inside
        assert found.can_be_pair(row) is (found.pairs and bool(inside))
        assert found.lengths[row] == found.ends[row] - found.starts[row] + (3 if found.can_be_pair(row) else 2)


def test_indices_may_be_negative_and_out_of_range_raises():
    ids = np.arange(9, dtype=np.int32)
    starts, ends, documents = cut_rows(np.array([4, 5]), 20)
    found = Passages(ids, ids >= 0, np.zeros(0, np.int64), starts, ends, documents)
    assert found[-1]["ids"].tolist() == [4, 5, 6, 7, 8]
    assert [passage["ids"].tolist() for passage in found[::-1]] == [[4, 5, 6, 7, 8], [0, 1, 2, 3]]
    for row in (2, -3):
        with pytest.raises(IndexError):
            found[row]
    dataset = MapDataset(["甲", "乙"]).map(lambda _: found, batched=True)
    assert dataset.new_data is found
    assert dataset[1]["ids"].tolist() == [4, 5, 6, 7, 8]


def test_special_tokens_of_lines_are_stripped():
    tokenizer = Tokenizer([*SPECIAL_TOKENS, "甲", "乙"])
    ids, counts = strip_special_tokens(tokenizer.encode_packed(["甲乙", "", "乙[SEP]甲甲"], max_length=9))
    assert ids.tolist() == [5, 6, 6, tokenizer.sep_id, 5, 5]
    assert counts.tolist() == [2, 0, 4]
