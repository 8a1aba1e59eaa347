"""The learning rate by hand and by its properties, weight decay, freezing, AdamW against numpy, clipping."""

from __future__ import annotations

import math

import numpy as np
import paddle
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from paddle import nn

from paddle_tasks.errors import ConfigError
from paddle_tasks.models.encoders.build import EncoderSection, build_encoder
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder, build_model
from paddle_tasks.models.sentiment import SentimentClassifier
from paddle_tasks.training.loop import Loop
from paddle_tasks.training.optimizer import (
    build_optimizer,
    decayed_parameters,
    freeze,
    group_rate_factors,
    layer_rate_factors,
    learning_rate,
    scale_gradients,
)
from paddle_tasks.training.settings import OptimizerSection

from .toy import Toy, make_loop, make_toy, same, weights

# Ten steps, two of warm-up, base rate 8.
BY_HAND = {
    "linear": [4, 8, 8, 7, 6, 5, 4, 3, 2, 1, 0],
    "cosine": [4, 8, *(8 * (1 + math.cos(math.pi * done / 8)) / 2 for done in range(9))],
    "constant": [4, 8] + [8] * 9,
}


@pytest.mark.parametrize("schedule", BY_HAND)
def test_learning_rate_by_hand(schedule):
    settings = OptimizerSection(learning_rate=8.0, schedule=schedule, warmup_fraction=0.2)
    found = [learning_rate(settings, step, 10) for step in range(11)]
    assert found == pytest.approx(BY_HAND[schedule], abs=1e-12)


def test_without_warm_up_the_first_step_has_the_base_rate():
    assert learning_rate(OptimizerSection(learning_rate=8.0, warmup_fraction=0.0), 0, 10) == 8


@given(
    schedule=st.sampled_from(sorted(BY_HAND)),
    base=st.floats(1e-7, 10.0),
    total=st.integers(1, 300),
    fraction=st.floats(0.0, 1.0),
)
def test_properties_of_the_learning_rate(schedule, base, total, fraction):
    settings = OptimizerSection(learning_rate=base, schedule=schedule, warmup_fraction=fraction)
    warmup = math.ceil(fraction * total)
    rates = [learning_rate(settings, step, total) for step in range(total + 1)]
    assert all(0 <= rate <= base for rate in rates)
    assert all(rate > 0 for rate in rates[:total]), "every step of a run moves the weights"
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assume(0 < warmup < total)
    assert rates[warmup - 1] == rates[warmup] == base, "continuous where the warm-up ends"
    assert rates[total] == pytest.approx(base if schedule == "constant" else 0, abs=1e-12)


def tiny_bert() -> nn.Layer:
    section = EncoderSection(encoder="bert", hidden_size=8, n_layers=2, n_heads=2, max_positions=16)
    return build_encoder(section, 20, 0)


def plain_names(model: nn.Layer, names: set[str]) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.name in names}


def test_biases_and_layer_norms_do_not_decay():
    model = make_toy()
    assert plain_names(model, decayed_parameters(model)) == {"first.weight", "last.weight"}


def test_decay_groups_of_a_bert():
    model = tiny_bert()
    exempt = dict(model.named_parameters()).keys() - plain_names(model, decayed_parameters(model))
    assert {name for name in exempt if "norm" not in name.lower()} == {
        name for name, _ in model.named_parameters() if name.endswith("bias") and "norm" not in name.lower()
    }
    assert sum("norm" in name.lower() for name in exempt) == 2 * (1 + 2 * 2)  # embeddings, and two in each layer
    kept = plain_names(model, decayed_parameters(model))
    assert len([name for name in kept if "embeddings" in name]) == 3
    assert len(kept) == 3 + 2 * 6 + 1  # three embeddings; q, k, v, out and two linears in each layer; the pooler


def set_gradients(model: nn.Layer, gradients: dict[str, np.ndarray]) -> None:
    for name, parameter in model.named_parameters():
        parameter.clear_grad()
        (parameter * paddle.to_tensor(gradients[name])).sum().backward()


def test_adamw_against_numpy():
    """Three steps; with a zero gradient, weights decay, but biases and norms stay unchanged."""
    settings = OptimizerSection(learning_rate=0.1, weight_decay=0.3, beta1=0.8, beta2=0.9, epsilon=1e-2)
    model = make_toy()
    optimizer, numbers = build_optimizer(model, settings), np.random.default_rng(2)
    expected = {name: value.astype(np.float64) for name, value in weights(model).items()}
    mean = {name: np.zeros_like(value) for name, value in expected.items()}
    square = {name: np.zeros_like(value) for name, value in expected.items()}
    for step in range(1, 4):
        gradients = {name: numbers.normal(size=v.shape).astype(np.float32) for name, v in expected.items()}
        gradients["last.weight"] *= 0
        gradients["last.bias"] *= 0
        set_gradients(model, gradients)
        optimizer.step()
        for name, g in gradients.items():
            if name in {"first.weight", "last.weight"}:
                expected[name] *= 1 - 0.1 * 0.3
            mean[name] = 0.8 * mean[name] + 0.2 * g
            square[name] = 0.9 * square[name] + 0.1 * g.astype(np.float64) ** 2
            root = np.sqrt(square[name] / (1 - 0.9**step)) + 1e-2
            expected[name] -= 0.1 * mean[name] / (1 - 0.8**step) / root
    found, start = weights(model), weights(make_toy())
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-6, atol=1e-7, err_msg=name)
    np.testing.assert_allclose(found["last.weight"], start["last.weight"] * 0.97**3, rtol=1e-6)
    assert np.array_equal(found["last.bias"], start["last.bias"])


@pytest.mark.parametrize(("max_norm", "clipped"), [(None, 5.0), (10.0, 5.0), (5.0, 5.0), (2.0, 2.0)])
def test_gradients_are_divided_and_clipped(max_norm, clipped):
    """The gradients 12 and 16, summed over 4 rows, have the mean norm 5."""
    first, second = nn.Linear(1, 1, bias_attr=False), nn.Linear(1, 1, bias_attr=False)
    (first.weight.sum() * 12 + second.weight.sum() * 16).backward()
    frozen = paddle.create_parameter([1], "float32")  # which has no gradient
    assert scale_gradients([first.weight, frozen, second.weight], 4, max_norm) == pytest.approx(5.0)
    assert [first.weight.grad.item(), second.weight.grad.item()] == pytest.approx([0.6 * clipped, 0.8 * clipped])


@pytest.mark.parametrize("wrong", [math.inf, -math.inf, math.nan])
def test_a_gradient_that_is_not_finite_shows_in_the_norm(wrong):
    layer = nn.Linear(1, 1, bias_attr=False)
    (layer.weight.sum() * wrong).backward()
    assert not math.isfinite(scale_gradients([layer.weight], 1, 1.0))


def test_without_any_gradient_the_norm_is_0():
    assert scale_gradients([paddle.create_parameter([1], "float32")], 4, 1.0) == 0


# ---- layer by layer


def classifier(encoder: nn.Layer) -> SentimentClassifier:
    return SentimentClassifier(encoder, n_classes=2, pooling="cls", head="linear", output="softmax", dropout=0.0)


def from_scratch(kind: str, **sizes) -> SentimentClassifier:
    sizes = {"hidden_size": 8, "n_layers": 3, "n_heads": 2, "max_positions": 16, "embedding_size": 8, **sizes}
    return classifier(build_encoder(EncoderSection(encoder=kind, **sizes), 20, 0))


def small_electra() -> SentimentClassifier:
    """Return a model with embeddings that are narrower than its layers and are projected."""
    sizes = {"vocab_size": 20, "embedding_size": 4, "hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2}
    return classifier(PretrainedEncoder(build_model("electra", {**sizes, "intermediate_size": 16})))


LAYERED = {
    "bert": lambda: from_scratch("bert"),
    "transformer": lambda: from_scratch("transformer"),
    "transformer with learned positions": lambda: from_scratch("transformer", positions="learned"),
    "electra": small_electra,
}
# Part of a parameter's name, and the exponent of its rate factor, with three layers.
EXPONENTS = {"layers.2.": 1, "layers.1.": 2, "layers.0.": 3, "embedding": 4, "positions": 4, "pooler": 0, "head": 0}


def exponent(name: str) -> int:
    """Return the exponent of a parameter by its name; `position_embeddings` matches twice, with the same exponent."""
    (found,) = {value for part, value in EXPONENTS.items() if part in name}
    return found


@pytest.mark.parametrize("kind", LAYERED)
def test_the_factor_of_each_layer_by_hand(kind):
    model = LAYERED[kind]()
    found = layer_rate_factors(model, 0.5)
    assert found == {name: 0.5 ** exponent(name) for name, _ in model.named_parameters()}
    assert set(found.values()) == {1, 0.5, 0.25, 0.125, 0.0625}


@pytest.mark.parametrize("kind", LAYERED)
def test_a_step_moves_each_layer_by_its_rate(kind):
    """AdamW's first step moves a weight by its learning rate along the gradient's sign; decay uses that rate too."""
    settings = OptimizerSection(learning_rate=0.125, weight_decay=0.0, epsilon=1e-12, layer_decay=0.5)
    for decay in (0.0, 0.25):
        model = LAYERED[kind]()
        optimizer = build_optimizer(model, settings.model_copy(update={"weight_decay": decay}))
        before, names = weights(model), plain_names(model, decayed_parameters(model))
        set_gradients(model, {name: np.ones_like(value) for name, value in before.items()})
        optimizer.step()
        for name, value in weights(model).items():
            rate = 0.125 * 0.5 ** exponent(name)
            expected = before[name] * (1 - rate * decay * (name in names)) - rate
            np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_groups_by_hand():
    layers = {"head": 1.0, "layer_3": 0.5, "layer_2": 0.25, "layer_1": 0.125, "embeddings": 0.0625}
    bert, own = LAYERED["bert"](), {"head.*": 0.3, "*.layers.0.*": 0.2}
    assert group_rate_factors(bert, OptimizerSection(learning_rate=0.1)) == {}
    assert group_rate_factors(bert, OptimizerSection(learning_rate=0.1, layer_decay=0.5)) == layers
    chosen = {"head.*": pytest.approx(3), "*.layers.0.*": pytest.approx(2)}
    some = group_rate_factors(bert, OptimizerSection(learning_rate=0.1, learning_rates=own))
    assert some == {"others": 1.0, **chosen}
    both = group_rate_factors(bert, OptimizerSection(learning_rate=0.1, layer_decay=0.5, learning_rates=own))
    # The pooler is above the layers, like the head.
    assert both == {**{name: layers[name] for name in ("head", "layer_3", "layer_2", "embeddings")}, **chosen}


def test_without_layer_decay_all_parameters_move_by_the_same_rate():
    """Also if an earlier optimiser of the model had layer decay."""
    model = LAYERED["bert"]()
    build_optimizer(model, OptimizerSection(layer_decay=0.5))
    before = weights(model)
    optimizer = build_optimizer(model, OptimizerSection(learning_rate=0.125, weight_decay=0.0))
    set_gradients(model, {name: np.ones_like(value) for name, value in before.items()})
    optimizer.step()
    for name, value in weights(model).items():
        np.testing.assert_allclose(before[name] - value, 0.125, rtol=1e-4, err_msg=name)


def test_freezing_layers_does_not_change_the_rates_of_the_others():
    model = LAYERED["bert"]()
    freeze(model, ("encoder.model.embeddings.*", "*.layers.0.*"))
    before = weights(model)
    optimizer = build_optimizer(model, OptimizerSection(learning_rate=0.125, weight_decay=0.0, layer_decay=0.5))
    for value in model.parameters():
        if not value.stop_gradient:
            value.sum().backward()
    optimizer.step()
    moved = {name: float(np.abs(before[name] - value).max()) for name, value in weights(model).items()}
    frozen = [distance for name, distance in moved.items() if "layers.0" in name or "embeddings" in name]
    assert set(frozen) == {0.0}
    assert moved["encoder.model.encoder.layers.1.linear1.weight"] == pytest.approx(0.125 / 4, rel=1e-4)
    assert moved["head.output.weight"] == pytest.approx(0.125, rel=1e-4)


@pytest.mark.parametrize("kind", ["textcnn", "rnn", "gru", "lstm", "bilstm"])
def test_an_encoder_without_layers_is_refused(kind):
    model = from_scratch(kind)
    with pytest.raises(ConfigError, match=r"optimizer\.layer_decay"):
        build_optimizer(model, OptimizerSection(layer_decay=0.9))
    build_optimizer(model, OptimizerSection())


def trained(model: Toy) -> Toy:
    loop: Loop = make_loop(model, build_optimizer(model, OptimizerSection()))
    assert len(list(loop.steps())) == 3
    return model


def test_frozen_weights_stay_and_the_others_move():
    model = make_toy()
    assert freeze(model, ("first.*", "norm.bias")) == 4 * 8 + 8 + 8
    before, after = weights(model), weights(trained(model))
    unchanged = {name for name in before if before[name].tobytes() == after[name].tobytes()}
    assert unchanged == {"first.weight", "first.bias", "norm.bias"}


def test_freezing_nothing_changes_nothing():
    model = make_toy()
    assert freeze(model, ()) == 0
    assert same(weights(trained(model)), weights(trained(make_toy())))


def test_freezing_the_rest_of_a_partly_frozen_model_is_refused():
    model = make_toy()
    model.last.weight.stop_gradient = model.last.bias.stop_gradient = True
    with pytest.raises(ConfigError, match="every parameter is frozen"):
        freeze(model, ("first.*", "norm.*"))


@pytest.mark.usefixtures("in_chinese")
def test_layers_that_do_not_exist_are_named_in_chinese():
    with pytest.raises(ConfigError) as refused:
        freeze(make_toy(), ["lats.*"])
    message = "training.freeze：没有名称与 'lats.*' 匹配的参数；是不是想写 'last.*'？（第一个参数是 first.weight）"
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (("first.*", "frist.*"), r"'frist\.\*' matches no parameter"),
        (("lats.weight",), "did you mean 'last.weight'"),
        (("lats.*",), r"did you mean 'last\.\*'"),
        (("*",), "every parameter is frozen"),
        (("first.*", "norm.*", "last.*"), "every parameter is frozen"),
    ],
)
def test_freezing_refuses(patterns, message):
    model = make_toy()
    with pytest.raises(ConfigError, match=message):
        freeze(model, patterns)
    assert not any(parameter.stop_gradient for parameter in model.parameters())


# ---- separate learning rates


def test_a_step_with_separate_learning_rates_against_numpy():
    """AdamW's first step moves a weight by its learning rate along the gradient's sign; decay uses that rate too."""
    rates = {"head.*": 0.5, "*.layers.0.*": 0.25, "*.norm1.bias": 1.0}
    settings = OptimizerSection(
        learning_rate=0.125, weight_decay=0.25, epsilon=1e-12, layer_decay=0.5, learning_rates=rates
    )
    model = LAYERED["transformer"]()
    optimizer, before = build_optimizer(model, settings), weights(model)
    decayed = plain_names(model, decayed_parameters(model))
    set_gradients(model, {name: np.ones_like(value) for name, value in before.items()})
    optimizer.step()
    seen = set()
    for name, value in weights(model).items():
        rate = 0.125 * 0.5 ** exponent(name)
        rate = 0.5 if name.startswith("head.") else 0.25 if ".layers.0." in name else rate
        rate = 1.0 if name.endswith(".norm1.bias") else rate  # the last pattern counts
        expected = before[name] * (1 - rate * 0.25 * (name in decayed)) - rate
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-6, err_msg=name)
        seen.add(rate)
    assert seen == {0.5, 0.25, 1.0, 0.0625, 0.03125, 0.0078125}


def test_separate_learning_rates_follow_the_schedule():
    """In the first of two warm-up steps the base rate is halved, and so are all others."""
    settings = OptimizerSection(learning_rate=0.5, weight_decay=0.0, epsilon=1e-12, learning_rates={"last.*": 2.0})
    model = make_toy()
    before = weights(model)
    optimizer = build_optimizer(model, settings)
    optimizer.set_lr(learning_rate(settings.model_copy(update={"warmup_fraction": 0.2}), 0, 10))
    set_gradients(model, {name: np.ones_like(value) for name, value in before.items()})
    optimizer.step()
    for name, value in weights(model).items():
        np.testing.assert_allclose(before[name] - value, 1.0 if "last" in name else 0.25, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("frist.*", r"'frist\.\*' matches no parameter"), ("lats.weight", "did you mean 'last.weight'")],
)
def test_patterns_that_match_nothing_are_refused(pattern, message):
    with pytest.raises(ConfigError, match=rf"optimizer\.learning_rates: .*{message}"):
        build_optimizer(make_toy(), OptimizerSection(learning_rates={"last.*": 1.0, pattern: 0.5}))
