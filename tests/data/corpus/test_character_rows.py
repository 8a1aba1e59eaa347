"""Rows of characters: every character is scored once, from the context that the row promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.data.corpus.character_rows import EncodedTexts, scored_segments, training_segments, windows
from paddle_tasks.data.corpus.characters import CharacterVocabulary

VOCABULARY = CharacterVocabulary("甲乙丙丁戊")
texts = st.lists(st.text("甲乙丙丁戊己", max_size=40), min_size=1, max_size=5)
lengths = st.integers(2, 12)


def encode(given_texts):
    return EncodedTexts.encode(given_texts, VOCABULARY)


def targets(rows):
    """Return the indices of all targets."""
    return [index for start, end in zip(rows.scored, rows.ends, strict=True) for index in range(start + 1, end + 1)]


def test_each_text_begins_with_the_start_entry():
    encoded = encode(["甲己", "", "乙"])
    start = VOCABULARY.start_id
    assert encoded.ids.tolist() == [start, 1, 0, start, start, 2]
    assert encoded.is_target.tolist() == [False, True, True, False, False, True]


@given(texts, lengths, lengths)
def test_every_character_is_scored_once(given_texts, window, stride):
    encoded = encode(given_texts)
    for rows in (scored_segments(encoded, window, min(stride, window)), windows(encoded, window)):
        assert sorted(targets(rows)) == np.flatnonzero(encoded.is_target).tolist()
        assert (rows.lengths <= window).all()


@given(texts, lengths)
def test_a_character_is_scored_from_enough_of_its_text(given_texts, window):
    encoded, stride = encode(given_texts), max(1, window // 2)
    rows = scored_segments(encoded, window, stride)
    for start, end, scored in zip(rows.starts, rows.ends, rows.scored, strict=True):
        begin = encoded.starts[np.searchsorted(encoded.starts, start, side="right") - 1]
        assert start == begin or scored - start >= window - stride
        assert begin <= start <= scored < end


@given(texts, lengths, st.integers(0, 3))
def test_training_rows_stay_in_their_text_and_cover_it(given_texts, window, epoch):
    encoded = encode(given_texts)
    rows = training_segments(encoded, window)
    assert set(targets(rows)) == set(np.flatnonzero(encoded.is_target))
    moved = rows.moved([epoch])
    text = np.searchsorted(encoded.starts, rows.starts, side="right") - 1
    assert (moved.starts >= encoded.starts[text]).all()
    assert (moved.ends < encoded.ends[text]).all()
    assert (moved.lengths == rows.lengths).all()
    assert (moved.scored == moved.starts).all()


def test_an_epoch_moves_rows_and_repeats_itself():
    rows = training_segments(encode(["甲乙丙丁戊" * 40]), 16)
    first, again, other = (rows.moved([7, epoch]).starts.tolist() for epoch in (0, 0, 1))
    assert first == again != other


def test_every_character_is_a_target_in_about_as_many_epochs():
    encoded = encode(["甲乙丙丁戊" * 40, "甲乙"])
    rows, counts = training_segments(encoded, 16), np.zeros(len(encoded.ids))
    for epoch in range(400):
        np.add.at(counts, targets(rows.moved([epoch])), 1 / 400)
    assert counts[~encoded.is_target].tolist() == [0, 0]
    found = counts[encoded.is_target]
    assert (found.min() > 0.4, found.max() < 1.8) == (True, True)
    assert found.mean() == pytest.approx(1.04, abs=0.01)  # 13 rows of 16 for 200 characters


def test_windows_have_a_stride_and_may_shorten():
    encoded = encode(["甲乙丙丁戊甲乙丙丁戊"])
    rows = windows(encoded, 4, stride=3)
    assert rows.ends.tolist() == [1, 4, 7, 10]
    assert rows.lengths.tolist() == [0, 3, 4, 4]
    moved = rows.moved([1])
    assert ((moved.ends - rows.ends >= 0) & (moved.ends - rows.ends < 3) & (moved.ends < encoded.ends)).all()
    short = rows.shortened([1])
    assert (short.ends == rows.ends).all()
    assert ((short.lengths <= rows.lengths) & (short.lengths >= np.minimum(rows.lengths, 1))).all()
