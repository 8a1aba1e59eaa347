"""Vocabularies: learning, checking and reading."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from paddle_tasks.errors import ConfigError, DataError, SetupError
from paddle_tasks.text import vocabulary as vocabulary_module
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.vocabulary import (
    SPECIAL_TOKENS,
    bert_normalizer,
    check_vocabulary,
    clean_texts,
    count_characters,
    learn_vocabulary,
    read_vocabulary,
    replace_surrogates,
)

SPECIAL = list(SPECIAL_TOKENS)


def learnt(*texts, **options):
    vocabulary = learn_vocabulary(texts, **options)
    assert vocabulary[: len(SPECIAL)] == SPECIAL[: len(vocabulary)]
    return vocabulary[len(SPECIAL) :]


def test_chinese_and_punctuation_give_one_entry_letters_digits_and_symbols_two():
    assert learnt("好，a1～") == ["1", "##1", "a", "##a", "好", "，", "～", "##～"]


def test_most_frequent_first_and_ties_by_code_point():
    assert learnt("好好的 的坏 好") == ["好", "的", "坏"]
    assert learnt("丙乙甲") == ["丙", "乙", "甲"] == sorted("甲乙丙")


def test_characters_are_counted_in_lower_case_without_accents_by_default():
    assert learnt("Éé") == ["e", "##e"]
    assert learnt("Éé", lowercase=False) == ["É", "##É", "é", "##é"]


def test_rare_characters_are_left_out_and_the_size_is_respected():
    assert learnt("好好的", min_count=2) == ["好"]
    assert learnt("好好的", max_size=6) == ["好"]
    assert learnt("好好的", max_size=5) == []
    with pytest.raises(ConfigError, match=r"max_size.*5 special tokens, found 4"):
        learnt("好", max_size=4)


def test_frequent_words_become_entries_with_min_word_count():
    vocabulary = learnt("ok ok no 好好好", min_word_count=2)
    assert vocabulary == ["o", "##o", "好", "k", "##k", "ok", "n", "##n"]
    assert "x" * 101 not in learnt("x" * 101, min_word_count=1)


def test_rare_words_are_unknown_if_they_are_not_spelt():
    texts = ["Ok, ok no 好好的", "café a-b"]
    vocabulary = learn_vocabulary(texts, min_word_count=2, spell_rare_words=False)
    assert not [entry for entry in vocabulary if entry.startswith("##")]
    (encoded,) = Tokenizer(vocabulary).encode(["OK, no 好的 cafe a-b"], max_length=20)
    assert [vocabulary[token] for token in encoded.input_ids] == (
        ["[CLS]", "ok", ",", "[UNK]", "好", "的", "[UNK]", "a", "-", "b", "[SEP]"]
    )


def counted_one_by_one(texts, lowercase):
    """Return the counts of characters and words, using only the library, text by text."""
    characters: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for text in texts:
        clean = bert_normalizer(lowercase).normalize_str(replace_surrogates(text))
        characters.update(clean)
        words.update(word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(clean) if len(word) > 1)
    del characters[" "]
    return characters, words


ODD = "aBé\u0301İß .,-'好的～\t\n\r\x00\x0b\x1f\x7f\x85\xa0\u200b\u2028\u3000\ufffd\ud83d😀①ﬁ가"


@settings(max_examples=300)
@given(st.lists(st.one_of(st.text(ODD, max_size=12), st.text(max_size=12)), max_size=6), st.booleans())
def test_counting_in_chunks_equals_counting_text_by_text(texts, lowercase):
    assert count_characters(texts, lowercase, count_words=True) == counted_one_by_one(texts, lowercase)


def test_chunks_split_no_word_and_lose_none(monkeypatch):
    texts = ["one two", "two three", "drei", "été deux", "deux"] * 7
    expected = counted_one_by_one(texts, lowercase=True)
    for size in (1, 5, 40):
        monkeypatch.setattr(vocabulary_module, "CHUNK_SIZE", size)
        assert max(len(chunk) for chunk in clean_texts(texts, lowercase=True)) < size + 20
        assert count_characters(texts, lowercase=True, count_words=True) == expected


def test_every_ascii_character_is_cleaned_as_by_the_library():
    texts = [f"x{chr(code)}Y" for code in range(128)]
    for lowercase in (True, False):
        assert count_characters(texts, lowercase, count_words=True) == counted_one_by_one(texts, lowercase)


def test_a_word_that_is_too_long_is_not_an_entry():
    assert learnt(f"{'x' * 100} {'y' * 101} {'z' * 202}", min_word_count=1, spell_rare_words=False)[3:] == ["x" * 100]


def test_control_characters_white_space_and_lone_surrogates_are_not_entries():
    assert learnt("\u3000\x00 \ud83d\t\n\u200b\ufffd") == []


@given(st.lists(st.text(max_size=40).filter(lambda text: "[UNK]" not in text), max_size=5), st.booleans())
def test_nothing_seen_becomes_unknown(texts, lowercase):
    tokenizer = Tokenizer(learn_vocabulary(texts, lowercase=lowercase), lowercase=lowercase)
    for encoded in tokenizer.encode(texts, max_length=10_000):
        assert tokenizer.unk_id not in encoded.input_ids


@given(st.permutations(["好的", "abc", "12", "a好", "～a"]))
def test_the_order_of_the_texts_does_not_matter(texts):
    assert learn_vocabulary(texts, min_word_count=1) == learn_vocabulary(sorted(texts), min_word_count=1)


@pytest.mark.parametrize("missing", SPECIAL)
def test_each_special_token_is_needed(missing):
    vocabulary = [token for token in SPECIAL if token != missing]
    with pytest.raises(DataError, match=rf"no \{missing[:-1]}\]"):
        Tokenizer(vocabulary)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (["好", "的", "好"], "'好' is repeated, as entries 5 and 7"),
        (["a\nb"], "entry 5.*line break"),
        (["a\rb"], "entry 5.*line break"),
        (["\ud83d"], "entry 5.*surrogate"),
    ],
)
def test_entries_that_cannot_be_used_are_refused(extra, message):
    with pytest.raises(DataError, match=message):
        check_vocabulary([*SPECIAL, *extra])


def test_a_mistyped_special_token_is_named():
    with pytest.raises(DataError, match=r"no \[MASK\] among its 5 entries; did you mean '\[MAKS\]'"):
        check_vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MAKS]"])


def test_only_line_breaks_separate_entries(tmp_path):
    path = tmp_path / "vocab.txt"
    entries = [*SPECIAL, "\u2028", "\x85", " ", ""]
    path.write_bytes("\n".join(entries).encode() + b"\n")
    assert read_vocabulary(path) == entries
    path.write_bytes("\r\n".join(SPECIAL).encode())
    assert read_vocabulary(path) == SPECIAL


def test_missing_and_unreadable_files_are_reported(tmp_path):
    folder = tmp_path / "bert-mini"
    with pytest.raises(SetupError, match="bert-mini: no such folder"):
        read_vocabulary(folder / "vocab.txt")
    folder.mkdir()
    with pytest.raises(SetupError, match=r"no vocab.txt, found nothing$"):
        read_vocabulary(folder / "vocab.txt")
    (folder / "vocabs.txt").touch()
    with pytest.raises(SetupError, match=r"no vocab.txt, found vocabs.txt; did you mean 'vocabs.txt'"):
        read_vocabulary(folder / "vocab.txt")
    with pytest.raises(SetupError, match="did you mean 'bert-mini'"):
        read_vocabulary(tmp_path / "bert-mni" / "vocab.txt")
    (folder / "vocab.txt").write_bytes("[PAD]\n好".encode("gb18030"))
    with pytest.raises(DataError, match="not UTF-8 text at byte 6"):
        read_vocabulary(folder / "vocab.txt")
    (folder / "vocab.txt").write_text("[PAD]\t0\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"vocab.txt: no \[PAD\] among its 1 entries"):
        read_vocabulary(folder / "vocab.txt")
