"""States at chosen positions equal those gathered from all states; sizes of encoders built from scratch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import paddle
import pytest
from paddle import nn

from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.architectures import classes
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder

from ..conftest import PAD, PRETRAINED, VOCABULARY, batch, make_encoder
from ..cpu.oracles import difference, normal

# Relative to the largest value of each array, below 1 absolute: in theory the keys' biases have no gradient at all.
TOLERANCE, ABSOLUTE = 1e-5, 1.0
# Ragged texts, one text, a text of one token; the positions rise as a batch's do, or stand in any order, and repeat.
CASES = {
    "ragged": ((9, 5, 2, 1), [1, 3, 8, 10, 11, 19]),
    "any order": ((9, 5, 2, 1), [19, 3, 0, 3, 27, 8, 18]),
    "one text": ((7,), [2, 3, 5]),
    "one position": ((4, 6), [7]),
    "as many as there are": ((2,), [0, 1]),
    "none": ((5, 3), []),
}

Outcome = dict[str, np.ndarray]
States = Callable[..., tuple[paddle.Tensor, paddle.Tensor]]


def gathered(encoder: PretrainedEncoder, ids, types, lengths, positions):
    """Gather from all states: the definition."""
    states, vectors = encoder(ids, types, lengths)
    return states.reshape([-1, encoder.width])[positions], vectors


def spared(encoder: PretrainedEncoder, *inputs):
    return encoder.states_at(*inputs)


def outcome(encoder: PretrainedEncoder, function: States, case: str, *, vectors_count: bool = True) -> Outcome:
    """Return states, text vectors and the gradients of both for every parameter."""
    lengths, places = CASES[case]
    states, vectors = function(encoder, *batch(lengths), paddle.to_tensor(np.array(places, np.int64)))
    assert states.shape == [len(places), encoder.width]
    assert vectors.shape == [len(lengths), encoder.width]
    loss = (states * paddle.to_tensor(normal(*states.shape, seed=3))).sum()
    if vectors_count:
        loss = loss + (vectors * paddle.to_tensor(normal(*vectors.shape, seed=2))).sum()
    loss.backward()
    found = {"states": states.numpy(), "vectors": vectors.numpy()}
    for name, parameter in encoder.named_parameters():
        if parameter.grad is not None:
            found[name] = parameter.grad.numpy()
    encoder.clear_gradients(False)
    return found


def assert_same(found: Outcome, expected: Outcome, tolerance: float = TOLERANCE) -> None:
    assert found.keys() == expected.keys()
    worst = {name: difference(found[name], expected[name], ABSOLUTE) for name in expected}
    assert max(worst.values()) <= tolerance, max(worst, key=worst.__getitem__)


def leave(encoder: nn.Layer) -> None:
    """Do nothing."""


each_way = pytest.mark.parametrize("change", [leave, cpu.switch_in], ids=["Paddle's layers", "replaced"])


@each_way
@pytest.mark.parametrize(
    ("name", "case"), [*((name, "ragged") for name in PRETRAINED), *(("golden/ernie", case) for case in CASES)]
)
def test_states_at_positions_are_those_of_all_positions(name, case, change):
    encoder = make_encoder(name)
    encoder.eval()
    expected = outcome(encoder, gathered, case)
    change(encoder)
    assert_same(outcome(encoder, spared, case), expected)
    assert_same(outcome(encoder, gathered, case), expected)  # and nothing of the choice is left behind


@each_way
@pytest.mark.parametrize("name", ["bert", "ernie", "paddlenlp/electra"])
def test_the_pooler_gets_gradients_from_text_vectors_only(name, change):
    encoder = make_encoder(name)
    encoder.eval()
    change(encoder)
    whole, part = (outcome(encoder, spared, "ragged", vectors_count=counts) for counts in (True, False))
    pooler = {name for name in whole if "pooler" in name}
    assert len(pooler) == 2 * encoder.has_pooler
    assert all(np.abs(whole[name]).max() > 1e-3 for name in pooler)
    assert whole.keys() - part.keys() <= pooler
    assert all(not part[name].any() for name in pooler & part.keys())


@each_way
def test_a_pooler_that_was_dropped(change):
    encoder = make_encoder("golden/bert")
    encoder.drop_pooler()
    encoder.eval()
    expected = outcome(encoder, gathered, "ragged")
    change(encoder)
    assert_same(outcome(encoder, spared, "ragged"), expected)


@pytest.mark.parametrize("case", CASES)
def test_the_last_layer_computes_only_the_chosen_positions(case):
    encoder = make_encoder("bert")
    cpu.switch_in(encoder)
    shapes = []
    encoder.last_layer.register_forward_post_hook(lambda _layer, _inputs, result: shapes.append(result.shape))
    outcome(encoder, spared, case)
    lengths, places = CASES[case]
    assert shapes == [[1, len(places) + len(lengths), encoder.width]]


def test_a_layer_with_a_part_that_is_hooked():
    encoder = make_encoder("golden/bert")
    encoder.eval()
    expected = outcome(encoder, gathered, "one text")
    cpu.switch_in(encoder)
    encoder.last_layer.linear2.register_forward_post_hook(lambda _layer, _inputs, result: result)
    assert_same(outcome(encoder, spared, "one text"), expected)


@pytest.mark.parametrize("name", ["golden/bert", "golden/ernie"])
def test_recompute_gives_the_same_gradients(name):
    encoder = make_encoder(name)
    cpu.switch_in(encoder)
    for layer in encoder.sublayers():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
        elif isinstance(layer, nn.MultiHeadAttention):
            layer.dropout = 0.0
    encoder.train()
    expected = outcome(encoder, spared, "ragged")
    encoder.recompute()
    assert_same(outcome(encoder, spared, "ragged"), expected)


# ---- dropout


def set_dropout(encoder: PretrainedEncoder, inner: float, last: float) -> None:
    """Set two dropout probabilities: before and after the choice of positions in the last layer."""
    for layer in encoder.sublayers():
        if isinstance(layer, nn.Dropout):
            layer.p = inner
        elif isinstance(layer, nn.MultiHeadAttention):
            layer.dropout = inner
    end = encoder.last_layer
    end.dropout.p = end.dropout1.p = end.dropout2.p = last


@each_way
@pytest.mark.parametrize("name", ["bert", "golden/ernie"])
def test_dropout_before_the_choice_depends_on_the_seed_only(name, change):
    encoder = make_encoder(name)
    set_dropout(encoder, inner=0.4, last=0.0)
    encoder.train()
    change(encoder)
    found = []
    for function, seed in ((gathered, 1), (spared, 1), (spared, 2)):
        paddle.seed(seed)
        found.append(outcome(encoder, function, "ragged"))
    assert_same(found[1], found[0])
    assert np.abs(found[2]["states"] - found[0]["states"]).max() > 1e-2


def test_dropout_after_the_choice_has_the_same_distribution():
    """At one position of many equal texts, mean and deviation equal those with dropout at all positions."""
    encoder = make_encoder("golden/bert")
    set_dropout(encoder, inner=0.0, last=0.5)
    encoder.train()
    cpu.switch_in(encoder)
    ids, types, lengths = (paddle.tile(one, [1024, 1][: one.ndim]) for one in batch((6,)))
    places = paddle.arange(0, 1024 * 6, 6) + 3
    found = []
    for function in (gathered, spared):
        states = function(encoder, ids, types, lengths, places)[0].numpy()
        found.append(np.stack([states.mean(axis=0), states.std(axis=0)]))
    assert found[0][1].min() > 0.1
    assert np.abs(found[1] - found[0]).max() < 0.2
    encoder.eval()
    states = spared(encoder, ids, types, lengths, places)[0].numpy()
    assert np.abs(states - states[0]).max() < 1e-4
    assert np.abs(states.mean(axis=0) - found[0][0]).max() > 0.2  # so the mean of what is dropped is told from none


# ---- from scratch


@pytest.mark.parametrize("kind", ["bert", "ernie"])
def test_from_scratch_sizes_are_those_of_the_section(kind):
    encoder = make_encoder(kind, n_layers=3, intermediate_size=20, dropout=0.25, max_positions=18)
    config = encoder.model.config
    assert isinstance(encoder.model, classes(kind)[0])
    assert (encoder.model_type, encoder.prefix, encoder.max_length, encoder.width) == (kind, f"{kind}.", 18, 12)
    assert (config.vocab_size, config.type_vocab_size, config.pad_token_id) == (VOCABULARY, 2, PAD)
    assert (config.num_hidden_layers, config.num_attention_heads, config.intermediate_size) == (3, 2, 20)
    assert (config.hidden_dropout_prob, config.attention_probs_dropout_prob) == (0.25, 0.25)
    norms = [layer._epsilon for layer in encoder.sublayers() if isinstance(layer, nn.LayerNorm)]
    assert norms == [1e-12] * 7
    embedding = encoder.model.embeddings.word_embeddings.weight.numpy()
    assert 0.01 < embedding.std() < 0.03
