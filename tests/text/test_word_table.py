"""The table look-up against the library: `encode_packed` equals `encode`."""

from __future__ import annotations

import json
import pickle
import random
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_tasks.errors import ConfigError
from paddle_tasks.text import word_table as module
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer, build_library, learn_vocabulary
from paddle_tasks.text.vocabulary import read_vocabulary

from .test_tokenizer import GOLDEN
from .tokenizer_oracle import rows_of

NO_LIMIT = 10**6
# Ideographs (common, compatible, rare), marks that stay and marks that go, letters that change their number or their
# neighbours, what cleaning drops, white space, punctuation that decomposes, special tokens whole and in pieces.
NASTY = [
    *"你好豈𠀀㐀々〇ー한ᄀカ゛",
    *"\u0301\u0338\u3099\u302e\u0345\u1b44\u20dd",
    *"aIAéÉİıßſΣςﬁÅ1１²½",
    *"\x00\x1c\x7f\x85\xad\u200b\u200d\ufeff\ufffd\ud83d\ude00\ue000",
    *" \t\n\r\xa0\u2000\u2028\u3000",
    *"。，,.[]#$^`～￥≠≮`;·😀",
    *SPECIAL_TOKENS,
    "[mask]",
    "[MA",
    "SK]",
    "##",
    "bc" * 51,
]
nasty_text = st.lists(st.sampled_from(NASTY) | st.characters(), max_size=30).map("".join)


def differing(tokenizer, texts, pairs=None, max_length=NO_LIMIT):
    """Return the indices of the texts whose ids or token types differ from those of `encode`."""
    found = rows_of(tokenizer.encode_packed(texts, pairs, max_length=max_length))
    expected = [
        (e.input_ids.tolist(), e.token_type_ids.tolist()) for e in tokenizer.encode(texts, pairs, max_length=max_length)
    ]
    assert len(found) == len(expected)
    return [index for index, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b]


@pytest.fixture(scope="module", params=[True, False], ids=["lower case", "cased"])
def tokenizer(request):
    """Knows the first 24,000 characters of Unicode, some ideographs among them, and a few words."""
    characters = [chr(c) for c in range(0x6000)]
    learnt = learn_vocabulary(characters, lowercase=request.param)
    return Tokenizer([*dict.fromkeys([*learnt, "bcbc", "##bcbc", "##1"])], lowercase=request.param)


SMALL = [*SPECIAL_TOKENS, *"你好，。的", "a", "##a", "ab", "##b", "1", "##1"]


@pytest.fixture
def small():
    return Tokenizer(SMALL)


class RecordingLibrary:
    """The library for the small vocabulary; records the words of every call."""

    def __init__(self):
        self.library = build_library({entry: index for index, entry in enumerate(SMALL)}, lowercase=True)
        self.normalizer, self.pre_tokenizer = self.library.normalizer, self.library.pre_tokenizer
        self.calls = []

    def encode_batch(self, words, **options):
        self.calls.append(sorted(words))
        return self.library.encode_batch(words, **options)


@pytest.fixture
def library():
    return RecordingLibrary()


@pytest.fixture
def table(library):
    return module.WordTable(library, {entry: index for index, entry in enumerate(SMALL)}, SMALL.index("[UNK]"))


# ---- equal ids


@settings(max_examples=400)
@given(texts=st.lists(nasty_text, max_size=6))
@pytest.mark.long
def test_any_texts_get_the_ids_of_the_library(tokenizer, texts):
    assert differing(tokenizer, texts) == []


@given(rows=st.lists(st.tuples(nasty_text, nasty_text), max_size=6), max_length=st.integers(3, 40))
def test_any_pairs_are_put_together_and_cut_alike(tokenizer, rows, max_length):
    texts, pairs = [a for a, _ in rows], [b for _, b in rows]
    assert differing(tokenizer, texts, pairs, max_length) == []
    assert differing(tokenizer, texts, None, max_length) == []


def test_pairs_of_all_lengths_are_cut_alike(small):
    lengths = [(a, b) for a in range(8) for b in range(8)]
    texts, pairs = ["你" * a for a, _ in lengths], ["a1" * b for _, b in lengths]
    assert all(differing(small, texts, pairs, max_length) == [] for max_length in range(3, 20))


@pytest.mark.long
def test_characters_beside_every_neighbour(tokenizer):
    """All that is no letter or ideograph, and a sample of those (by hand: all 1,114,112 code points)."""
    characters = [chr(c) for c in range(sys.maxunicode + 1) if c % 101 == 0 or is_odd(chr(c))]
    assert len(characters) > 20_000
    shapes = "a{c}b你{c}好{c}{c} {c}\u0301z{c}1", "{c}"
    assert differing(tokenizer, [shapes[0].replace("{c}", c) for c in characters]) == []
    assert differing(tokenizer, characters[::7]) == []


def is_odd(character):
    category = unicodedata.category(character)
    return category[0] in "PSZM" or category in {"Cc", "Cf", "Lm", "Nl", "No"}


@pytest.mark.parametrize("case", range(0, 60, 20))
def test_golden_texts(case):
    golden = Tokenizer(read_vocabulary(GOLDEN / "vocab.txt"))
    cases = json.loads((GOLDEN / "wordpiece.json").read_text(encoding="utf-8"))
    for one in cases[case : case + 20]:
        pairs = None if one["pair"] is None else [one["pair"]]
        found = golden.encode_packed([one["text"]], pairs, max_length=one["max_length"])
        assert rows_of(found) == [(one["input_ids"], one["token_type_ids"])]


def test_texts_do_not_run_into_each_other(small):
    texts = ["a", "b", "[MA", "SK]", "", "\ud83d", "\ude00", "", "a\n", "\nb", "你", "\u0301"]
    assert differing(small, texts) == differing(small, texts, texts[::-1]) == []
    assert differing(small, ["".join(texts), "[MASK]", ""]) == []


def test_the_comparison_can_fail(tokenizer):
    texts = ["你好a1，", "a1b", "1", "好 。"]
    broken = pickle.loads(pickle.dumps(tokenizer))
    broken.word_table.values[ord("1")] = 7  # as if each digit were a word
    assert differing(broken, texts) == [0, 1, 2]
    broken = pickle.loads(pickle.dumps(tokenizer))
    broken.word_table.values[ord("好")] = module.SPACE
    assert differing(broken, texts) == [0, 3]
    broken = pickle.loads(pickle.dumps(tokenizer))
    broken.word_table.values[ord("，")] = module.WORD  # only slower
    assert differing(broken, texts) == []


# ---- the table and the cached words


def test_ideographs_and_punctuation_need_no_library(table, library):
    ids, counts = table.split(["你好，　的\n \t[MASK]店。"])
    assert [SMALL[i] for i in ids] == ["你", "好", "，", "的", "[MASK]", "[UNK]", "。"]
    assert counts.tolist() == [7]
    assert library.calls == []


def test_the_table_is_right_for_most_of_a_chinese_text(tokenizer):
    values = tokenizer.word_table.values
    assert np.count_nonzero(values >= 0) > 28_000
    assert (values[[ord(c) for c in "一龥㐀豈。，！？「」…—·,.!?()$^"]] >= 0).all()
    assert (values[[ord(c) for c in " \t\n\r\u3000\xa0"]] == module.SPACE).all()
    assert (values[[ord(c) for c in "aÉ1１～\u0301\u200b\x85カ한😀"]] == module.WORD).all()


def test_each_distinct_word_goes_to_the_library_once(table, library):
    texts = ["ab你1a，ab", "ab 1a", "x"] * 500
    first, second = table.split(texts), table.split(texts)
    assert [part.tolist() for part in first] == [part.tolist() for part in second]
    assert library.calls == [["1a", "ab", "x"]]


def test_the_cache_of_words_is_bounded(table, library, monkeypatch):
    monkeypatch.setattr(module, "MAX_CACHED_WORDS", 3)
    long = "ab" * 33
    for batch in (["ab 1a", long], ["ab", long], ["a 1"], ["ab"]):
        table.split(batch)
    # The long word is never cached. "a" and "1" do not fit beside "ab" and "1a", so these are forgotten.
    assert library.calls == [sorted(["1a", "ab", long]), [long], ["1", "a"], ["ab"]]


def test_a_bounded_cache_does_not_change_the_ids(small, monkeypatch):
    monkeypatch.setattr(module, "MAX_CACHED_WORDS", 3)
    texts = [["ab 1a", "ab" * 33], ["a 1"], ["ab", "a b 1"], ["1a a1 b1 ab1 a11"]]
    for batch in texts * 2:
        assert differing(small, batch) == []


def test_chunks_do_not_change_the_ids(small, monkeypatch):
    texts = ["你好", "", "a1，", "", "好a" * 9, "的", ""]
    monkeypatch.setattr(module, "CHUNK_SIZE", 5)
    assert len(module.chunk_ranges(texts)) > 2
    assert differing(small, texts) == differing(small, texts, texts[::-1], 7) == []


@given(st.lists(st.text("a", max_size=12), max_size=20), st.integers(1, 20))
def test_chunks_contain_every_text_once(texts, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK_SIZE", size)
        ranges = module.chunk_ranges(texts)
    assert [index for first, last in ranges for index in range(first, last)] == list(range(len(texts)))
    assert all(sum(map(len, texts[first + 1 : last])) < size for first, last in ranges)


# ---- behaviour


def test_no_texts_give_no_rows(small):
    packed = small.encode_packed([], max_length=8)
    assert (len(packed), packed.offsets.tolist(), packed.input_ids.tolist()) == (0, [0], [])
    assert len(small.encode_packed([], [], max_length=8)) == 0


def test_arrays_are_packed_and_have_their_types(small):
    single = small.encode_packed(["你", "好的"], max_length=8)
    assert single.token_type_ids is None
    assert (single.input_ids.dtype, single.offsets.dtype) == (np.int32, np.int64)
    assert single.offsets.tolist() == [0, 3, 7]
    assert single.lengths.tolist() == [3, 4]
    pair = small.encode_packed(["你"], ["好的"], max_length=8)
    assert pair.token_type_ids.dtype == np.int8
    assert pair.token_type_ids.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"texts": "你好", "max_length": 8}, TypeError),
        ({"texts": ["你"], "pairs": [], "max_length": 8}, ValueError),
        ({"texts": ["你"], "max_length": 1}, ConfigError),
        ({"texts": ["你"], "pairs": ["好"], "max_length": 2}, ConfigError),
    ],
)
def test_wrong_calls_are_refused(small, arguments, error):
    with pytest.raises(error):
        small.encode_packed(**arguments)


def test_a_pickle_leaves_the_table_behind(small):
    before = len(pickle.dumps(small))
    expected = rows_of(small.encode_packed(["你ab1"], max_length=8))
    content = pickle.dumps(small)
    assert len(content) == before < 10_000
    assert rows_of(pickle.loads(content).encode_packed(["你ab1"], max_length=8)) == expected


def test_threads_may_share_a_tokenizer(monkeypatch):
    monkeypatch.setattr(module, "MAX_CACHED_WORDS", 50)
    shared = Tokenizer([*SPECIAL_TOKENS, *"你好", *map(str, range(10)), *(f"##{n}" for n in range(10))])
    numbers = random.Random(1)
    batches = [[f"你{numbers.randrange(200)}好 {numbers.randrange(200)}" for _ in range(50)] for _ in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda texts: rows_of(shared.encode_packed(texts, max_length=20)), batches))
    for texts, rows in zip(batches, found, strict=True):
        assert [ids for ids, _ in rows] == [e.input_ids.tolist() for e in shared.encode(texts, max_length=20)]
