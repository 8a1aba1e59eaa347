"""What the tokenizer does, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from paddle_tasks.text.tokenizer_steps import decode, trace

VOCABULARY = [*SPECIAL_TOKENS, "飞", "桨", "很", "好", "pad", "##dle", "!"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(VOCABULARY)


def test_every_step_of_a_text(tokenizer):
    steps = trace(tokenizer, "Paddle飞桨 很棒!", None, 20, padded_length=12)
    (text,) = steps.texts
    assert text.words == ["Paddle", "飞", "桨", "很", "棒", "!"]
    assert [piece.token for piece in text.pieces] == ["pad", "##dle", "飞", "桨", "很", "[UNK]", "!"]
    assert text.unknown == ["棒"]
    assert text.cut == []
    assert text.normalised.split() == ["paddle", "飞", "桨", "很", "棒", "!"]
    assert steps.tokens == ("[CLS]", "pad", "##dle", "飞", "桨", "很", "[UNK]", "!", "[SEP]")
    assert steps.padded_ids.tolist() == [*steps.input_ids.tolist(), 0, 0, 0]
    assert steps.attention_mask.tolist() == [1] * 9 + [0] * 3
    assert steps.decoded == "[CLS] paddle 飞 桨 很 [UNK] ! [SEP]"


@pytest.mark.parametrize("limit", [5, 6, 7, 8])
def test_pairs_are_cut_as_the_model_reads_them(tokenizer, limit):
    steps = trace(tokenizer, "飞桨很好飞", "很好", limit)
    kept = [token for text in steps.texts for token in [*[p.token for p in text.pieces[: text.n_kept]], "[SEP]"]]
    assert ["[CLS]", *kept] == list(steps.tokens)
    assert len(steps.tokens) == limit
    assert sum(len(text.cut) for text in steps.texts) == 7 + 3 - limit
    expected = tokenizer.encode(["飞桨很好飞"], ["很好"], max_length=limit)[0]
    assert np.array_equal(steps.token_type_ids, expected.token_type_ids)


def test_a_written_special_token_is_one_piece(tokenizer):
    steps = trace(tokenizer, "很[MASK]", None, 8)
    assert steps.tokens == ("[CLS]", "很", "[MASK]", "[SEP]")


def test_each_character_can_be_a_token():
    tokenizer = Tokenizer([*SPECIAL_TOKENS, "a", "##b", "ab", "好"])
    steps = trace(tokenizer, "ab好ab", None, 5, by_character=True)
    assert steps.tokens == ("[CLS]", "a", "##b", "好", "[SEP]")
    assert steps.offsets.tolist() == [[0, 0], [0, 1], [1, 2], [2, 3], [0, 0]]
    assert steps.texts[0].cut == ["a", "##b"]
    assert trace(tokenizer, "ab好", None, 5).tokens == ("[CLS]", "ab", "好", "[SEP]")


def test_decode_joins_pieces():
    assert decode(["a", "##b", "c"]) == "ab c"
