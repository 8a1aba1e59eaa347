"""Encoders with and without the CPU kernels: results, gradients, dropout, recomputation, and fallbacks."""

from __future__ import annotations

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks.models import cpu
from paddle_tasks.models.cpu import attention, transformer
from paddle_tasks.onednn import attention as onednn_attention

from ..conftest import LENGTHS, batch, make_encoder
from .oracles import TOLERANCE, Array, difference, normal

ENCODERS = ("bert", "transformer", "transformer-learned", "golden/bert", "golden/ernie", "paddlenlp/roberta")
# In exact arithmetic the keys' biases have no gradient: softmax ignores what is added to a whole row.
NO_GRADIENT, ABSOLUTE = "k_proj.bias", 1.0

Outcome = dict[str, Array]


def outcome(encoder: nn.Layer, *, texts_only: bool = False, seed: int = 1) -> Outcome:
    """Return states without padding, text vectors, and the gradients of every parameter."""
    paddle.seed(seed)
    inputs = batch()
    states, first = encoder(*inputs)
    real = (np.arange(max(LENGTHS)) < np.array(LENGTHS)[:, None])[..., None].astype(np.float32)
    loss = (first * paddle.to_tensor(normal(*first.shape, seed=2))).sum()
    found = {"first": first.numpy()}
    if not texts_only:
        loss = loss + (states * paddle.to_tensor(normal(*states.shape, seed=3) * real)).sum()
        found["states"] = states.numpy() * real
    loss.backward()
    gradients = {name: p.grad.numpy() for name, p in encoder.named_parameters() if p.grad is not None}
    encoder.clear_gradients(False)
    return {**found, **gradients}


def assert_same(ours: Outcome, theirs: Outcome, tolerance: float = TOLERANCE) -> None:
    assert ours.keys() == theirs.keys()
    differences = {
        name: difference(ours[name], theirs[name], *[ABSOLUTE] * name.endswith(NO_GRADIENT)) for name in ours
    }
    worst = max(differences, key=differences.__getitem__)
    assert differences[worst] <= tolerance, worst


@pytest.mark.parametrize("name", ENCODERS)
def test_results_and_gradients_stay(name):
    encoder = make_encoder(name)
    encoder.eval()
    names, before = list(encoder.state_dict()), outcome(encoder)
    cpu.switch_in(encoder)
    assert any(
        cpu.is_switched_in(layer) and isinstance(layer, nn.TransformerEncoderLayer) for layer in encoder.sublayers()
    )
    assert_same(outcome(encoder), before)
    assert list(encoder.state_dict()) == names
    cpu.switch_out(encoder)
    after = outcome(encoder)
    assert all(np.array_equal(after[key], before[key]) for key in before)


@pytest.mark.parametrize("name", ENCODERS)
def test_the_first_position_alone(name):
    encoder = make_encoder(name)
    encoder.eval()
    before = outcome(encoder, texts_only=True)
    *_, last = [layer for layer in encoder.sublayers() if isinstance(layer, nn.TransformerEncoderLayer)]
    cpu.keep_first_only(last)
    assert_same(outcome(encoder, texts_only=True), before, tolerance=0)  # Paddle's own forward ignores it
    cpu.switch_in(encoder)
    assert encoder(*batch())[0].shape[1] == 1
    assert_same(outcome(encoder, texts_only=True), before)


def test_an_encoder_limits_its_last_layer_only():
    encoder = make_encoder("golden/bert")
    encoder.eval()
    before = outcome(encoder, texts_only=True)
    encoder.keep_first_only()
    cpu.switch_in(encoder)
    assert_same(outcome(encoder, texts_only=True), before)
    assert encoder(*batch())[0].shape[1] == 1


def layer_and_states(n_heads: int = 2) -> tuple[nn.TransformerEncoderLayer, paddle.Tensor]:
    layer = nn.TransformerEncoderLayer(6, n_heads, 10, dropout=0.0, activation="gelu")
    layer.eval()
    return layer, paddle.to_tensor(normal(2, 5, 6), stop_gradient=False)


ATTENDED = np.arange(5) < np.array([5, 3])[:, None, None, None]
MASKS = {
    "bool": paddle.to_tensor(ATTENDED),
    "int": paddle.to_tensor(ATTENDED.astype(np.int64)),
    "float": paddle.to_tensor(np.where(ATTENDED, 0, -1e4).astype(np.float32)),
    "each pair": paddle.to_tensor(normal(2, 1, 5, 5, seed=4)),
    "each pair and head": paddle.to_tensor(normal(2, 2, 5, 5, seed=4)),
    "of pairs alone": paddle.to_tensor(normal(5, 5, seed=4)),
    "not contiguous": paddle.to_tensor(normal(2, 1, 5, 5, seed=4)).transpose([0, 1, 3, 2]),
    "all attended": paddle.zeros([2, 1, 1, 5]),
    "none": None,
}


@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_masks(mask, first_only):
    layer, states = layer_and_states()
    expected = layer(states, mask)[:, : 1 if first_only else 5]
    expected.sum().backward()
    gradient = states.grad.numpy()
    states.clear_gradient(False)
    cpu.switch_in(layer)
    if first_only:
        cpu.keep_first_only(layer)
    result = layer(states, mask)
    assert difference(result.numpy(), expected.numpy()) <= TOLERANCE
    result.sum().backward()
    assert difference(states.grad.numpy(), gradient, floor=1) <= TOLERANCE  # a normalised sum hardly changes


CHOSEN = [7, 0, 2, 2, 5]  # of two texts of five positions each


def chosen_outcome(layer, states, mask, select):
    states.clear_gradient(False)
    weights = paddle.to_tensor(normal(len(CHOSEN), 6, seed=5))
    result = select(layer(states, mask))
    (result * weights).sum().backward()
    return result.numpy(), states.grad.numpy()


def gathered(states: paddle.Tensor) -> paddle.Tensor:
    return states.reshape([-1, 6])[paddle.to_tensor(CHOSEN)]


@pytest.mark.parametrize("falls_back", [False, True])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_chosen_positions_alone(mask, falls_back):
    layer, states = layer_and_states()
    expected = chosen_outcome(layer, states, mask, gathered)
    cpu.switch_in(layer)
    if falls_back:  # a part that has to be called itself leaves all to Paddle's own forward
        layer.linear1.register_forward_pre_hook(lambda _layer, inputs: inputs)
    with cpu.only_at(layer, paddle.to_tensor(CHOSEN)):
        assert layer(states, mask).shape == [1, len(CHOSEN), 6]
        found = chosen_outcome(layer, states, mask, lambda result: result.squeeze(0))
    for mine, other in zip(found, expected, strict=True):
        assert difference(mine, other, floor=1) <= TOLERANCE
    assert layer(states, mask).shape == [2, 5, 6]


def test_a_choice_ends_with_its_block_whatever_happens():
    layer, states = layer_and_states()
    cpu.switch_in(layer)
    with pytest.raises(ZeroDivisionError), cpu.only_at(layer, paddle.to_tensor(CHOSEN)):
        raise ZeroDivisionError
    assert layer(states).shape == [2, 5, 6]


def test_a_mask_that_learns_gets_its_gradient():
    layer, states = layer_and_states()
    mask = paddle.to_tensor(normal(2, 1, 5, 5), stop_gradient=False)
    weights = paddle.to_tensor(normal(2, 5, 6, seed=5))
    found = []
    for change in (lambda _: None, cpu.switch_in):
        change(layer)
        (layer(states, mask) * weights).sum().backward()
        found.append(mask.grad.numpy())
        mask.clear_gradient(False)
    assert difference(found[1], found[0]) <= TOLERANCE
    assert np.abs(found[1]).max() > 1e-3


@pytest.mark.parametrize("name", ["golden/bert", "golden/ernie"])
def test_attention_weights_are_given(name):
    model = make_encoder(name).model
    model.eval()
    ids, types, _ = batch()
    expected = model(ids, types, output_attentions=True, output_hidden_states=True, return_dict=True)
    cpu.switch_in(model)
    found = model(ids, types, output_attentions=True, output_hidden_states=True, return_dict=True)
    assert len(found.attentions) == 2
    for mine, other in zip(
        found.attentions + found.hidden_states, expected.attentions + expected.hidden_states, strict=True
    ):
        assert difference(mine.numpy(), other.numpy()) <= TOLERANCE


def test_a_cache_is_used():
    layer, states = layer_and_states()
    steps = [states[:, :3], states[:, 3:]]

    def run():
        cache, results = layer.gen_cache(states), []
        for step in steps:
            result, cache = layer(step, None, cache)
            results.append(result.numpy())
        return results, cache.k.shape

    expected, _ = run()
    cpu.switch_in(layer)
    found, shape = run()
    assert shape[2] == 5
    assert all(difference(*pair) <= TOLERANCE for pair in zip(found, expected, strict=True))


# ---- dropout


def test_eval_drops_nothing_and_training_does():
    encoder = make_encoder("bert", dropout=0.3)
    cpu.switch_in(encoder)
    encoder.eval()
    first, second = (outcome(encoder, seed=seed)["first"] for seed in (1, 2))
    assert np.array_equal(first, second)
    encoder.train()
    first, again, other = (outcome(encoder, seed=seed)["first"] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert difference(first, other) > 1e-2


def test_every_dropout_of_a_layer_counts():
    """A layer with one of its dropouts on differs from one without, and from one with another."""
    results = []
    for change in (
        lambda layer: None,
        lambda layer: setattr(layer.self_attn, "dropout", 0.5),
        lambda layer: setattr(layer.dropout, "p", 0.5),
        lambda layer: setattr(layer.dropout1, "p", 0.5),
        lambda layer: setattr(layer.dropout2, "p", 0.5),
    ):
        paddle.seed(5)
        layer, states = layer_and_states()
        layer.train()
        change(layer)
        cpu.switch_in(layer)
        results.append(layer(states).numpy())
    assert all(difference(a, b) > 1e-2 for number, a in enumerate(results) for b in results[:number])


@pytest.mark.parametrize("name", ["golden/bert", "golden/ernie"])
@pytest.mark.parametrize("first_only", [False, True])
def test_recompute_gives_the_same_gradients(name, first_only):
    encoder = make_encoder(name)
    for layer in encoder.sublayers():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.3
        if isinstance(layer, nn.MultiHeadAttention):
            layer.dropout = 0.3
    encoder.train()
    cpu.switch_in(encoder)
    if first_only:
        encoder.keep_first_only()
    plain, other = (outcome(encoder, texts_only=first_only, seed=seed) for seed in (1, 2))
    encoder.model.encoder.enable_recompute = True
    again = outcome(encoder, texts_only=first_only)
    assert_same(again, plain, tolerance=1e-6)
    assert difference(other["first"], plain["first"]) > 1e-2


def test_frozen_layers_get_no_gradient_and_the_others_the_same():
    encoder = make_encoder("golden/bert")
    encoder.eval()
    for name, parameter in encoder.named_parameters():
        parameter.stop_gradient = "layers.0" in name or "embeddings" in name or "q_proj.bias" in name
    before = outcome(encoder)
    assert {name for name in before if "layers.0" in name or "embeddings" in name or "q_proj.bias" in name} == set()
    cpu.switch_in(encoder)
    assert_same(outcome(encoder), before)


def test_frozen_biases_and_keys():
    encoder = make_encoder("golden/bert")
    encoder.eval()
    everything = outcome(encoder)
    for name, parameter in encoder.named_parameters():
        parameter.stop_gradient = "norm" in name or "bias" in name or "k_proj" in name
    cpu.switch_in(encoder)
    found = outcome(encoder)
    assert not [name for name in found if "norm" in name or "bias" in name or "k_proj" in name]
    assert_same(found, {name: everything[name] for name in found})


# ---- and it can be wrong


def _no_scale(monkeypatch):
    join = attention.join_gradients
    monkeypatch.setattr(
        attention, "join_gradients", lambda parts, scale, n_inputs: join(parts, np.float32(1), n_inputs)
    )
    monkeypatch.setattr(onednn_attention, "_factor", lambda queries: 1.0)


def _no_offsets(monkeypatch):
    monkeypatch.setattr(transformer, "score_offsets", lambda mask, first_only: None)


@pytest.mark.parametrize("spoil", [_no_scale, _no_offsets])
def test_a_wrong_formula_is_found(monkeypatch, spoil):
    encoder = make_encoder("golden/bert")
    encoder.eval()
    before = outcome(encoder)
    cpu.switch_in(encoder)
    spoil(monkeypatch)
    with pytest.raises(AssertionError):
        assert_same(outcome(encoder), before, tolerance=1e-3)
