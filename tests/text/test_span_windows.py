"""Windows over tokens, and stitching: no span is doubled or halved."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.text.span_windows import span_windows, stitch, whole_span_windows
from paddle_tasks.text.spans import Span, decode, encode

LABELS = ("aspect", "opinion")
places = st.tuples(st.integers(0, 60), st.integers(1, 12), st.integers(0, 11)).map(
    lambda drawn: (drawn[0], drawn[1], min(drawn[2], drawn[1] - 1))
)


def characters(n: int) -> np.ndarray:
    return np.stack([np.arange(n), np.arange(n) + 1], axis=1).astype(np.int32)


@given(places)
def test_windows_cover_a_text_and_each_token_is_taken_once(drawn):
    n_tokens, room, overlap = drawn
    found = span_windows(n_tokens, room, overlap)
    assert [token for window in found for token in range(window.kept_start, window.kept_end)] == list(range(n_tokens))
    for window in found:
        assert window.start <= window.kept_start <= window.kept_end <= window.end
        assert window.end - window.start <= room
    for before, after in pairwise(found):
        assert before.end - before.start == room
        assert before.end - after.start == overlap


@given(places.filter(lambda drawn: drawn[2] * 2 <= drawn[1]))
def test_a_token_is_taken_where_it_is_farther_from_the_edge(drawn):
    n_tokens, room, overlap = drawn
    found = span_windows(n_tokens, room, overlap)

    def context(token: int, window) -> int:
        left = token - window.start if window.start else n_tokens
        right = window.end - 1 - token if window.end < n_tokens else n_tokens
        return min(left, right)

    for window in found:
        for token in range(window.kept_start, window.kept_end):
            others = [context(token, other) for other in found if other.start <= token < other.end]
            assert context(token, window) >= max(others) - 1


@given(places, st.data())
def test_outputs_of_windows_are_joined(drawn, data):
    n_tokens, room, overlap = drawn
    whole = np.random.default_rng(0).random((n_tokens, 3))
    windows = span_windows(n_tokens, room, overlap)
    padded = [np.concatenate([whole[w.start : w.end], np.full((2, 3), 9.0)]) for w in windows]
    assert np.array_equal(stitch(padded, windows), whole)


@given(st.integers(1, 40), st.data())
def test_spans_at_the_seams_come_back_once_and_whole(n_tokens, data):
    edges = sorted(data.draw(st.sets(st.integers(0, n_tokens), min_size=2)))
    spans = [Span(a, b, LABELS[at % 2]) for at, (a, b) in enumerate(pairwise(edges))]
    tags = encode(spans, characters(n_tokens), LABELS)
    windows = span_windows(n_tokens, 8, 4)
    found = stitch([tags[w.start : w.end] for w in windows], windows)
    assert decode(found, characters(n_tokens), LABELS) == spans


def test_spans_of_each_window_by_itself_would_be_doubled_and_halved():
    tags = encode([Span(1, 3, "aspect"), Span(6, 10, "opinion")], characters(12), LABELS)
    windows = span_windows(12, 8, 2)
    each = [decode(tags[w.start : w.end], characters(w.end - w.start), LABELS) for w in windows]
    apart = [(s.start + w.start, s.end + w.start) for w, spans in zip(windows, each, strict=True) for s in spans]
    assert apart == [(1, 3), (6, 8), (6, 10)]


@pytest.mark.parametrize(("room", "overlap"), [(4, 4), (4, -1), (0, 0)])
def test_windows_that_would_not_advance_are_refused(room, overlap):
    with pytest.raises(ValueError, match=f"found {overlap}"):
        span_windows(10, room, overlap)


@given(st.integers(0, 40), st.integers(1, 12), st.data())
def test_a_text_to_train_on_is_cut_between_spans(n_tokens, room, data):
    edges = sorted(data.draw(st.sets(st.integers(0, n_tokens))))
    spans = [Span(a, b, "aspect") for a, b in list(pairwise(edges))[::2]]
    tags = encode(spans, characters(n_tokens), LABELS)
    found = whole_span_windows(tags, room)
    assert [token for start, end in found for token in range(start, end)] == list(range(n_tokens))
    assert all(end - start <= room for start, end in found)
    cuts = {start for start, _ in found}
    for span in spans:
        assert span.end - span.start > room or not cuts & set(range(span.start + 1, span.end))


def test_a_text_to_train_on_is_cut_no_more_than_needed():
    tags = encode([Span(2, 5, "aspect"), Span(5, 7, "opinion")], characters(9), LABELS)
    assert whole_span_windows(tags, 4) == [(0, 2), (2, 5), (5, 9)]
    assert whole_span_windows(tags, 9) == [(0, 9)]
    assert whole_span_windows(tags, 2) == [(0, 2), (2, 4), (4, 5), (5, 7), (7, 9)]
