"""Character-level tokens."""

from __future__ import annotations

import pickle
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from paddle_tasks.text.vocabulary import read_vocabulary

TOKENIZER = Tokenizer(read_vocabulary(Path(__file__).parent / "golden" / "vocab.txt"))
OWN = Tokenizer([*SPECIAL_TOKENS, *"好ab1é😀", "##a", "##b", "##1", "##é", "ab", "##ba", "ᄒ", "##ᅡ", "##ᆫ"])
any_text = st.text(
    st.one_of(st.characters(), st.sampled_from("好吃 aB1é\u0301\u200d\ufe0f❤😀\u3000\u200b\ud83d")), max_size=40
)


def pieces(text: str, tokenizer: Tokenizer = OWN, **options) -> list[tuple[str, str]]:
    found = tokenizer.tokens([text], **options)[0]
    entries = [tokenizer.vocabulary[token] for token in found.input_ids]
    return [(entry, text[start:end]) for entry, (start, end) in zip(entries, found.offsets.tolist(), strict=True)]


def test_words_are_spelt_with_pieces():
    assert pieces("好abba") == [("好", "好"), ("a", "a"), ("##b", "b"), ("##b", "b"), ("##a", "a")]
    assert pieces("好abba", by_character=False) == [("好", "好"), ("ab", "ab"), ("##ba", "ba")]
    assert pieces("AB a1 b") == [("a", "A"), ("##b", "B"), ("a", "a"), ("##1", "1"), ("b", "b")]


def test_each_character_of_an_unknown_word_is_looked_up():
    assert pieces("aZb") == [("a", "a"), ("[UNK]", "Z"), ("##b", "b")]
    assert pieces("aZb", by_character=False) == [("[UNK]", "aZb")]
    assert pieces("a😀😀") == [("a", "a"), ("😀", "😀"), ("😀", "😀")]
    assert pieces("b" + "a" * 150)[:2] == [("b", "b"), ("##a", "a")]


def test_marks_belong_to_the_character_before_them():
    assert pieces("a\u0301好\ufe0f 😀\u200d\ufe0f") == [("a", "a\u0301"), ("好", "好\ufe0f"), ("😀", "😀\u200d\ufe0f")]
    assert pieces("\u200b好 \u200b好") == [("好", "好"), ("好", "好")]
    assert pieces("好\n好\t\u200b好\x1f") == [("好", "好")] * 3
    assert pieces("a\ud800b") == [("a", "a\ud800"), ("##b", "b")]


def test_a_character_of_several_pieces_and_an_unknown_one():
    assert pieces("한") == [("ᄒ", "한"), ("##ᅡ", "한"), ("##ᆫ", "한")]
    # BERT's cleaning removes the private-use emoji of old phones, and U+FFFD.
    assert pieces("好\ue415好\ufffd") == [("好", "好"), ("[UNK]", "\ue415"), ("好", "好"), ("[UNK]", "\ufffd")]
    assert pieces("好\ue415", by_character=False) == [("好", "好")]


@given(any_text)
def test_exactly_the_visible_characters_have_tokens(text):
    found = TOKENIZER.tokens([text])[0]
    starts, ends = found.offsets.T
    assert np.all(np.diff(starts) >= 0)
    assert np.all(np.diff(ends) >= 0)
    assert np.all(starts < ends)
    distinct = sorted({tuple(span) for span in found.offsets.tolist()})
    assert all(first[0] == second[0] or first[1] <= second[0] for first, second in pairwise(distinct))
    visible = {at for at, c in enumerate(text) if c.isalnum() or c in "，。！❤😀"}
    assert visible <= set(starts.tolist())
    assert not {at for at, c in enumerate(text) if c.isspace()} & set(starts.tolist())
    assert (found.input_ids.dtype, found.offsets.dtype) == (np.int32, np.int32)


@given(any_text)
def test_without_by_character_the_tokens_equal_encode(text):
    found, expected = TOKENIZER.tokens([text], by_character=False)[0], TOKENIZER.encode([text], max_length=1000)[0]
    assert found.input_ids.tolist() == expected.input_ids[1:-1].tolist()
    assert found.offsets[:, 0].tolist() == expected.offsets[1:-1, 0].tolist()


@given(st.text(st.sampled_from("好吃，。！的味道")))
def test_chinese_is_the_same_either_way(text):
    one, other = TOKENIZER.tokens([text])[0], TOKENIZER.tokens([text], by_character=False)[0]
    assert np.array_equal(one.input_ids, other.input_ids)
    assert np.array_equal(one.offsets, other.offsets)


def test_a_used_tokenizer_can_be_pickled():
    OWN.tokens(["abba"])
    assert (
        pickle.loads(pickle.dumps(OWN)).tokens(["abba"])[0].input_ids.tolist()
        == OWN.tokens(["abba"])[0].input_ids.tolist()
    )


def test_a_single_text_is_refused():
    with pytest.raises(TypeError, match="found a single text"):
        OWN.tokens("好")
