"""Spans and tags: the round trip is exact for any text, and seqeval reads the tags in the same way."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2, Entities

from paddle_tasks.text.spans import Span, decode, encode, find_overlapping, tag_names
from paddle_tasks.text.tokenizer import Tokenizer, learn_vocabulary
from paddle_tasks.text.vocabulary import bert_normalizer, read_vocabulary

LABELS = ("aspect", "opinion")
TOKENIZER = Tokenizer(read_vocabulary(Path(__file__).parent / "golden" / "vocab.txt"))
# White space has no token, and a mark belongs to the character before it.
UNSEEN = ["Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Mn", "Mc", "Me"]
visible = st.one_of(
    st.characters(exclude_categories=UNSEEN),
    st.sampled_from("味道很好iPhone6sé①～，！😀👍🏻🫠한ßﬁİ豈\ue415\ufffd"),
    st.just("[SEP]"),
)
visible_text = st.lists(visible, max_size=30).map("".join)
any_text = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]), st.sampled_from("好吃 ab1é\u0301\u200d\ufe0f❤😀👍\u3000\u200b\t")
    ),
    max_size=40,
)


def disjoint(draw, edges: list[int]) -> list[Span]:
    """Return spans between some of the edges, one after another, many of them touching."""
    chosen = sorted(draw(st.sets(st.sampled_from(edges)))) if len(edges) > 1 else []
    pairs = list(pairwise(chosen))
    labels = draw(st.lists(st.sampled_from([*LABELS, None]), min_size=len(pairs), max_size=len(pairs)))
    return [Span(start, end, label) for (start, end), label in zip(pairs, labels, strict=True) if label]


@st.composite
def visible_spans(draw) -> tuple[str, list[Span]]:
    text = draw(visible_text)
    return text, disjoint(draw, list(range(len(text) + 1)))


def round_trip(spans, offsets, labels=LABELS):
    return decode(encode(spans, offsets, labels), offsets, labels)


# ---- round trips


@given(visible_spans(), st.booleans())
def test_spans_of_visible_characters_come_back_exactly(drawn, lowercase):
    text, spans = drawn
    for tokenizer in (TOKENIZER, Tokenizer(learn_vocabulary([text], lowercase=lowercase), lowercase=lowercase)):
        assert round_trip(spans, tokenizer.tokens([text])[0].offsets) == spans


def unit_edges(offsets: np.ndarray) -> list[int]:
    return sorted({*offsets[:, 0].tolist(), *offsets[:, 1].tolist()})


@given(any_text, st.data(), st.booleans())
def test_spans_between_the_edges_of_tokens_come_back_exactly(text, data, by_character):
    offsets = TOKENIZER.tokens([text], by_character=by_character)[0].offsets
    starts, ends = set(offsets[:, 0].tolist()), set(offsets[:, 1].tolist())
    drawn = disjoint(data.draw, unit_edges(offsets))
    # The parts of a Hangul syllable share an offset, so there is no edge between them.
    whole = [span for span in drawn if span.start in starts and span.end in ends]
    assert round_trip(whole, offsets) == whole


@given(any_text, st.data())
def test_any_span_comes_back_trimmed_to_visible_characters(text, data):
    spans = disjoint(data.draw, list(range(len(text) + 1)))[:1]
    found = round_trip(spans, TOKENIZER.tokens([text])[0].offsets)
    assert [trimmed(text, span) for span in spans if trimmed(text, span)] == found


def trimmed(text: str, span: Span) -> Span | None:
    """Return the span without surrounding white space, extended to whole visible characters."""
    base: list[int | None] = []  # the visible character that each character belongs to
    for index, character in enumerate(text):
        if is_mark_without_token(character):
            base.append(base[-1] if base else None)
        else:
            base.append(None if character.isspace() else index)
    units = {base[index] for index in range(span.start, span.end)} - {None}
    inside = [index for index, unit in enumerate(base) if unit in units and unit is not None]
    return Span(inside[0], inside[-1] + 1, span.label) if inside else None


def is_mark_without_token(character: str) -> bool:
    """Return whether cleaning removes a mark or an invisible character; it keeps others, such as vowel signs."""
    is_unseen = unicodedata.category(character) in UNSEEN and not character.isspace()
    return is_unseen and not bert_normalizer(lowercase=True).normalize_str(character).strip()


@pytest.mark.parametrize(("text", "end"), [("ab\u0301", 3), ("ab\u0bbe", 2), ("ab\U00016f4f", 2)])
def test_marks_that_the_tokenizer_keeps_are_tokens_of_their_own(text, end):
    """An accent is removed; a Tamil vowel sign and a mark that is newer than the library's Unicode are not."""
    spans = [Span(0, 2, "aspect")]
    assert round_trip(spans, TOKENIZER.tokens([text])[0].offsets) == [Span(0, end, "aspect")]


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("这台iPhone 6s手感很好", ["iPhone 6s", "手感", "很好"]),
        ("SK2好用", ["SK2", "好用"]),
        ("物流快666666", ["666"]),
        ("好吃😀😀👍🏻推荐", ["好吃", "😀", "👍🏻"]),
        ("味道❤️❤️", ["味道", "❤️"]),
        ("wifi很快but贵", ["wifi", "很快", "贵"]),
        ("𠮷野家不错", ["𠮷野家", "不错"]),
        ("㍿服务🫠差", ["㍿", "服务", "🫠", "差"]),
        ("环境 ，服务", ["环境", "服务"]),
    ],
)
def test_terms_of_reviews_come_back(text, terms):
    spans = []
    for term in terms:
        start = text.index(term, spans[-1].end if spans else 0)
        spans.append(Span(start, start + len(term), LABELS[len(spans) % 2]))
    found = round_trip(spans, TOKENIZER.tokens([text])[0].offsets)
    assert [text[span.start : span.end] for span in found] == terms
    assert found == spans


def test_word_pieces_widen_spans_that_start_inside_them():
    text = "abc😀很好"
    offsets = TOKENIZER.tokens([text], by_character=False)[0].offsets
    assert round_trip([Span(0, 3, "aspect")], offsets) == [Span(0, 4, "aspect")]
    assert round_trip([Span(0, 3, "aspect")], TOKENIZER.tokens([text])[0].offsets) == [Span(0, 3, "aspect")]


# ---- tags


def characters(n: int) -> np.ndarray:
    return np.stack([np.arange(n), np.arange(n) + 1], axis=1).astype(np.int32)


def names(tags) -> list[str]:
    return [tag_names(LABELS)[tag] for tag in tags]


def test_tags_by_hand():
    spans = [Span(4, 6, "opinion"), Span(0, 2, "aspect"), Span(2, 3, "aspect")]
    assert names(encode(spans, characters(7), LABELS)) == [
        "B-aspect", "I-aspect", "B-aspect", "O", "B-opinion", "I-opinion", "O",
    ]  # fmt: skip
    assert encode([], characters(3), LABELS).dtype == np.int64
    assert encode([], characters(0), LABELS).shape == (0,)
    with pytest.raises(ValueError, match="not in"):
        encode([Span(0, 1, "target")], characters(2), LABELS)


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("O I I", []),
        ("B I I", [(0, 3, "aspect")]),
        ("B B I", [(0, 1, "aspect"), (1, 3, "aspect")]),
        ("B I2 I", [(0, 1, "aspect")]),
        ("B O I", [(0, 1, "aspect")]),
        ("B2 I2 B", [(0, 2, "opinion"), (2, 3, "aspect")]),
        ("I2 B2 I", [(1, 2, "opinion")]),
    ],
)
def test_an_i_without_its_b_is_ignored(tags, found):
    ids = {"O": 0, "B": 1, "I": 2, "B2": 3, "I2": 4}
    tags_ = np.array([ids[tag] for tag in tags.split()])
    assert decode(tags_, characters(3), LABELS) == [Span(*span) for span in found]


@given(st.lists(st.integers(0, 4), max_size=12))
def test_tags_are_read_as_seqeval_reads_them_strictly(ids):
    found = decode(np.array(ids, np.int64), characters(len(ids)), LABELS)
    expected = Entities([names(ids)], IOB2).entities[0]
    assert [(span.label, span.start, span.end) for span in found] == [(e.tag, e.start, e.end) for e in expected]


def test_seqevals_default_mode_accepts_malformed_tags():
    tags = ["O", "I-aspect", "I-aspect"]
    assert get_entities(tags) == [("aspect", 1, 2)]
    assert decode(np.array([0, 2, 2]), characters(3), LABELS) == []


def test_tags_and_tokens_must_have_the_same_number():
    with pytest.raises(ValueError, match="each of the 3 tokens, found 2"):
        decode(np.zeros(2, np.int64), characters(3), LABELS)


def test_several_tokens_of_one_character_give_one_span():
    offsets = np.array([[0, 1], [0, 1], [1, 2]], np.int32)
    assert decode(np.array([1, 1, 1]), offsets, LABELS) == [Span(0, 1, "aspect"), Span(1, 2, "aspect")]


# ---- overlaps


def test_of_overlapping_spans_the_longest_then_the_first_is_kept():
    spans = [Span(0, 2, "aspect"), Span(1, 5, "opinion"), Span(5, 7, "aspect"), Span(6, 8, "opinion")]
    assert round_trip(spans, characters(9)) == [Span(1, 5, "opinion"), Span(5, 7, "aspect")]
    assert round_trip(spans[::-1], characters(9)) == [Span(1, 5, "opinion"), Span(5, 7, "aspect")]
    same = [Span(0, 2, "opinion"), Span(0, 2, "aspect")]
    assert round_trip(same, characters(2)) == [same[1]]
    assert round_trip(same, characters(2), LABELS[::-1]) == [same[0]]


some_spans = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 5), st.sampled_from(LABELS)).map(
        lambda s: Span(s[0], s[0] + s[1], s[2])
    )
)


@given(some_spans)
def test_kept_spans_are_disjoint_and_dropped_spans_overlap_them(spans):
    kept = round_trip(spans, characters(15))
    assert set(kept) <= set(spans)
    assert not find_overlapping(kept)
    assert all(any(span.overlaps(other) for other in kept) for span in set(spans) - set(kept))


@given(some_spans)
def test_overlapping_spans_are_those_with_an_overlapping_other(spans):
    distinct = set(spans)
    assert find_overlapping(spans) == sorted(s for s in distinct if any(s.overlaps(o) for o in distinct - {s}))
