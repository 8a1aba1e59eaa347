"""The learnt vocabulary of characters and word pieces: counts, entries, and characters that are never unknown."""

from __future__ import annotations

import json
import random
import string
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from paddle_tasks.errors import ConfigError
from paddle_tasks.text import wordpieces as module
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from paddle_tasks.text.vocabulary import MAX_WORD_LENGTH, bert_normalizer, check_vocabulary, replace_surrogates
from paddle_tasks.text.wordpieces import count_words, learn_word_pieces
from tests.helpers import DATA, python
from tests.text import tokenizer_oracle

WIDE = [chr(code) for code in range(0xFF01, 0xFF5F)]
# To BERT, nine of the full-width marks are not punctuation; they have two forms: ＄＋＜＝＞＾｀｜～
ALWAYS = 5 + 10 + (2 * 36 + 32) + (2 * 36 + 32 + 9)
ODD = "aBé\u0301İß .,-'好的龘～Ａ１\t\r\x00\x85\u200b\u3000\ufffd\ud83d😀①ﬁ가が"
some_texts = st.lists(st.one_of(st.text(ODD, max_size=12), st.text(max_size=12)), max_size=6)

REVIEWS = ["iPhone的app很好，wifi也好。", "2008年的Windows，不如Win7", "app apps wifi iphone 2008"] * 5


def learnt(texts, **options):
    return learn_word_pieces(count_words(texts), **{"size": 2000, "min_count": 1, **options})


def fixed(lowercase=True):
    return learn_word_pieces({}, size=2000, lowercase=lowercase)


def pieces_of(counts, **options):
    """Return the learnt pieces of several characters."""
    entries = learn_word_pieces(counts, **{"size": 5000, "min_count": 1, "n_reserved": 0, **options})
    return [e for e in entries if len(e.removeprefix("##")) > 1 and e not in SPECIAL_TOKENS and e != "##"]


def tokens(vocabulary, text, lowercase=True):
    ids = Tokenizer(vocabulary, lowercase=lowercase).encode([text], max_length=10**6)[0].input_ids[1:-1]
    return [vocabulary[token] for token in ids]


# ---- counting


@settings(max_examples=200)
@given(some_texts, st.booleans())
def test_words_are_those_of_the_library_text_by_text(texts, lowercase):
    expected: Counter[str] = Counter()
    for text in texts:
        clean = bert_normalizer(lowercase).normalize_str(replace_surrogates(text))
        expected.update(word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(clean))
    found = count_words(texts, lowercase=lowercase)
    assert found == expected
    assert set(found) == set(expected)  # Counter's == ignores zeros


@given(some_texts, some_texts)
def test_counts_of_parts_add_up_in_any_order(first, second):
    assert count_words(first) + count_words(second) == count_words([*second, *first][::-1])


# ---- the shape of the vocabulary


def test_special_tokens_come_first_and_reserved_ones_next():
    vocabulary = learnt(REVIEWS)
    assert vocabulary[:5] == list(SPECIAL_TOKENS)
    assert vocabulary[0] == "[PAD]"
    assert vocabulary[5:15] == [f"[unused{place}]" for place in range(1, 11)]
    assert not [entry for entry in learnt(REVIEWS, n_reserved=0) if "unused" in entry]
    check_vocabulary(vocabulary)


def test_without_texts_ascii_and_its_full_width_forms_remain():
    assert len(fixed()) == len(set(fixed())) == ALWAYS
    assert set(fixed(lowercase=False)) - set(fixed()) == {
        form for c in string.ascii_uppercase for w in (c, chr(ord(c) + 0xFEE0)) for form in (w, f"##{w}")
    }
    assert {"a", "##a", "0", "##0", "!", "ａ", "##ａ", "１", "##１", "，", "～", "##～"} < set(fixed())
    assert not {"A", "##!", "Ａ", "##，"} & set(fixed())


@settings(deadline=None)
@given(some_texts, st.integers(ALWAYS, ALWAYS + 30))
def test_the_size_is_respected_and_used(texts, size):
    whole = learnt(texts)
    vocabulary = learnt(texts, size=size)
    assert len(vocabulary) == min(size, len(whole))
    check_vocabulary(vocabulary)


def test_too_small_a_size_is_refused_with_the_minimum():
    assert len(learnt(REVIEWS, size=ALWAYS)) == ALWAYS
    with pytest.raises(ConfigError, match=rf"size: expected at least {ALWAYS}, .*found {ALWAYS - 3}"):
        learnt(REVIEWS, size=ALWAYS - 3)
    with pytest.raises(ConfigError):
        learnt(REVIEWS, size=ALWAYS - 1)
    assert len(learnt(REVIEWS, size=ALWAYS - 3, n_reserved=7)) == ALWAYS - 3


# ---- characters


@settings(deadline=None)
@given(st.lists(st.text("的一是不了龘萬〇가か가①α…", max_size=30), max_size=4), st.integers(1, 4))
def test_exactly_the_frequent_forms_are_entries(texts, min_count):
    forms: Counter[str] = Counter()
    for word, n in count_words(texts).items():
        forms.update({word[0]: n})
        for character in word[1:]:
            forms.update({f"##{character}": n})
    found = {entry for entry in learnt(texts, min_count=min_count) if len(entry.removeprefix("##")) == 1}
    assert found - set(fixed()) == {form for form, n in forms.items() if n >= min_count}


def test_if_not_all_fit_the_most_frequent_characters_are_used():
    texts = ["好" * 9 + "的" * 7 + "乙甲" * 5 + "龘"]
    assert [e for e in learnt(texts, size=ALWAYS + 3) if e not in fixed()] == ["好", "的", "乙"]
    ranked = [e for e in learnt(texts) if e not in fixed()]
    assert ranked == ["好", "的", "乙", "甲", "龘"]


def test_a_symbol_seen_only_inside_words_has_no_entry_for_a_start():
    vocabulary = learnt(["5℃ 6℃"])
    assert "##℃" in vocabulary
    assert "℃" not in vocabulary


# ---- never unknown

written = "".join(chr(code) for code in range(0x20, 0x7F)) + "".join(WIDE) + "\u3000\t\n"


@settings(deadline=None)
@given(st.text(written, max_size=MAX_WORD_LENGTH), some_texts, st.booleans())
def test_ascii_and_full_width_text_is_never_unknown(text, texts, lowercase):
    counts = count_words(texts, lowercase=lowercase)
    vocabulary = learn_word_pieces(counts, size=600, min_count=1, lowercase=lowercase)
    found = tokens(vocabulary, text.replace("[UNK]", ""), lowercase)
    assert "[UNK]" not in found


def test_every_required_entry_is_needed():
    for entry in fixed()[15:]:
        character = entry.removeprefix("##")
        text = character if entry == character else f"a{character}"
        less = [other for other in fixed() if other != entry]
        assert "[UNK]" in tokens(less, text)


@settings(deadline=None)
@given(some_texts)
def test_the_tokens_of_a_text_spell_it(texts):
    texts = [text for text in texts if not any(token in text for token in SPECIAL_TOKENS)]
    vocabulary = learnt(texts)
    for text in texts:
        clean = bert_normalizer(True).normalize_str(replace_surrogates(text)).replace(" ", "")
        assert "".join(token.removeprefix("##") for token in tokens(vocabulary, text)) == clean


# ---- pieces


def test_frequent_words_are_entries_and_others_are_spelt_in_pieces():
    vocabulary = learnt(REVIEWS, min_count=5)
    assert tokens(vocabulary, "iPhone的APP, 2008 wifi") == ["iphone", "的", "app", ",", "2008", "wifi"]
    assert tokens(vocabulary, "apps") == ["apps"]
    assert tokens(learnt(["ab"] * 3, min_count=4), "ab") == ["a", "##b"]
    assert tokens(learnt(["ab"] * 4, min_count=4), "ab") == ["ab"]


def merged_one_by_one(words, n_merges, min_count):
    """Return the merges of byte-pair encoding, recomputed after each; ties go to the pair that occurred first."""
    spelt = {word: [word[0], *(f"##{c}" for c in word[1:])] for word in words}
    entries = sorted({form for spelling in spelt.values() for c in spelling for form in (c, c.removeprefix("##"))})
    merges: list[str] = []
    while len(merges) < n_merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, spelling in spelt.items():
            for pair in pairwise(spelling):
                pairs[pair] += words[word]
        places = {entry: place for place, entry in enumerate([*entries, *merges])}
        best = min(pairs, key=lambda p: (-pairs[p], places[p[0]], places[p[1]]), default=None)
        if best is None or pairs[best] < min_count:
            break
        new = best[0] + best[1].removeprefix("##")
        merges += [new] if new not in merges else []
        for word, spelling in spelt.items():
            spelt[word] = replaced(spelling, best, new)
    return merges


def replaced(spelling, pair, new):
    out: list[str] = []
    for piece in spelling:
        if out and (out[-1], piece) == pair:
            out[-1] = new
        else:
            out.append(piece)
    return out


words_with_counts = st.dictionaries(st.text("abc1", min_size=2, max_size=6), st.integers(1, 9), max_size=12)


@settings(max_examples=300, deadline=None)
@given(words_with_counts, st.integers(0, 12), st.integers(1, 6))
def test_pieces_are_the_merges_of_byte_pair_encoding(words, n_merges, min_count):
    size = len(learn_word_pieces({}, size=2000, n_reserved=0)) + n_merges
    assert pieces_of(words, size=size, min_count=min_count) == merged_one_by_one(words, n_merges, min_count)


@settings(deadline=None)
@given(words_with_counts, st.integers(1, 4), st.randoms())
def test_the_order_of_the_counts_does_not_matter(words, min_count, shuffle):
    counts = {**words, "好": 3, "的": 3}
    shuffled = list(counts.items())
    shuffle.shuffle(shuffled)
    expected = learn_word_pieces(counts, size=400, min_count=min_count)
    assert learn_word_pieces(dict(shuffled), size=400, min_count=min_count) == expected


def tied_words():
    rng = random.Random(0)
    return {"".join(rng.choices("abcdefgh", k=rng.randint(2, 7))): 3 for _ in range(400)}


def test_another_process_learns_the_same_where_all_counts_are_equal():
    expected = learn_word_pieces(tied_words(), size=600, min_count=1)
    code = (
        "import json; from tests.text.test_wordpieces import *;"
        "print(json.dumps(learn_word_pieces(tied_words(), size=600, min_count=1)))"
    )
    for seed in "12":
        assert json.loads(python(code, PYTHONHASHSEED=seed).stdout) == expected


def test_words_that_cannot_be_spelt_or_are_too_long_give_no_pieces():
    assert pieces_of({"ab": 2}) == ["ab"]
    assert pieces_of({"xy한": 5, "xy가": 5, "ab": 9}, min_count=6) == ["ab"]
    assert pieces_of({"xy": 0, "ab": 1}) == ["ab"]
    assert pieces_of({"x" * (MAX_WORD_LENGTH + 1): 9}) == []
    assert pieces_of({"x" * MAX_WORD_LENGTH: 9}) != []


def test_large_counts_are_scaled_down_for_the_trainer(monkeypatch):
    words = {word: n + 1 for n, word in enumerate(tied_words())}
    tenfold = {word: 10 * n for word, n in words.items()}
    expected = pieces_of(words, min_count=4)
    monkeypatch.setattr(module, "MAX_OCCURRENCES", sum(words.values()))
    given = []
    repeat_words = module.repeat_words
    monkeypatch.setattr(module, "repeat_words", lambda *a: (given.append(len(w)) or w for w in repeat_words(*a)))
    assert pieces_of(tenfold, min_count=40) == expected
    assert sum(given) == sum(words.values())


# ---- other tokenizers, public data


def test_the_ids_equal_the_bert_tokenizer_of_the_library():
    vocabulary = learnt(REVIEWS, min_count=2)
    ids = {entry: place for place, entry in enumerate(vocabulary)}
    theirs = tokenizers.BertWordPieceTokenizer(ids, lowercase=True)
    texts = [*REVIEWS[:3], "ＷＩＦＩ，ｗｉｆｉ１２～", "Appstore windows2008 \u200b[unused1] 龘", "", "É!? #a ##a"]
    ours = Tokenizer(vocabulary).encode(texts, max_length=200)
    assert [found.input_ids.tolist() for found in ours] == [theirs.encode(text).ids for text in texts]


public = {
    "ChnSentiCorp": ("sentiment/chnsenticorp/{}.tsv", tokenizer_oracle.column(1, header=True)),
    "THUCNews titles": ("news/thucnews_titles/{}.txt", tokenizer_oracle.column(0)),
    "restaurant_aste": ("opinion/restaurant_aste/{}.txt", tokenizer_oracle.spaced),
}


def public_texts(name, split):
    path, read = public[name]
    if not (DATA / path.format(split)).is_file():
        pytest.skip(f"no {name} in {DATA}; PADDLE_TASKS_DATA names the folder of the data sets")
    return list(read(DATA / path.format(split), 1))


@pytest.fixture(scope="module")
def public_counts():
    return sum((count_words(public_texts(name, "train")) for name in public), Counter())


def unknown_share(vocabulary, texts):
    tokenizer = Tokenizer(vocabulary)
    ids = tokenizer.encode_packed(texts, max_length=10**6).input_ids
    return np.count_nonzero(ids == tokenizer.unk_id) / (len(ids) - 2 * len(texts))


@pytest.mark.long
def test_public_texts_have_next_to_no_unknown_tokens(public_counts):
    vocabulary = learn_word_pieces(public_counts, size=8000, min_count=1)
    coarse = learn_word_pieces(public_counts, size=3000, min_count=1)
    assert len(vocabulary) <= 8000
    assert {"app", "iphone", "windows", "2008", "wifi"} < set(vocabulary)
    for name in public:
        texts = [text for split in ("dev", "test") for text in public_texts(name, split)]
        assert unknown_share(vocabulary, texts) < 5e-4
        assert unknown_share(coarse, texts) > 5e-4


@pytest.mark.long
def test_paddlenlp_gives_the_same_ids(public_counts, tmp_path):
    fast = pytest.importorskip("paddlenlp.transformers.bert.tokenizer_fast").BertTokenizerFast
    tokenizer = Tokenizer(learn_word_pieces(public_counts, size=8000, min_count=3))
    tokenizer.save(tmp_path)
    texts = [text for name in public for text in public_texts(name, "test")[:700]]
    theirs = fast.from_pretrained(str(tmp_path))(texts)["input_ids"]
    assert [found.input_ids.tolist() for found in tokenizer.encode(texts, max_length=10**6)] == theirs
