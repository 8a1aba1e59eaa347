"""Every encoder: shapes, padding, gradients; TextCNN against numpy; valid and invalid sections."""

from __future__ import annotations

import json

import numpy as np
import paddle
import pytest
from pydantic import ValidationError

from paddle_tasks.errors import ConfigError
from paddle_tasks.models.encoders.build import KINDS, SCRATCH, EncoderSection, build_encoder
from paddle_tasks.models.encoders.textcnn import TextCNN, shifts
from paddle_tasks.training.adversarial import word_vectors

from ..conftest import (
    ENCODERS,
    LENGTHS,
    PAD,
    PRETRAINED,
    RECURRENT,
    VOCABULARY,
    WITH_POOLER,
    batch,
    make_encoder,
    section,
)

OTHER = VOCABULARY - 1  # an id that no token has


@pytest.mark.parametrize("name", ENCODERS)
def test_shapes(name):
    encoder = make_encoder(name)
    states, first = encoder(*batch())
    assert states.shape == [len(LENGTHS), max(LENGTHS), encoder.width]
    assert first.shape == [len(LENGTHS), encoder.width]
    assert states.dtype == first.dtype == paddle.float32


@pytest.mark.parametrize("name", ENCODERS)
def test_the_words_embedding_is_defined_before_any_other(name):
    """`training.fgm_epsilon` perturbs the first embedding; a vocabulary may be smaller than the position table."""
    changes = {} if "/" in name else {"max_positions": 2 * VOCABULARY}
    encoder = make_encoder(name, **changes)
    assert len(word_vectors(encoder)) == (encoder.model.config.vocab_size if name in PRETRAINED else VOCABULARY)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_batch_equals_its_rows(name):
    encoder = make_encoder(name)
    encoder.eval()
    ids, types, lengths = batch()
    states, first = encoder(ids, types, lengths)
    for row, length in enumerate(LENGTHS):
        alone, alone_first = encoder(ids[row : row + 1, :length], types[row : row + 1, :length], lengths[row : row + 1])
        np.testing.assert_allclose(states[row, :length].numpy(), alone[0].numpy(), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(first[row].numpy(), alone_first[0].numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_content_of_the_padding_changes_nothing(name):
    encoder = make_encoder(name)
    encoder.eval()
    (states, first), (other, other_first) = encoder(*batch()), encoder(*batch(padding=OTHER))
    for row, length in enumerate(LENGTHS):
        np.testing.assert_array_equal(states[row, :length].numpy(), other[row, :length].numpy())
    np.testing.assert_array_equal(first.numpy(), other_first.numpy())


@pytest.mark.parametrize("name", ENCODERS)
def test_every_parameter_gets_a_gradient_from_real_positions_only(name):
    encoder = make_encoder(name)
    states, first = encoder(*batch(padding=OTHER))
    real = (paddle.arange(max(LENGTHS)) < batch()[2].unsqueeze(1)).unsqueeze(2).astype("float32")
    weights = paddle.randn(states.shape)
    ((states * real * weights).sum() + (first * weights[:, 0]).sum()).backward()
    for parameter_name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, parameter_name
        gradient = parameter.grad.numpy()
        assert np.isfinite(gradient).all(), parameter_name
        # A key's bias moves all scores of a query alike, so its gradient is zero but for rounding.
        assert parameter_name.endswith(("k_proj.bias", "key.bias")) or np.abs(gradient).max() > 1e-6, parameter_name
    embedding = next(p for name, p in encoder.named_parameters() if "embedding" in name and p.shape[0] == VOCABULARY)
    # Not quite zero: Paddle's softmax on a CPU takes exp(-64) for whatever is smaller.
    assert np.abs(embedding.grad.numpy()[OTHER]).max() < 1e-20


@pytest.mark.parametrize("name", PRETRAINED)
def test_freeze_pooler_freezes_every_parameter_that_only_text_vectors_use(name):
    encoder = make_encoder(name)
    encoder.freeze_pooler()
    encoder(*batch())[0].sum().backward()
    without = [name for name, p in encoder.named_parameters() if p.grad is None]
    assert without == [name for name, p in encoder.named_parameters() if p.stop_gradient]
    assert bool(without) == (name in WITH_POOLER)
    assert all(name.startswith("model.pooler.") for name in without)


def test_dropout_is_on_in_training_only():
    for name in ENCODERS:
        encoder = make_encoder(name, dropout=0.5, n_layers=1)
        assert not np.array_equal(encoder(*batch())[0].numpy(), encoder(*batch())[0].numpy()), name
        encoder.eval()
        np.testing.assert_array_equal(encoder(*batch())[0].numpy(), encoder(*batch())[0].numpy())


def convolve(embedded: np.ndarray, encoder: TextCNN) -> np.ndarray:
    """Return TextCNN's states for one text <float32>[length, embedding], position by position."""
    rows = []
    for position in range(len(embedded)):
        maps = []
        for size, kernel in zip(encoder.kernel_sizes, encoder.kernels, strict=True):
            around = range(position - (size - 1) // 2, position + size // 2 + 1)
            window = [embedded[t] if 0 <= t < len(embedded) else np.zeros_like(embedded[0]) for t in around]
            assert len(window) == size
            maps.append(np.maximum(np.concatenate(window) @ kernel.weight.numpy() + kernel.bias.numpy(), 0))
        rows.append(np.concatenate(maps))
    return np.array(rows)


@pytest.mark.parametrize("kernel_sizes", [(2, 3, 4), (1,), (1, 2), (5,), (4, 3)])
def test_textcnn_is_a_convolution_with_zeros_around(kernel_sizes):
    encoder = make_encoder("textcnn", kernel_sizes=kernel_sizes)
    encoder.eval()
    ids, types, lengths = batch()
    states, first = encoder(ids, types, lengths)
    assert encoder.width == 12 * len(kernel_sizes)
    for row, length in enumerate(LENGTHS):
        expected = convolve(encoder.embedding(ids[row, :length]).numpy(), encoder)
        np.testing.assert_allclose(states[row, :length].numpy(), expected, rtol=0, atol=1e-6)
        np.testing.assert_allclose(first[row].numpy(), expected.max(axis=0), rtol=0, atol=1e-6)


def test_shifts_move_zeros_in():
    states = paddle.arange(1, 4, dtype="float32").reshape([1, 3, 1])
    found = [moved.numpy().ravel().tolist() for moved in shifts(states, 1, 2)]
    assert found == [[0, 1, 2], [1, 2, 3], [2, 3, 0], [3, 0, 0]]


def test_token_types_reach_paddlenlps_encoders_and_not_the_others():
    for name in ENCODERS:
        encoder = make_encoder(name)
        encoder.eval()
        ids, types, lengths = batch()
        moved = np.abs(encoder(ids, types, lengths)[0].numpy() - encoder(ids, 1 - types, lengths)[0].numpy()).max()
        assert (moved > 1e-4) == (name in PRETRAINED), name


def test_the_padding_row_is_zero_and_stays_so():
    for name in (*RECURRENT, "textcnn", "transformer-learned"):
        encoder = make_encoder(name)
        optimizer = paddle.optimizer.AdamW(0.1, parameters=encoder.parameters())
        encoder(*batch())[0].sum().backward()
        optimizer.step()
        assert not encoder.embedding.weight.numpy()[PAD].any()
        assert np.abs(encoder.embedding.weight.numpy()[1:]).max() <= 0.25 + 0.2


def test_bert_has_the_size_of_its_section():
    encoder = make_encoder("bert", intermediate_size=None)
    config = encoder.model.config
    sizes = (config.hidden_size, config.num_hidden_layers, config.num_attention_heads, config.intermediate_size)
    assert sizes == (12, 2, 2, 48)
    assert (config.vocab_size, config.type_vocab_size, config.max_position_embeddings) == (VOCABULARY, 2, 16)
    assert (encoder.width, encoder.max_length) == (12, 16)
    assert make_encoder("bert", intermediate_size=20).model.encoder.layers[1].linear1.weight.shape == [12, 20]


@pytest.mark.parametrize("name", SCRATCH)
def test_the_seed_decides_the_weights(name):
    first, second = make_encoder(name), make_encoder(name)
    assert all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(*map(parameters, (first, second)), strict=True))
    third = build_encoder(section(name), VOCABULARY, PAD)
    assert not all(np.array_equal(a.numpy(), b.numpy()) for a, b in zip(*map(parameters, (first, third)), strict=True))


def parameters(layer):
    return layer.parameters()


def test_unknown_kinds_and_sizes_that_do_not_fit():
    with pytest.raises(ConfigError, match="did you mean 'textcnn'"):
        build_encoder(section("textcn"), VOCABULARY, PAD)
    with pytest.raises(ConfigError, match="hidden_size: 11 is odd"):
        build_encoder(section("bilstm", hidden_size=11), VOCABULARY, PAD)
    for kind in ("bert", "transformer"):
        with pytest.raises(ConfigError, match=r"model\.hidden_size: 12 is no multiple of n_heads 5"):
            build_encoder(section(kind, n_heads=5), VOCABULARY, PAD)
    with pytest.raises(ConfigError, match=r"model\.hidden_size: 9 is odd, sinusoidal positions"):
        build_encoder(section("transformer", hidden_size=9, n_heads=3), VOCABULARY, PAD)
    build_encoder(section("transformer", hidden_size=9, n_heads=3, positions="learned"), VOCABULARY, PAD)
    build_encoder(section("lstm", hidden_size=11), VOCABULARY, PAD)
    assert tuple(KINDS) == SCRATCH


@pytest.mark.parametrize(
    "wrong",
    [
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"kernel_sizes": []},
        {"kernel_sizes": [0]},
        {"hidden_size": 0},
        {"n_layers": True},
        {"hiden_size": 8},
        {"positions": "rotary"},
        {"activation": "tanh"},
    ],
)
def test_a_section_refuses(wrong):
    with pytest.raises(ValidationError):
        section("bilstm", **wrong)


def test_a_section_loads_back_equal():
    found = section("textcnn", kernel_sizes=(2, 5))
    assert EncoderSection.model_validate_json(json.dumps(found.model_dump(mode="json"))) == found
