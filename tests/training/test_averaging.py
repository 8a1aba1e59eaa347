"""The weight average against numpy, applying and restoring it, and its checkpoints."""

from __future__ import annotations

import itertools

import numpy as np
import paddle
import pytest
from safetensors.numpy import save_file

from paddle_tasks.training.averaging import WeightAverage
from paddle_tasks.training.checkpoint import load_optimizer_state, optimizer_state
from paddle_tasks.training.optimizer import build_optimizer, freeze
from paddle_tasks.training.settings import OptimizerSection

from .toy import Toy, make_loop, make_toy, same, weights

SETTINGS = OptimizerSection(learning_rate=0.05, warmup_fraction=0.0, schedule="constant")


def averaged_run(decay: float, **changes):
    """Return a trained toy, its average, its loop, and the weights before the first step and after each step."""
    model = make_toy()
    average = WeightAverage(model, decay)
    loop = make_loop(model, build_optimizer(model, SETTINGS), average=average, settings=SETTINGS, **changes)
    history = [weights(model)]
    for _ in loop.steps():
        history.append(weights(model))
    return model, average, loop, history


def by_hand(history, decay: float) -> dict[str, np.ndarray]:
    found = {name: value.astype(np.float64) for name, value in history[0].items()}
    for step, now in enumerate(history[1:], start=1):
        factor = min(decay, (1 + step) / (10 + step))
        found = {name: factor * value + (1 - factor) * now[name] for name, value in found.items()}
    return found


def values(average: WeightAverage) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in average.averages.items()}


# The warm-up of the decay, (1 + n) / (10 + n), is below 0.5 for 8 steps and below 0.999 for all 12.
@pytest.mark.parametrize("decay", [0.2, 0.5, 0.999])
def test_the_average_against_numpy(decay):
    _, average, _, history = averaged_run(decay, epochs=4)
    assert len(history) == 13
    expected = by_hand(history, decay)
    for name, value in values(average).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert not np.allclose(expected["first.weight"], history[-1]["first.weight"], rtol=1e-3, atol=1e-3)
    other = by_hand(history, decay * 0.9)
    if decay < 0.9:  # else it is the warm-up alone that decides
        assert not np.allclose(values(average)["first.weight"], other["first.weight"], rtol=1e-5, atol=1e-6)


def test_averaging_does_not_change_training():
    model, *_ = averaged_run(0.9, epochs=2)
    plain = make_toy()
    list(make_loop(plain, build_optimizer(plain, SETTINGS), settings=SETTINGS, epochs=2).steps())
    assert same(weights(model), weights(plain))


def test_applied_swaps_and_restores():
    model, average, *_ = averaged_run(0.9)
    trained = weights(model)
    with average.applied():
        assert same(weights(model), values(average))
        assert not same(weights(model), trained)
    assert same(weights(model), trained)


def test_applied_restores_after_an_exception():
    model, average, *_ = averaged_run(0.9)
    trained, before = weights(model), values(average)
    with pytest.raises(KeyboardInterrupt), average.applied():
        raise KeyboardInterrupt
    assert same(weights(model), trained)
    assert same(values(average), before)


def test_applying_the_average_does_not_change_gradients_or_further_training():
    model, average, loop, _ = averaged_run(0.9, max_steps=2)
    loop.max_steps = 3
    with average.applied():
        assert all(value.stop_gradient for value in average.averages.values())
    list(loop.steps())
    assert same(weights(model), weights(averaged_run(0.9, max_steps=3)[0]))


def test_frozen_weights_have_no_average():
    model = make_toy()
    freeze(model, ("first.*",))
    assert set(WeightAverage(model, 0.9).averages) == {"norm.weight", "norm.bias", "last.weight", "last.bias"}


def test_a_skipped_step_does_not_update_the_average():
    def spoiled(model, batch):
        loss = model(batch.inputs).sum()
        return loss * (float("nan") if 0 in batch.rows else 1.0), len(batch.rows)

    _, average, loop, history = averaged_run(0.5, on_nonfinite="skip", loss=spoiled)
    assert loop.progress.skipped_steps == 1
    found = {name: value.astype(np.float64) for name, value in history[0].items()}
    for step, (before, now) in enumerate(itertools.pairwise(history), start=1):
        factor = 1.0 if same(now, before) else min(0.5, (1 + step) / (10 + step))
        found = {name: factor * value + (1 - factor) * now[name] for name, value in found.items()}
    for name, value in values(average).items():
        np.testing.assert_allclose(value, found[name], rtol=1e-5, atol=1e-6, err_msg=name)


# ---- checkpoints


def restored(path, model: Toy) -> tuple[WeightAverage, dict[str, np.ndarray]]:
    """Load a saved optimiser state into another toy with the model's weights; return its average and weights."""
    other = make_toy(seed=11)
    for name, parameter in other.named_parameters():
        parameter.set_value(dict(model.named_parameters())[name])  # as the model's folder would
    average = WeightAverage(other, 0.9)
    load_optimizer_state(build_optimizer(other, SETTINGS), other, path, average)
    return average, weights(other)


def test_a_checkpoint_keeps_the_trained_weights_and_the_average(tmp_path):
    model, average, loop, _ = averaged_run(0.9)
    trained, expected = weights(model), values(average)
    state = optimizer_state(loop.optimizer, model, average)
    assert {name.removesuffix("::own") for name in state if name.endswith("::own")} == set(trained)
    assert not [name for name in state if name.endswith("::average")], "the model's folder holds it"
    save_file(state, tmp_path / "state")
    with average.applied():
        found, own = restored(tmp_path / "state", model)
    assert same(own, trained)
    assert same(values(found), expected)


def halved(seed: int = 7) -> Toy:
    model = make_toy(seed=seed)
    model.bfloat16()
    return model


@pytest.mark.skipif(not paddle.amp.is_bfloat16_supported(), reason="Paddle has no bfloat16 weights on this CPU")
def test_half_precision_has_a_float32_average(tmp_path):
    """With a decay of 0.999, updates are below the precision of bfloat16: a bfloat16 average would never change."""
    model = halved()
    average = WeightAverage(model, 0.999)
    with paddle.no_grad():
        for step in range(10**6, 10**6 + 3):
            for weight in average.weights.values():
                weight.copy_((weight.astype("float32") * 1.01 + 0.01).astype("bfloat16"), True)
            average.update(step)
    assert {value.dtype for value in average.averages.values()} == {paddle.float32}
    start = halved().norm.weight.astype("float32").numpy()
    rise = average.averages["norm.weight"].numpy() - start
    assert ((rise > 1e-5) & (rise < 1e-3)).all()
    state = optimizer_state(build_optimizer(model, SETTINGS), model, average)
    save_file(state, tmp_path / "state")
    trained = {name: weight.numpy() for name, weight in average.weights.items()}
    other = halved(seed=11)
    with average.applied():
        other.set_state_dict(model.state_dict())
    found = WeightAverage(other, 0.999)
    assert not same(values(found), values(average)), "in bfloat16 the average is rounded"
    load_optimizer_state(build_optimizer(other, SETTINGS), other, tmp_path / "state", found)
    assert same(values(found), values(average))
    assert same({name: weight.numpy() for name, weight in found.weights.items()}, trained)
    assert model.norm.weight.dtype == paddle.bfloat16
