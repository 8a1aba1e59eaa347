"""PaddleNLP's encoders against Hugging Face's, from the same small random weights (see tests/golden/make_golden.py)."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.masked_lm import MaskedLanguageModel, load_masked_lm
from paddle_tasks.models.pretrained.loading import load_pretrained

from .conftest import GOLDEN

TOLERANCE = 5e-6
MODELS = ("bert", "ernie")
KINDS = (*MODELS, "roberta", "albert", "electra")


def difference(encoder: Encoder, folder: Path) -> float:
    """Return the largest difference, over states at real positions and pooler output."""
    expected = np.load(folder / "expected.npz")
    encoder.eval()
    inputs = (paddle.to_tensor(expected[name]) for name in ("input_ids", "token_type_ids", "lengths"))
    states, first = encoder(*inputs)
    real = np.arange(states.shape[1]) < expected["lengths"][:, None]
    return max(
        np.abs(states.numpy() - expected["states"])[real].max(), np.abs(first.numpy() - expected["pooled"]).max()
    )


def head_difference(model: MaskedLanguageModel, folder: Path) -> float:
    """Return the largest difference, over the logits of tokens at real positions and of pairs."""
    expected = np.load(folder / "expected.npz")
    model.eval()
    ids, types, lengths = (expected[name] for name in ("input_ids", "token_type_ids", "lengths"))
    real = np.arange(ids.shape[1]) < lengths[:, None]
    tokens, pairs = model.forward_both(*map(paddle.to_tensor, (ids, types, lengths, np.flatnonzero(real))))
    return max(np.abs(tokens.numpy() - expected["tokens"][real]).max(), np.abs(pairs.numpy() - expected["pairs"]).max())


@pytest.mark.parametrize("name", KINDS)
def test_states_and_pooler_are_hugging_faces(name):
    assert difference(load_pretrained(str(GOLDEN / name)), GOLDEN / name) <= TOLERANCE


def change_epsilon(encoder: Encoder) -> None:
    for layer in encoder.sublayers():
        if isinstance(layer, paddle.nn.LayerNorm):
            layer._epsilon = 1e-12 if layer._epsilon > 1e-9 else 1e-5


def transpose(layer: paddle.nn.Linear) -> None:
    layer.weight.set_value(layer.weight.numpy().T.copy())


CHANGES = {
    "epsilon": change_epsilon,
    "query transposed": lambda encoder: transpose(encoder.model.encoder.layers[0].self_attn.q_proj),
    "pooler transposed": lambda encoder: transpose(encoder.model.pooler.dense),
    "approximate GELU": lambda encoder: [
        setattr(layer, "activation", lambda x: paddle.nn.functional.gelu(x, approximate=True))
        for layer in encoder.model.encoder.layers
    ],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", MODELS)
def test_a_wrong_model_differs_by_more(name, change):
    encoder = load_pretrained(str(GOLDEN / name))
    CHANGES[change](encoder)
    assert difference(encoder, GOLDEN / name) > 2 * TOLERANCE


@pytest.mark.parametrize("name", KINDS)
def test_a_wrong_epsilon_or_position_differs_by_more(name):
    encoder = load_pretrained(str(GOLDEN / name))
    change_epsilon(encoder)
    assert difference(encoder, GOLDEN / name) > 2 * TOLERANCE
    encoder = load_pretrained(str(GOLDEN / name))
    table = encoder.model.embeddings.position_embeddings.weight
    table.set_value(np.roll(table.numpy(), 1, axis=0))
    assert difference(encoder, GOLDEN / name) > 2 * TOLERANCE


def test_ernies_task_embedding_counts():
    encoder = load_pretrained(str(GOLDEN / "ernie"))
    encoder.model.embeddings.task_id = 1
    assert difference(encoder, GOLDEN / "ernie") > 2 * TOLERANCE


@pytest.mark.parametrize("change", [lambda model: None, cpu.switch_in], ids=["Paddle's layers", "replaced"])
def test_berts_heads_are_hugging_faces(change):
    model = load_masked_lm(str(GOLDEN / "bert"), next_sentence=True)
    change(model)
    assert head_difference(model, GOLDEN / "bert") <= TOLERANCE


def change_head_epsilon(model: MaskedLanguageModel) -> None:
    model.cls.predictions.layer_norm._epsilon = 1e-5


WRONG_HEADS = {
    "epsilon": change_head_epsilon,
    "transposed": lambda model: transpose(model.cls.predictions.transform),
    "no bias": lambda model: model.cls.predictions.decoder_bias.set_value(np.zeros(50, np.float32)),
    "other activation": lambda model: setattr(model.cls.predictions, "activation", "relu"),
    "approximate GELU": lambda model: setattr(model.cls.predictions, "activation", "gelu_new"),
    "pairs swapped": lambda model: model.cls.seq_relationship.weight.set_value(
        model.cls.seq_relationship.weight.numpy()[:, ::-1].copy()
    ),
}


@pytest.mark.parametrize("change", WRONG_HEADS)
def test_a_wrong_head_differs_by_more(change):
    model = load_masked_lm(str(GOLDEN / "bert"), next_sentence=True)
    WRONG_HEADS[change](model)
    assert head_difference(model, GOLDEN / "bert") > 2 * TOLERANCE


@pytest.mark.torch
@pytest.mark.parametrize("arguments", [("--seed", "0"), ("--seed", "2", "--activation", "gelu_new")])
def test_live(tmp_path, torch_python, arguments):
    subprocess.run([torch_python, GOLDEN / "make_golden.py", tmp_path, *arguments], check=True, capture_output=True)
    for name in KINDS:
        assert difference(load_pretrained(str(tmp_path / name)), tmp_path / name) <= TOLERANCE
        if arguments == ("--seed", "0"):  # what is stored is what the script makes
            assert difference(load_pretrained(str(GOLDEN / name)), tmp_path / name) <= TOLERANCE
    assert head_difference(load_masked_lm(str(tmp_path / "bert"), next_sentence=True), tmp_path / "bert") <= TOLERANCE
