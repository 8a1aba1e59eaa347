"""The causal Transformer: its kernels against Paddle's own layers, causality, and its start from an encoder."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import paddle
import pytest

from paddle_tasks.models import cpu
from paddle_tasks.models.causal_lm import CausalLanguageModel, CausalSizes
from paddle_tasks.models.paddle_free.causal_lm import CausalWriter, Shape
from paddle_tasks.onednn import library, precision

from ..helpers import needs_bfloat16

SIZES = CausalSizes(60, 55, 32, 2, 4, 64, 80)
START = 55


def build(**changes: Any) -> CausalLanguageModel:
    """Return a model whose biases are not zero."""
    paddle.seed(1)
    model, generator = CausalLanguageModel(SIZES._replace(**changes)), np.random.default_rng(0)
    for parameter in model.parameters():
        noise = generator.standard_normal(parameter.shape).astype(np.float32)
        parameter.set_value(parameter.numpy() + 0.1 * noise)
    return model


@pytest.fixture
def inputs():
    """Return ids, positions and targets."""
    ids = paddle.to_tensor(np.random.default_rng(2).integers(0, 55, (3, 71)))
    positions = paddle.arange(4, 3 * 70, 2)
    return ids[:, :-1], positions, paddle.gather(ids[:, 1:].flatten(), positions)


def outcome(model: CausalLanguageModel, inputs: Any) -> tuple[float, dict[str, np.ndarray]]:
    """Return the loss and the gradients; that of the keys' bias is zero but for rounding."""
    model.clear_gradients()
    loss = model.loss(*inputs)
    loss.backward()
    gradients = {name: value.grad.numpy() for name, value in model.named_parameters() if "k_proj.bias" not in name}
    return float(loss), gradients


@pytest.mark.parametrize("changes", [{}, {"pre_norm": False}, {"n_frequent": 20}], ids=str)
@pytest.mark.parametrize(
    ("context", "tolerance"),
    [
        (contextlib.nullcontext, 1e-5),
        (library.switched_off, 1e-5),
        pytest.param(lambda: precision.products_in("bfloat16"), 3e-2, marks=needs_bfloat16),
    ],
    ids=["float32", "without onednn", "bfloat16"],
)
def test_the_kernels_compute_what_paddles_layers_do(inputs, changes, context, tolerance):
    model = build(**changes)
    loss, gradients = outcome(model, inputs)
    cpu.switch_in(model)
    with context():
        found, others = outcome(model, inputs)
    assert found == pytest.approx(loss, rel=tolerance)
    assert gradients.keys() == others.keys()
    assert [
        name for name, own in gradients.items() if np.abs(own - others[name]).max() > tolerance * np.abs(own).max()
    ] == []


@pytest.mark.parametrize("fast", [False, True])
def test_a_position_does_not_depend_on_later_ones(inputs, fast):
    model, (ids, *_) = build(), inputs
    if fast:
        cpu.switch_in(model)
    model.eval()
    changed = ids.clone()
    changed[:, 65:] = 3
    before, after = model(ids).numpy(), model(changed).numpy()
    np.testing.assert_allclose(before[:, :65], after[:, :65], atol=1e-6)
    assert np.abs(before[:, 65:] - after[:, 65:]).max() > 0.01


@pytest.mark.parametrize("n_frequent", [None, 20])
def test_scores_and_losses_are_those_of_the_log_probabilities(inputs, n_frequent):
    model, (ids, positions, targets) = build(n_frequent=n_frequent), inputs
    model.eval()
    log_probs = model.log_probs(ids, positions).numpy().astype(float)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, atol=1e-5)
    losses, predicted = model.score(ids, positions, targets)
    np.testing.assert_allclose(losses, -log_probs[np.arange(len(targets)), targets.numpy()], atol=1e-5)
    assert (predicted == log_probs.argmax(axis=1)).all()
    assert float(model.loss(ids, positions, targets)) == pytest.approx(losses.sum(), rel=1e-5)


# ---- writing with a cache


def writer_of(model: CausalLanguageModel) -> CausalWriter:
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return CausalWriter(arrays, Shape(SIZES.n_heads, model.output.n_frequent, model.sizes.pre_norm), START)


def anew(model: CausalLanguageModel, rows: list[list[int]]) -> np.ndarray:
    """Return the log-probabilities after each row, read alone."""
    model.eval()
    return np.concatenate(
        [model.log_probs(paddle.to_tensor([row]), paddle.to_tensor([len(row) - 1])).numpy() for row in rows]
    )


@pytest.mark.parametrize("changes", [{}, {"pre_norm": False}, {"n_frequent": 20}], ids=str)
def test_a_cache_gives_what_reading_anew_gives(changes):
    model = build(**changes)
    writer, rows = writer_of(model), [[START, 5, 6, 7], [START], [START, *range(30)]]
    state, found = writer.start([row[1:] for row in rows])
    np.testing.assert_allclose(found, anew(model, rows), atol=1e-5)
    for step in range(3):
        tokens = [step, 2 * step, 9]
        rows = [[*row, token] for row, token in zip(rows, tokens, strict=True)]
        state, found = writer.advance(state, tokens)
        np.testing.assert_allclose(found, anew(model, rows), atol=1e-5)
    state, rows = writer.select(state, [2, 0, 2]), [rows[2], rows[0], rows[2]]
    _, found = writer.advance(state, [1, 2, 3])
    np.testing.assert_allclose(
        found, anew(model, [[*row, token] for row, token in zip(rows, (1, 2, 3), strict=True)]), atol=1e-5
    )


def test_a_full_cache_keeps_the_later_half():
    model, ids = build(), [int(n) for n in np.random.default_rng(3).integers(0, 55, 120)]
    writer = writer_of(model)
    state, _ = writer.start([ids[:10]])
    for token in ids[10:]:
        state, found = writer.advance(state, [token])
    n_read = int(state.lengths[0])
    assert SIZES.max_positions // 2 < n_read < SIZES.max_positions
    np.testing.assert_allclose(found, anew(model, [ids[-n_read:]]), atol=1e-5)


def test_a_long_prompt_is_read_from_its_end():
    model, ids = build(), [int(n) for n in np.random.default_rng(4).integers(0, 55, 200)]
    _, found = writer_of(model).start([ids])
    np.testing.assert_allclose(found, anew(model, [ids[-SIZES.max_positions :]]), atol=1e-5)
