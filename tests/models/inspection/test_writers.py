"""What models that write compute: nothing looks ahead, and the cache is what the layers compute."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.models.causal_lm import CausalLanguageModel, CausalSizes
from paddle_tasks.models.inspection.writers import inspect_causal, inspect_translator
from paddle_tasks.models.seq2seq.base import Source, Target, Vocabulary
from paddle_tasks.models.seq2seq.recurrent import RecurrentModel, RecurrentSizes
from paddle_tasks.models.seq2seq.transformer import TransformerModel, TransformerSizes

TOLERANCE = 5e-6
SOURCE, TARGET = np.array([5, 6, 7]), np.array([20, 8, 9, 10])


def causal(pre_norm: bool) -> CausalLanguageModel:
    paddle.seed(5)
    model = CausalLanguageModel(CausalSizes(24, 20, 8, 2, 2, 12, 10, pre_norm=pre_norm))
    model.eval()
    return model


@pytest.mark.parametrize("pre_norm", [True, False])
def test_a_causal_model(pre_norm):
    model, ids = causal(pre_norm), np.array([20, 1, 2, 3, 4])
    found = inspect_causal(model, ids)
    assert max(check.difference for check in found.checks) < TOLERANCE
    assert found["hidden_states"].shape == (3, 5, 8)
    assert found["attentions"].shape == (2, 2, 5, 5)
    layer, states = model.layers[1], paddle.to_tensor(found["hidden_states"][1])
    read = layer.norm1(states) if pre_norm else states
    keys = layer.self_attn.k_proj(read).numpy().reshape(5, 2, 4).swapaxes(0, 1)
    assert np.allclose(found["past_keys"][1], keys, atol=TOLERANCE)


def test_a_later_character_changes_nothing_before_it():
    model = causal(pre_norm=True)
    first, second = (inspect_causal(model, np.array([20, 1, 2, last])) for last in (3, 4))
    assert np.allclose(first["hidden_states"][:, :3], second["hidden_states"][:, :3], atol=TOLERANCE)
    assert not np.allclose(first["hidden_states"][:, 3], second["hidden_states"][:, 3], atol=1e-3)


def transformer() -> TransformerModel:
    sizes = TransformerSizes(width=8, n_layers=1, n_decoder_layers=2, n_heads=2, inner_width=12)
    return TransformerModel(Vocabulary(24, 20), sizes)


def recurrent(attention: str) -> RecurrentModel:
    return RecurrentModel(Vocabulary(24, 20), RecurrentSizes(8, 6, attention=attention))


@pytest.mark.parametrize("make", [transformer, lambda: recurrent("additive"), lambda: recurrent("multiplicative")])
def test_cross_attentions_are_those_of_the_model(make):
    paddle.seed(5)
    model = make()
    model.eval()
    found = inspect_translator(model, SOURCE, TARGET)
    source = Source(paddle.to_tensor(SOURCE[None]), paddle.to_tensor([3]))
    positions = paddle.arange(4)
    target = Target(paddle.to_tensor(TARGET[None]), paddle.to_tensor([4]), positions, positions)
    expected = model.attention(source, target)[0].numpy()
    assert np.allclose(found["cross_attentions"].mean(axis=(0, 1)), expected, atol=TOLERANCE)
    assert expected.std() > 1e-4
    assert np.allclose(found["decoder_states"], model(source, target).numpy(), atol=TOLERANCE)
    assert max(check.difference for check in found.checks) < TOLERANCE


def test_the_cache_of_a_decoder_has_the_keys_of_every_layer():
    paddle.seed(5)
    model = transformer()
    model.eval()
    found = inspect_translator(model, SOURCE, TARGET)
    assert found["past_keys"].shape == found["past_values"].shape == (2, 2, 4, 4)
    assert found["attentions"].shape == (2, 2, 4, 4)
    assert np.triu(found["attentions"], k=1).max() < 1e-20


def test_without_attention_only_the_last_state_is_left_of_the_source():
    model = recurrent("none")
    model.eval()
    found = inspect_translator(model, SOURCE, TARGET)
    assert "cross_attentions" not in found
    assert found["encoder_last"].shape == (12,)
