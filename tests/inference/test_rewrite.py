"""Rewriting: properties of every variant, and the choice of words against enumeration."""

from __future__ import annotations

import json
import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_tasks.errors import ConfigError
from paddle_tasks.inference import rewrite
from paddle_tasks.inference.changeable_words import changeable_words
from paddle_tasks.inference.rewrite import Rewriter, sentence_windows
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from paddle_tasks.text.words import is_word, part_of_speech

from ..generation.models import TableModel, real_model
from .test_changeable_words import TEXTS

HOTEL = "这家酒店的房间很干净，价格比较便宜，学生喜欢这里的环境。"
CHARACTERS = (
    "这家酒店的房间很干净价格比较便宜学生喜欢里环境服务务员老师问题手机品牌电脑公园漂亮安静舒适太最更挺整洁"
    "高兴快乐讨厌提出支持条件设施气氛声音没有不非李建国北京大上海三个小时，。！？"
)
TOKENIZER = Tokenizer([*SPECIAL_TOKENS, *dict.fromkeys(CHARACTERS)])


def rewriter(seed: int = 1, max_length: int | None = None) -> Rewriter:
    return Rewriter(TableModel(len(TOKENIZER), seed, max_length), TOKENIZER)


def words_of(text: str) -> list[str]:
    return [text[word.start : word.end] for word in changeable_words(text)]


# ---- the answer


def check(text: str, answer: dict, min_similarity: float = 0.85) -> None:
    """Check the properties of every answer."""
    assert answer["input"] == text
    assert json.loads(json.dumps(answer)) == answer
    texts = [variant["text"] for variant in answer["variants"]]
    assert len(set(texts)) == len(texts)
    scores = [variant["score"] for variant in answer["variants"]]
    assert scores == sorted(scores, reverse=True)
    may_change = {(word.start, word.end) for word in changeable_words(text)}
    for variant in answer["variants"]:
        applied, at = "", 0
        for change in variant["changes"]:
            assert (change["start"], change["end"]) in may_change
            assert text[change["start"] : change["end"]] == change["old"] != change["new"]
            assert len(change["new"]) == len(change["old"])
            assert not set(change["new"]) & set("不没无非未别莫勿")
            assert change["start"] >= at
            applied += text[at : change["start"]] + change["new"]
            at = change["end"]
        assert applied + text[at:] == variant["text"]
        assert re.sub(r"\[-(.*?)-\]\{\+(.*?)\+\}", r"\1", variant["marked"]) == text
        assert re.sub(r"\[-(.*?)-\]\{\+(.*?)\+\}", r"\2", variant["marked"]) == variant["text"]
        assert variant["marked"].count("[-") == len(variant["changes"])
        assert min_similarity <= variant["similarity"] <= 1 + 1e-6


@settings(max_examples=15)
@given(TEXTS, st.integers(0, 5), st.sampled_from([0.3, 1.0]))
def test_every_variant_keeps_the_rules(text, seed, share):
    answer = rewriter()(text, seed=seed, share=share, n_variants=2, min_similarity=0.5)[0]
    check(text, answer, 0.5)
    if not changeable_words(text):
        assert "note" in answer


def test_variants():
    answer = rewriter()(HOTEL, min_similarity=0.5)[0]
    check(HOTEL, answer, 0.5)
    assert len(answer["variants"]) == 3
    assert "note" not in answer
    # Ten words may change; 0.3 of them are three.
    assert len(changeable_words(HOTEL)) == 10
    assert {len(variant["changes"]) for variant in answer["variants"]} == {3}
    everything = rewriter()(HOTEL, min_similarity=-1, share=1.0, n_variants=1)[0]["variants"]
    # For 比较 the vocabulary spells no other adverb of degree.
    changed = {change["old"] for change in everything[0]["changes"]}
    assert changed == {*words_of(HOTEL)} - {"比较"}


def test_variants_are_a_function_of_the_seed():
    one = rewriter()(HOTEL, seed=4, min_similarity=0.5)
    assert rewriter()(HOTEL, seed=4, min_similarity=0.5) == one
    others = [rewriter()(HOTEL, seed=seed, min_similarity=0.5) for seed in range(4)]
    assert any(other != one for other in others)


def test_a_text_does_not_depend_on_its_neighbours():
    texts = [HOTEL, "学生喜欢酒店。", "", "学生喜欢手机"]
    alone = [rewriter()(text, min_similarity=0.5)[0] for text in texts]
    assert rewriter()(texts, min_similarity=0.5) == alone


@pytest.mark.parametrize("text", ["", "不，没有。", "李建国在北京大学", "GPU 3.5%", "\n"])
def test_a_text_without_changeable_words_is_returned_with_a_note(text):
    unchanged = {"text": text, "marked": text, "changes": [], "similarity": 1.0, "score": 0.0}
    note = "the text contains no word that may be changed"
    assert rewriter()(text) == [{"input": text, "variants": [unchanged], "note": note}]


def test_a_word_with_unknown_characters_stays():
    assert words_of("电影院很酷炫") != []
    assert rewriter()("电影")[0]["note"] == "the text contains no word that may be changed"


# ---- the choice, against enumeration: few characters, so that the beam is exhaustive

FEW = Tokenizer([*SPECIAL_TOKENS, *"酒店学生手机老师品牌没有的"])
OLD = "酒店"


def ranked(model: TableModel, text: str, *, dictionary: bool) -> list[tuple[str, float]]:
    """Return every replacement of 酒店 with its log-probability, the most probable first.

    If ``dictionary``, these are nouns; otherwise also strings that are no word, and other kinds of words.
    """
    row = FEW.encode([text.replace(OLD, "[MASK][MASK]")], max_length=50)[0].input_ids.tolist()
    place = row.index(FEW.mask_id)
    allowed = [FEW.vocabulary.index(character) for character in "酒店学生手机老师品牌有的"]

    def log_softmax(row: list[int], place: int) -> np.ndarray:
        logits = model.logits(row[place - 1], row[place + 1])[allowed].astype(np.float64)
        return logits - np.log(np.exp(logits).sum())

    found = {}
    for first, second in product(range(len(allowed)), repeat=2):
        new = FEW.vocabulary[allowed[first]] + FEW.vocabulary[allowed[second]]
        filled = [*row[:place], allowed[first], *row[place + 1 :]]
        found[new] = log_softmax(row, place)[first] + log_softmax(filled, place + 1)[second]
    tags = {"n"} if dictionary else {"n", "v", "a", ""}
    fits = [new for new in found if new != OLD and part_of_speech(new) in tags]
    return sorted(((new, found[new]) for new in fits), key=lambda pair: -pair[1])


def similarity(model: TableModel, text: str, new: str) -> float:
    table = model.encoder.table.numpy()
    ids = [FEW.encode([one], max_length=50)[0].input_ids for one in (text, text.replace(OLD, new))]
    a, b = (table[row].mean(axis=0) for row in ids)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_most_probable_word_of_the_dictionary_is_taken(monkeypatch, seed):
    monkeypatch.setattr(rewrite, "BEAM_WIDTH", 1000)
    model, text = TableModel(len(FEW), seed), "的酒店的"
    expected = ranked(model, text, dictionary=True)
    assert len(expected) >= 4
    answer = Rewriter(model, FEW)(text, n_variants=3, share=1.0, min_similarity=-1)[0]
    # A later variant takes what no earlier one has taken.
    assert [variant["changes"][0]["new"] for variant in answer["variants"]] == [new for new, _ in expected[:3]]
    for variant, (new, log_prob) in zip(answer["variants"], expected, strict=False):
        assert variant["score"] == pytest.approx(log_prob / 2, rel=1e-4)
        assert variant["similarity"] == pytest.approx(similarity(model, text, new), abs=1e-6)


@pytest.mark.parametrize("seed", range(1, 7))
def test_the_next_candidate_is_taken_if_one_is_not_similar_enough(monkeypatch, seed):
    monkeypatch.setattr(rewrite, "BEAM_WIDTH", 1000)
    model, text = TableModel(len(FEW), seed), "的酒店的"
    tiers = [new for dictionary in (True, False) for new, _ in ranked(model, text, dictionary=dictionary)]
    similarities = {new: similarity(model, text, new) for new in tiers}
    floor = similarities[tiers[0]] + 1e-4
    expected = next((new for new in tiers if similarities[new] >= floor), None)
    answer = Rewriter(model, FEW)(text, n_variants=1, share=1.0, min_similarity=floor)[0]
    if expected:
        assert answer["variants"][0]["changes"][0]["new"] == expected
        assert answer["variants"][0]["similarity"] >= floor


def test_a_negative_word_without_a_negating_character_is_never_chosen():
    tokenizer = Tokenizer([*SPECIAL_TOKENS, *"喜欢拒绝"])
    model = TableModel(len(tokenizer), scale=0.0)
    model.right[:, 7:] = [9, 8]  # 拒绝 before all others
    assert words_of("喜欢") == ["喜欢"]
    variants = Rewriter(model, tokenizer)("喜欢", n_variants=9, min_similarity=-1)[0]["variants"]
    assert "拒绝" not in [variant["text"] for variant in variants]


def test_without_a_similar_enough_candidate_the_text_is_returned_with_a_note():
    answer = rewriter()(HOTEL, min_similarity=1.0)[0]
    assert answer["note"] == "every change would make the text less similar than min_similarity"
    assert [variant["text"] for variant in answer["variants"]] == [HOTEL]


def test_words_of_the_dictionary_are_of_the_same_kind():
    kinds = {"n": "n", "v": "v", "a": "a"}
    answer = rewriter()(HOTEL, min_similarity=-1, share=1.0, n_variants=1)[0]
    for change in answer["variants"][0]["changes"]:
        if is_word(change["new"]) and len(change["new"]) > 1 and change["old"] != "比较":
            assert part_of_speech(change["new"])[0] in kinds.values()
        if change["old"] == "很":
            assert change["new"] in "太最更挺"


# ---- rounds and windows


@pytest.mark.parametrize(("rounds", "hidden"), [(1, 18), (3, 6), (9, 2), (50, 2)])
def test_a_round_hides_its_part_of_the_words(monkeypatch, rounds, hidden):
    text = "酒店房间价格学生环境老师问题手机品牌"
    assert len(changeable_words(text)) == 9
    make = rewriter()
    make(text, rounds=rounds, share=1.0, n_variants=1, min_similarity=-1)
    most = max(row.count(TOKENIZER.mask_id) for row in make.model.rows)
    assert most == hidden


def test_long_texts_are_read_in_windows_of_sentences():
    text = HOTEL * 6
    make = rewriter(max_length=40)
    answer = make(text, share=0.5, min_similarity=0.5)[0]
    check(text, answer, 0.5)
    assert max(map(len, make.model.rows)) == len(HOTEL) + 2 <= 40
    starts = {change["start"] // len(HOTEL) for variant in answer["variants"] for change in variant["changes"]}
    assert starts == set(range(6))
    short = rewriter(max_length=12)
    check(text, short(text, min_similarity=0.5)[0], 0.5)
    assert max(map(len, short.model.rows)) <= 12


def test_the_similarity_is_the_minimum_over_the_windows_with_all_changes():
    make = rewriter(max_length=40)
    table = make.model.encoder.table.numpy()

    def mean(text: str) -> np.ndarray:
        return table[TOKENIZER.encode([text], max_length=40)[0].input_ids].mean(axis=0)

    for variant in make(HOTEL * 2, share=0.5, min_similarity=0.5)[0]["variants"]:
        halves = [variant["text"][: len(HOTEL)], variant["text"][len(HOTEL) :]]
        lengths = np.linalg.norm(mean(HOTEL)) * np.array([np.linalg.norm(mean(half)) for half in halves])
        cosines = np.array([mean(HOTEL) @ mean(half) for half in halves]) / lengths
        assert abs(cosines[0] - cosines[1]) > 1e-4
        assert variant["similarity"] == pytest.approx(cosines.min(), abs=1e-6)


@given(
    st.lists(st.sampled_from(["好", "好好", "。", "！”", "\n", " ", "不错；"]), max_size=30).map("".join),
    st.integers(1, 9),
)
def test_windows_cover_the_text_with_whole_sentences(text, room):
    starts = np.flatnonzero([not character.isspace() for character in text]).astype(np.int32)
    windows = list(sentence_windows(text, starts, room))
    assert [place for first, last in windows for place in range(first, last)] == list(range(len(starts)))
    assert all(0 < last - first <= room for first, last in windows)
    ends = {found.end() for found in re.finditer("[。！；\n]+”?", text)}
    cuts = [last for first, last in windows[:-1] if last - first < room]
    assert all(any(starts[cut - 1] < end <= starts[cut] for end in ends) for cut in cuts)


@pytest.mark.parametrize(
    ("option", "value"),
    [("n_variants", 0), ("rounds", 0), ("share", 0.0), ("share", 1.1), ("min_similarity", 2.0), ("seed", -1)],
)
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(ConfigError, match=f"{option}: expected a value .*, found {value}"):
        rewriter()(HOTEL, **{option: value})


def test_a_real_model():
    make = Rewriter(real_model(TOKENIZER), TOKENIZER)
    answer = make([HOTEL, HOTEL * 2], min_similarity=0.0, n_variants=1)
    check(HOTEL, answer[0], 0.0)
    check(HOTEL * 2, answer[1], 0.0)
    assert [len(one["variants"][0]["changes"]) for one in answer] == [3, 6]
    assert make(HOTEL, min_similarity=0.0, n_variants=1) == answer[:1]
