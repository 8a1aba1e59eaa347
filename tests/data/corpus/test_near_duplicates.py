"""Near duplicates against a comparison of every pair as Python sets, and on ChnSentiCorp with its known copies."""

from __future__ import annotations

import csv
import io
import unicodedata
import zipfile
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.data.corpus import near_duplicates
from paddle_tasks.data.corpus.near_duplicates import NearDuplicates, normalise

from ...helpers import CHNSENTICORP, DATA, needs_chnsenticorp

SHOPPING = DATA / "sentiment" / "unlabelled" / "online_shopping_10_cats.zip"
# Two letters have 32 grams, so that sets of them are near one another; more letters, and what normalising changes.
FEW = st.text("甲乙", max_size=14)
MORE = st.text(["A", "a", "Ａ", "１", "1", " ", "\u3000", "\n", "，", ",", "\ud83d", "😀", "ﬁ"], max_size=9)
THRESHOLDS = [Fraction(4, 5), Fraction(1), Fraction(2, 3), Fraction(1, 2), Fraction(1, 3), Fraction(3, 10)]
ALPHABET = [chr(code) for code in range(0x4E00, 0x5E00)]


def grams(text: str) -> set[str]:
    shown = "".join(c for c in unicodedata.normalize("NFKC", text).lower() if not c.isspace())
    return {shown[at : at + 5] for at in range(max(len(shown) - 4, 1))} - {""}


def jaccard(ours: set[str], theirs: set[str]) -> Fraction:
    return Fraction(len(ours & theirs), max(len(ours | theirs), 1))


def oracle(held_out, texts, threshold=Fraction(4, 5)) -> list[bool]:
    held_grams = [grams(held) for held in held_out]
    return [any(jaccard(ours, theirs) >= threshold for theirs in held_grams) for ours in map(grams, texts)]


def random_text(length: int, seed: int = 0) -> str:
    """A text without a gram that stands twice."""
    return "".join(Random(seed).sample(ALPHABET, length))


def is_found(text: str, held: str, threshold: float = 0.8) -> bool:
    """Tell whether the first is found, which must be so with the two exchanged too."""
    there, back = (NearDuplicates([a], threshold).find([b]).tolist() for a, b in ((held, text), (text, held)))
    assert there == back
    return there == [True]


@given(st.lists(FEW | MORE, max_size=6), st.lists(FEW | MORE, max_size=8), st.sampled_from(THRESHOLDS))
def test_it_finds_the_same_texts_as_comparing_every_pair(held_out, texts, threshold):
    found = NearDuplicates(held_out, float(threshold)).find(texts)
    assert found.dtype == bool
    assert found.tolist() == oracle(held_out, texts, threshold)


@given(st.text("甲乙丙", min_size=5, max_size=60), st.data())
def test_it_finds_the_same_edited_copies_as_comparing_every_pair(held, data):
    others = data.draw(st.lists(st.text("甲乙丙", min_size=5, max_size=60), max_size=5))
    at = data.draw(st.lists(st.integers(0, len(held) - 1), max_size=4))
    texts = [held[:place] + letter + held[place + cut :] for place in at for letter in ("", "丁") for cut in (0, 1, 3)]
    assert NearDuplicates([held, *others]).find(texts).tolist() == oracle([held, *others], texts)


@pytest.mark.parametrize("threshold", [Fraction(n, d) for d in (3, 5, 7, 10) for n in range(1, d + 1)])
def test_a_text_just_at_the_threshold_is_found_and_one_gram_below_is_not(threshold):
    n, d = threshold.numerator, threshold.denominator
    whole = random_text(6 * d + 4)  # 6 d grams
    at, below = whole[: 6 * n + 4], whole[: 6 * n + 3]
    assert jaccard(grams(at), grams(whole)) == threshold > jaccard(grams(below), grams(whole))
    assert is_found(at, whole, float(threshold))
    assert not is_found(below, whole, float(threshold))


def test_four_of_five_grams_reach_the_threshold():
    assert is_found("一二三四五六七八", "一二三四五六七八九")
    assert not is_found("一二三四五六七", "一二三四五六七八九")


def test_repetitions_of_a_gram_do_not_matter():
    assert is_found("哈" * 5, "哈" * 2000)
    assert is_found("甲乙" * 4, "甲乙" * 900 + "甲")


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 8, 40])
def test_equal_texts_are_found_whatever_their_length(length):
    text = random_text(length)
    assert is_found(text, text)
    # One character more is one gram more, or another gram: too much where they are few.
    assert is_found(text, text + text[0]) == (length > 7)


@pytest.mark.parametrize(
    "copy",
    ["iPhone 15，很 好！", "ｉＰＨＯＮＥ１５,很好!", "i p h o n e 1 5 , 很 好 !", "\tiphone15\n，\u3000很好！\n"],
)
def test_spaces_case_and_width_make_no_difference(copy):
    assert normalise(copy) == "iphone15,很好!"
    assert is_found(copy, "iPhone15，很好！", 1)


def test_an_empty_text_has_no_duplicates():
    for empty in ("", " ", "\u3000\n"):
        assert NearDuplicates([empty, "好", "一二三四五六"]).find(["", empty]).tolist() == [False, False]
        assert NearDuplicates([empty]).find(["好", "", "一二三四五六"]).tolist() == [False] * 3
    assert NearDuplicates([]).find(["一二三四五六", ""]).tolist() == [False, False]
    assert NearDuplicates(["一二三四五六"]).find([]).shape == (0,)


def test_a_short_text_does_not_match_part_of_a_longer_one():
    texts = ["一二三四", "一二三四五", "二三四五", "一", "一二三四 ", "一二三四\x00"]
    assert NearDuplicates(["一二三四"]).find(texts).tolist() == [True, False, False, False, True, False]


def test_lone_surrogates_are_characters():
    text = "好\ud83d" + random_text(4)
    assert NearDuplicates([text], 1).find([text, text.replace("\ud83d", "\ude00"), "\ud83d"]).tolist() == [
        True,
        False,
        False,
    ]
    assert is_found("\ud83d", "\ud83d")


def test_planted_copies_are_found_and_no_others():
    held_out = [random_text(40, seed) for seed in range(300)]
    noise = [random_text(40, seed) for seed in range(1000, 2000)]
    near = [text[:20] + "〇" + text[21:] for text in held_out]  # 31 of 41 grams: below
    nearer = [text[:-1] + "〇" for text in held_out]  # 35 of 37
    found = NearDuplicates(held_out).find([*noise, *near, *nearer, *held_out])
    assert found.tolist() == [False] * 1300 + [True] * 600
    assert NearDuplicates(held_out, 0.7).find(near).all()


def test_neither_order_nor_chunks_matter(monkeypatch):
    random = Random(5)
    held_out = ["".join(random.choices("甲乙丙", k=random.randrange(60))) for _ in range(60)]
    texts = [text[random.randrange(9) :] for text in held_out * 3] + held_out[::-1] + [""] * 9
    expected = oracle(held_out, texts)
    assert 20 < sum(expected) < len(texts) - 20
    for chunk in (1 << 19, 1, 7, 100):
        monkeypatch.setattr(near_duplicates, "CHUNK_SIZE", chunk)
        assert NearDuplicates(held_out).find(texts).tolist() == expected
        assert NearDuplicates(iter(held_out[::-1] * 2)).find(texts[::-1]).tolist() == expected[::-1]
        assert NearDuplicates(held_out).find(tuple(texts[:1])).tolist() == expected[:1]


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, float("nan"), float("inf")])
def test_a_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold: expected a number from a millionth to 1, found"):
        NearDuplicates([], threshold)


@needs_chnsenticorp
@pytest.mark.long
@pytest.mark.skipif(not SHOPPING.is_file(), reason=f"no {SHOPPING}")
def test_copies_of_chnsenticorp_in_the_shopping_reviews():
    test = [line.split("\t")[1] for line in (CHNSENTICORP / "test.tsv").read_text("utf-8").splitlines()[1:]]
    with zipfile.ZipFile(SHOPPING) as archive:
        table = io.StringIO(archive.read(archive.namelist()[0]).decode("utf-8-sig"))
    reviews = [row["review"] for row in csv.DictReader(table)]
    found = NearDuplicates(test).find(reviews)
    known = set(test)
    assert len(known & set(reviews)) == 1005
    assert found[[review in known for review in reviews]].all()
    # What is found and stands in no test text exactly is near one all the same, and a sample of the rest is not.
    others = [at for at in np.flatnonzero(found) if reviews[at] not in known]
    assert len(others) > 50
    assert all(oracle(known, [reviews[at] for at in others[:20]]))
    assert not any(oracle(known, [reviews[at] for at in np.flatnonzero(~found)[::2500]]))
