"""What attention brings: a toy language is learnt with it, and without it long texts are not."""

from __future__ import annotations

import json

import pytest

from paddle_tasks.workflows.train import train

from . import toy_language

RNN = {"architecture": "rnn", "hidden_size": 48, "embedding_size": 48}
TRANSFORMER = {"architecture": "transformer", "hidden_size": 64, "n_layers": 2, "n_decoder_layers": 2, "n_heads": 2}


def exact_matches(folder, model, **training):
    """Return the share of texts that are translated right, of dev and of test."""
    run = train(toy_language.config(folder, model, **training)).folder
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    return result["dev"]["exact_match"], result["test"]["exact_match"]


@pytest.mark.long
@pytest.mark.parametrize("attention", ["additive", "multiplicative"])
def test_with_attention_every_text_is_translated(attention, tmp_path):
    assert exact_matches(tmp_path, {**RNN, "attention": attention}, epochs=24) == (1, 1)


@pytest.mark.long
def test_a_transformer_translates_every_text(tmp_path):
    assert exact_matches(tmp_path, TRANSFORMER, epochs=20) == (1, 1)


@pytest.mark.long
def test_without_attention_long_texts_fail(tmp_path):
    short, long = exact_matches(tmp_path, {**RNN, "attention": "none"})
    assert short > 0.9
    assert long < 0.5
