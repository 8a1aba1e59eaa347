"""Word units against an oracle that reads one text character by character with the tokenizer's offsets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_tasks.data.corpus.passages import strip_special_tokens
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from paddle_tasks.text.units import word_units
from paddle_tasks.text.words import word_spans

WORDS = ["今天", "天气", "很好", "我", "爱", "北京", "天安门", "的", "卡拉OK", "T恤", "中华人民共和国", "喝", "嘚"]
# 喝 and 嘚 are unknown; 豈 (U+F900) becomes U+8C48 and U+2B820 is Chinese to BERT, but not to its library.
KNOWN = sorted(set("".join(WORDS)) - set("喝嘚OKT") | {"㐀", "𠀀", "\uf900", "\U0002b820"})
LATIN = [*"abcokt0123", *(f"##{letter}" for letter in "abcokt0123"), "ok", "##\U0002b820", "##"]
VOCABULARY = [*SPECIAL_TOKENS, *KNOWN, *LATIN, "，", "。", "!", "#", "-", "😀", "é"]
TOKENIZER, CASED = Tokenizer(VOCABULARY), Tokenizer(VOCABULARY, lowercase=False)
OTHERS = ["abc", "OK", "T", "b2", "03", " ", "\u3000", "\n", "，", "。", "!", "#", "##", "-", "😀", "é", "e\u0301", "x"]
ODD = ["\x00", "\u200b", "\ufffd", "\ud83d", "[MASK]", "\U00020001", "\uf900", "㐀", "𠀀", "\U0002b820", "a\U0002b820"]

texts = st.lists(st.sampled_from([*WORDS, *OTHERS, *ODD]), max_size=10).map("".join)


def is_chinese(character):
    blocks = ["\u4e00\u9fff", "\u3400\u4dbf", "\U00020000\U0002a6df", "\U0002a700\U0002b73f", "\U0002b740\U0002b81f"]
    blocks += ["\U0002b820\U0002ceaf", "\uf900\ufaff", "\U0002f800\U0002fa1f"]
    return any(first <= character <= last for first, last in blocks)


def oracle(text, tokenizer):
    encoding = tokenizer.encode([text], max_length=10**6)[0]
    tokens = [tokenizer.vocabulary[token] for token in encoding.input_ids[1:-1]]
    word_at = {start for start, _ in word_spans(text)}
    are_known = sum(map(is_chinese, text)) == sum(len(token) == 1 and is_chinese(token) for token in tokens)
    starts = []
    for token, (start, _) in zip(tokens, encoding.offsets[1:-1].tolist(), strict=True):
        if len(token) == 1 and is_chinese(token) and are_known:
            starts.append(start in word_at)
        else:
            starts.append(not token.startswith("##"))
    return starts


def units(given_texts, tokenizer=TOKENIZER):
    ids, counts = strip_special_tokens(tokenizer.encode_packed(given_texts, max_length=10**6))
    before = ids.copy()
    starts = word_units(given_texts, ids, counts, tokenizer.vocabulary)
    assert (ids == before).all()
    assert starts.dtype == bool
    assert len(starts) == len(ids)
    return [part.tolist() for part in np.split(starts, np.cumsum(counts))[:-1]]


def shown(text, tokenizer=TOKENIZER):
    """Return the tokens of a text, with a bar before each unit."""
    ids, _ = strip_special_tokens(tokenizer.encode_packed([text], max_length=10**6))
    found = zip(ids, units([text], tokenizer)[0], strict=True)
    return "".join("|" * start + tokenizer.vocabulary[token] for token, start in found)


@settings(max_examples=200)
@given(st.lists(texts, max_size=6), st.booleans())
def test_units_equal_the_oracle(given_texts, lowercase):
    tokenizer = TOKENIZER if lowercase else CASED
    assert units(given_texts, tokenizer) == [oracle(text, tokenizer) for text in given_texts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天天气很好", "|今天天气|很|好"),
        ("我爱北京天安门。", "|我|爱|北京|天安门|。"),
        ("穿T恤", "|[UNK]|t|恤"),  # an unknown character: words and tokens cannot be aligned
        ("T恤", "|t恤"),
        ("卡拉OK，ok", "|卡拉|ok|，|ok"),
        ("b2 03!", "|b##2|0##3|!"),
        ("今天喝", "|今|天|[UNK]"),
        ("今天😀北 京", "|今天|😀|北|京"),
        ("\uf900", "|[UNK]"),
        ("", ""),
    ],
)
def test_units(text, expected):
    assert shown(text) == expected


def test_an_unknown_character_does_not_affect_other_texts():
    given_texts = ["北京", "喝北京", "", "天安门"]
    assert units(given_texts) == [[True, False], [True, True, True], [], [True, False, False]]


def test_no_texts():
    assert units([]) == []


def test_the_oracle_finds_words_of_several_characters():
    """On texts without such words, the other tests could not tell words from characters."""
    found = [start for text in ("今天天气很好", "我爱北京天安门") for start in oracle(text, TOKENIZER)]
    assert found.count(False) >= 5
