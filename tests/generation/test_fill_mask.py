"""FillMask against enumeration, over models whose every logit is known."""

from __future__ import annotations

import json
import re
from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.generation import fill_mask
from paddle_tasks.generation.fill_mask import (
    Filling,
    FillMask,
    MaskedIds,
    MaskScorer,
    extend_filling,
    insert_entries,
)
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer

from .models import TableModel, real_model

ENTRIES = ["[unused1]", "<S>", "我", "爱", "你", "play", "new", "##ing", "，"]
TOKENIZER = Tokenizer([*SPECIAL_TOKENS, *ENTRIES])
ALLOWED = list(range(len(SPECIAL_TOKENS) + 2, len(TOKENIZER)))
MASK = TOKENIZER.mask_id


def softmax(model: TableModel, row: list[int], place: int) -> np.ndarray:
    """Return the probabilities of the allowed tokens, in double precision."""
    weights = np.exp(model.logits(row[place - 1], row[place + 1]).astype(np.float64))
    kept = np.zeros_like(weights)
    kept[ALLOWED] = weights[ALLOWED]
    return kept / kept.sum()


def enumerated(model: TableModel, row: list[int], places: list[int]) -> dict[tuple[int, ...], float]:
    """Return the probability of every filling, by the chain rule from left to right."""
    found = {}
    for tokens in product(ALLOWED, repeat=len(places)):
        ids, prob = list(row), 1.0
        for place, token in zip(places, tokens, strict=True):
            prob *= softmax(model, ids, place)[token]
            ids[place] = token
        found[tokens] = prob
    return found


@pytest.fixture
def model() -> TableModel:
    return TableModel(len(TOKENIZER))


@pytest.fixture
def fill(model) -> FillMask:
    return FillMask(model, TOKENIZER)


def row_of(text: str) -> list[int]:
    return TOKENIZER.encode([text], max_length=100)[0].input_ids.tolist()


# ---- the search


@pytest.mark.parametrize("text", ["我[MASK]你", "[MASK][MASK]", "我[MASK][MASK]爱[MASK]"])
def test_a_beam_as_wide_as_all_fillings_is_an_enumeration(model, text):
    row = row_of(text)
    places = [place for place, token in enumerate(row) if token == MASK]
    expected = enumerated(model, row, places)
    scorer = MaskScorer(model, TOKENIZER)
    found = scorer.fill([MaskedIds(np.array(row), tuple(places))], len(expected))[0]
    assert {filling.tokens: np.exp(filling.log_prob) for filling in found} == pytest.approx(expected, rel=1e-5)
    assert sum(np.exp(filling.log_prob) for filling in found) == pytest.approx(1, abs=1e-5)
    order = sorted(expected, key=lambda tokens: -expected[tokens])
    assert [filling.tokens for filling in found] == order


def test_a_narrow_beam_keeps_the_best_first_tokens(model):
    row = row_of("[MASK][MASK]")
    first = softmax(model, row, 1)
    kept = np.argsort(-first)[:2]
    expected = {tokens: prob for tokens, prob in enumerated(model, row, [1, 2]).items() if tokens[0] in kept}
    found = MaskScorer(model, TOKENIZER).fill([MaskedIds(np.array(row), (1, 2))], 2)[0]
    assert [filling.tokens for filling in found] == sorted(expected, key=lambda tokens: -expected[tokens])[:2]


def test_rejected_extensions_do_not_count_in_the_width(model):
    row, refused = MaskedIds(np.array(row_of("[MASK][MASK]")), (1, 2)), ALLOWED[0]
    scorer = MaskScorer(model, TOKENIZER)
    found = scorer.fill([row], 100, partial(extend_filling, width=100, accept=lambda tokens: refused not in tokens))[0]
    everything = scorer.fill([row], 100)[0]
    assert found == [filling for filling in everything if refused not in filling.tokens]
    assert scorer.fill([row, row], 3, partial(extend_filling, width=3, accept=lambda tokens: len(tokens) < 2)) == [
        [],
        [],
    ]
    assert scorer.fill([row], 3, partial(extend_filling, width=3, accept=lambda tokens: False)) == [[]]
    assert scorer.fill([], 3) == []


def test_extensions_by_some_candidates_only():
    scores = np.log(np.array([0.1, 0.3, 0.1, 0.3, 0.2], np.float32))
    found = [filling.tokens for filling in extend_filling(Filling((9,)), scores, 3, candidates=np.array([0, 2, 3, 4]))]
    assert found == [(9, 3), (9, 4), (9, 0)]
    assert not list(extend_filling(Filling(), scores, 3, candidates=np.zeros(0, np.int64)))


def test_equal_probabilities_go_by_id():
    model = TableModel(len(TOKENIZER), scale=0.0)
    answer = FillMask(model, TOKENIZER)("[MASK][MASK]", top_k=3)[0]
    assert [found["token"] for found in answer["masks"][0]["candidates"]] == ["我", "爱", "你"]
    assert [found["text"] for found in answer["fillings"]] == ["我我", "我爱", "我你"]
    assert [found["prob"] for found in answer["fillings"]] == pytest.approx([1 / len(ALLOWED) ** 2] * 3)


# ---- the answer


def test_an_answer(model, fill):
    text = "我[MASK]，[MASK][MASK]"
    row = row_of(text)
    answer = fill(text, top_k=4)[0]
    assert list(answer) == ["input", "masks", "fillings", "text"]
    assert [mask["position"] for mask in answer["masks"]] == [1, 8, 14]
    assert all(text[mask["position"] :].startswith("[MASK]") for mask in answer["masks"])
    for mask, place in zip(answer["masks"], [2, 4, 5], strict=True):
        probs = softmax(model, row, place)
        best = np.argsort(-probs)[:4]
        assert [found["token"] for found in mask["candidates"]] == [TOKENIZER.vocabulary[token] for token in best]
        assert [found["prob"] for found in mask["candidates"]] == pytest.approx(probs[best].tolist(), rel=1e-5)
    expected = enumerated(model, row, [2, 4, 5])
    assert [found["prob"] for found in answer["fillings"]] == pytest.approx(
        sorted(expected.values(), reverse=True)[:4], rel=1e-5
    )
    assert answer["text"] == answer["fillings"][0]["text"]
    assert answer["input"] == text
    assert json.loads(json.dumps(answer)) == answer


def test_special_and_unused_entries_are_never_candidates(fill):
    answer = fill("[MASK]", top_k=1000)[0]
    found = [candidate["token"] for candidate in answer["masks"][0]["candidates"]]
    assert sorted(found) == sorted(TOKENIZER.vocabulary[token] for token in ALLOWED)
    assert sum(candidate["prob"] for candidate in answer["masks"][0]["candidates"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("top_k", "width"), [(1, 2), (2, 2), (3, 3), (4, 3), (10**9, 3)])
def test_the_beam_is_bounded_and_the_candidates_are_not(monkeypatch, model, fill, top_k, width):
    monkeypatch.setattr(fill_mask, "MIN_BEAM_WIDTH", 2)
    monkeypatch.setattr(fill_mask, "MAX_BEAM_WIDTH", 3)
    answer = fill("[MASK][MASK]", top_k=top_k)[0]
    assert [len(mask["candidates"]) for mask in answer["masks"]] == [min(top_k, len(ALLOWED))] * 2
    row = MaskedIds(np.array(row_of("[MASK][MASK]")), (1, 2))
    expected = MaskScorer(model, TOKENIZER).fill([row], width)[0][:top_k]
    assert [found["prob"] for found in answer["fillings"]] == pytest.approx(
        [np.exp(filling.log_prob) for filling in expected], rel=1e-6
    )


def test_a_batch_equals_its_texts_one_by_one(monkeypatch, fill):
    texts = ["[MASK]", "我爱你[MASK][MASK]，我", "爱[MASK]" * 3, "[MASK]，" + "我" * 30]
    alone = [fill(text, top_k=3)[0] for text in texts]
    assert fill(texts, top_k=3) == alone
    monkeypatch.setattr(fill_mask, "BATCH_SIZE", 2)
    assert fill(texts, top_k=3) == alone
    assert fill(tuple(texts[:1]), top_k=3) == alone[:1]
    assert fill([]) == []


@pytest.mark.parametrize(
    ("text", "tokens", "written"),
    [
        ("我[MASK]你", ["爱"], "我爱你"),
        ("我 [MASK] 你", ["爱"], "我 爱 你"),
        ("play[MASK]", ["##ing"], "playing"),
        ("play [MASK] 你", ["##ing"], "playing 你"),
        ("[MASK][MASK]new", ["play", "##ing"], "playing new"),
        ("play[MASK]play", ["new"], "play new play"),
        ("我[MASK]", ["play"], "我play"),
        ("[MASK][MASK]", ["play", "我"], "play我"),
        ("[MASK]，[MASK]", ["new", "new"], "new，new"),
        ("[MASK]ing", ["##ing"], "ing ing"),
    ],
)
def test_entries_are_joined_to_the_text_around_them(text, tokens, written):
    assert insert_entries(text, [match.span() for match in re.finditer(r"\[MASK\]", text)], tokens) == written


def test_texts_without_a_mask_are_refused(fill):
    with pytest.raises(DataError, match=r"'我爱你': contains no \[MASK\]; write one for each token to predict$"):
        fill(["[MASK]", "我爱你"])
    for near in ("我[mask]你", "我【MASK】你", "<mask>"):
        with pytest.raises(DataError, match=r"did you mean '\[MASK\]'\?"):
            fill(near)
    with pytest.raises(DataError, match="'': contains no"):
        fill("")
    with pytest.raises(ConfigError, match="top_k: expected at least 1, found 0"):
        fill("[MASK]", top_k=0)


# ---- long texts


@pytest.mark.parametrize(("before", "behind", "left"), [(20, 20, 4), (2, 20, 2), (20, 1, 7), (3, 4, 3)])
def test_a_window_around_the_masks_is_read_and_the_rest_is_kept(before, behind, left):
    model = TableModel(len(TOKENIZER), max_length=12)
    text = "我" * before + "[MASK]爱" + "你" * behind
    answer = FillMask(model, TOKENIZER)(text)[0]
    # A window of ten tokens, with [MASK] and 爱 in it: as many tokens before the mask as after it, if there are.
    inner = "我" * left + "[MASK]" + ("爱" + "你" * behind)[: 9 - left]
    assert model.rows[0] == row_of(inner)
    assert answer["masks"][0]["position"] == before
    token = answer["masks"][0]["candidates"][0]["token"].removeprefix("##")
    assert answer["text"] == "我" * before + token + "爱" + "你" * behind


def test_masks_too_far_apart_are_refused():
    fill = FillMask(TableModel(len(TOKENIZER), max_length=12), TOKENIZER)
    assert fill("我" + "[MASK]" + "爱" * 8 + "[MASK]")[0]["text"].count("爱") >= 8
    with pytest.raises(
        DataError, match=r"there are 11 tokens from the first to the last \[MASK\]; the model reads at most 10$"
    ):
        fill("我" + "[MASK]" + "爱" * 9 + "[MASK]")


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["我", "爱", "[MASK]", " ", "play", "，", "好"]), max_size=12), st.integers(1, 3))
def test_the_text_outside_of_the_masks_stays_as_it_is(parts, top_k):
    text = "[MASK]" + "".join(parts)
    n_masks = text.count("[MASK]")
    model = TableModel(len(TOKENIZER), max_length=64)
    model.left[:, 10:] = -50  # only the three Chinese characters, which need no spaces
    answer = FillMask(model, TOKENIZER)(text, top_k=top_k)[0]
    assert len(answer["masks"]) == n_masks
    for filling in answer["fillings"]:
        outside = text.split("[MASK]")
        at = 0
        for place, part in enumerate(outside):
            at += 1 if place else 0
            assert filling["text"][at : at + len(part)] == part
            at += len(part)
        assert at == len(filling["text"])


# ---- with a real Layer


def test_a_batch_of_a_real_model_equals_its_texts_one_by_one():
    fill = FillMask(real_model(TOKENIZER), TOKENIZER)
    texts = ["[MASK]我", "我爱[MASK][MASK]，我" * 2, "爱" * 60 + "[MASK]"]
    for together, text in zip(fill(texts, top_k=2), texts, strict=True):
        alone = fill(text, top_k=2)[0]
        assert together["text"] == alone["text"]
        assert [one["prob"] for one in together["fillings"]] == pytest.approx(
            [one["prob"] for one in alone["fillings"]], rel=1e-5
        )


def test_dropout_is_off():
    model = real_model(TOKENIZER, hidden_dropout_prob=0.5)
    model.train()
    fill = FillMask(model, TOKENIZER)
    assert fill("我[MASK]你") == fill("我[MASK]你")
