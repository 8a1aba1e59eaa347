"""Encoder-decoders: kernels against Paddle's own operations, padding, causality, attention, and cached decoding."""

from __future__ import annotations

import contextlib

import numpy as np
import paddle
import pytest

from paddle_tasks.models import cpu
from paddle_tasks.models.seq2seq.base import Vocabulary
from paddle_tasks.models.seq2seq.writers import source_translator
from paddle_tasks.onednn import library, precision
from tests.helpers import needs_bfloat16
from tests.models.seq2seq.batches import (
    ATTENTIVE,
    KINDS,
    START,
    VOCABULARY,
    arrays_of,
    build,
    rows,
    source_of,
    target_of,
)

each_kind = pytest.mark.parametrize("kind", KINDS)
each_attentive = pytest.mark.parametrize("kind", ATTENTIVE)


def log_probs(model, sources, targets, **lengths):
    """Return the log-probabilities <float32>[n, outputs] of every next entry of the targets."""
    states = model(source_of(sources, lengths.get("source")), target_of(targets, lengths.get("target")))
    return model.output.log_probs(states, model.words.weight).numpy()


def outcome(model, smoothing=0.0):
    sources, targets = rows()
    model.train()  # Paddle's recurrent layers keep nothing for a gradient otherwise
    model.clear_gradients()
    loss = model.loss(source_of(sources), target_of(targets), smoothing)
    loss.backward()
    return float(loss), {name: value.grad.numpy() for name, value in model.named_parameters()}


@each_kind
@pytest.mark.parametrize("n_frequent", [None, 20])
@pytest.mark.parametrize(
    ("context", "tolerance"),
    [
        (contextlib.nullcontext, 1e-5),
        (library.switched_off, 1e-5),
        pytest.param(lambda: precision.products_in("bfloat16"), 8e-2, marks=needs_bfloat16),
    ],
    ids=["float32", "without onednn", "bfloat16"],
)
def test_the_kernels_compute_what_paddles_operations_do(kind, n_frequent, context, tolerance):
    model = build(kind, VOCABULARY._replace(n_frequent=n_frequent))
    with library.switched_off():
        loss, gradients = outcome(model, smoothing=0.1)
    cpu.switch_in(model)
    with context():
        found, others = outcome(model, smoothing=0.1)
    assert found == pytest.approx(loss, rel=tolerance)
    largest = max(np.linalg.norm(gradient) for gradient in gradients.values())
    for name, gradient in gradients.items():
        error = np.linalg.norm(gradient - others[name])
        assert error < tolerance * max(np.linalg.norm(gradient), largest / 10), name


@each_kind
def test_every_parameter_gets_a_gradient(kind):
    model = build(kind)
    cpu.switch_in(model)
    _, gradients = outcome(model)
    assert all(np.abs(gradient).sum() > 0 for gradient in gradients.values())


@each_kind
@pytest.mark.parametrize("switched_in", [False, True])
def test_a_batch_equals_its_rows_one_by_one(kind, switched_in):
    model = build(kind)
    if switched_in:
        cpu.switch_in(model)
    sources, targets = rows()
    alone = [log_probs(model, [source], [target]) for source, target in zip(sources, targets, strict=True)]
    together = log_probs(model, sources, targets, source=20, target=25)
    np.testing.assert_allclose(together, np.concatenate(alone), atol=1e-5)


@each_kind
def test_no_prediction_sees_later_entries(kind):
    model, ([source, *_], [target, *_]) = build(kind), rows(seed=5)
    changed = [*target[:2], *((token + 7) % 50 for token in target[2:])]
    assert len(target) > 3
    before, after = log_probs(model, [source], [target]), log_probs(model, [source], [changed])
    np.testing.assert_allclose(before[:3], after[:3], atol=1e-6)
    assert np.abs(before[3:] - after[3:]).max() > 1e-3


@each_kind
def test_every_source_entry_matters(kind):
    model, ([source, *_], [target, *_]) = build(kind), rows(seed=5)
    before = log_probs(model, [source], [target])
    for position in range(len(source)):
        changed = [*source]
        changed[position] = (changed[position] + 1) % 50
        assert np.abs(log_probs(model, [changed], [target]) - before).max() > 1e-4


@each_attentive
def test_attention_weights_sum_to_1_over_real_source_entries(kind):
    model, (sources, targets) = build(kind), rows()
    weights = model.attention(source_of(sources, 15), target_of(targets)).numpy()
    assert weights.shape == (4, max(map(len, targets)) + 1, 15)
    for row, source in enumerate(sources):
        np.testing.assert_allclose(weights[row, :, : len(source)].sum(axis=-1), 1, atol=1e-5)
        assert weights[row, :, len(source) :].max(initial=0) < 1e-20
    assert weights.std() > 1e-3


@each_attentive
def test_attention_on_arrays_is_that_of_the_layer(kind):
    model, (sources, targets) = build(kind), rows()
    on_arrays = source_translator(model, START)
    expected = model.attention(source_of(sources), target_of(targets)).numpy()
    for row, (source, target) in enumerate(zip(sources, targets, strict=True)):
        found = on_arrays.attention(np.array(source), np.array(target))
        np.testing.assert_allclose(found, expected[row, : len(target) + 1, : len(source)], atol=1e-6)


def test_a_model_without_attention_says_so():
    model, (sources, targets) = build("none"), rows()
    on_arrays = source_translator(model, START)
    assert not model.has_attention
    assert not on_arrays.has_attention
    with pytest.raises(ValueError, match="has none"):
        model.attention(source_of(sources), target_of(targets))
    with pytest.raises(ValueError, match="has none"):
        on_arrays.attention(np.array(sources[0]), np.array(targets[0]))


@each_kind
@pytest.mark.parametrize("vocabulary", [VOCABULARY, Vocabulary(57, 55, 20)], ids=["one level", "two levels"])
def test_cached_decoding_equals_one_pass(kind, vocabulary):
    model, (sources, _) = build(kind, vocabulary), rows()
    generator = np.random.default_rng(3)
    target = generator.integers(0, 50, (len(sources), 70))  # more positions than the cache has at first
    state, found = (writer := source_translator(model, START).writer(*arrays_of(sources))).start([[]] * len(sources))
    steps = [found]
    for tokens in target.T.tolist():
        state, found = writer.advance(state, tokens)
        steps.append(found)
    expected = log_probs(model, sources, target.tolist()).reshape(len(sources), 71, -1)
    np.testing.assert_allclose(np.stack(steps, axis=1), expected, atol=1e-5)


@each_kind
def test_selected_rows_go_on_as_they_were(kind):
    model, (sources, _) = build(kind), rows()
    writer = source_translator(model, START).writer(*arrays_of(sources))
    state, _ = writer.start([[]] * len(sources))
    state, _ = writer.advance(state, [3, 4, 5, 6])
    _, found = writer.advance(writer.select(state, [2, 2, 0]), [7, 8, 9])
    expected = log_probs(model, [sources[n] for n in (2, 2, 0)], [[5, 7], [5, 8], [3, 9]]).reshape(3, 3, -1)
    np.testing.assert_allclose(found, expected[:, -1], atol=1e-5)


@each_kind
def test_prompts_are_empty(kind):
    writer = source_translator(build(kind), START).writer(*arrays_of([[1, 2], [3]]))
    for prompts in ([[]], [[], [4]]):
        with pytest.raises(ValueError, match="2 empty prompts"):
            writer.start(prompts)


@each_kind
def test_dropout_changes_training_only(kind):
    model, (sources, targets) = build(kind, dropout=0.5), rows()
    cpu.switch_in(model)
    source, target = source_of(sources), target_of(targets)
    assert float(model.loss(source, target)) == float(model.loss(source, target))
    model.train()
    paddle.seed(3)
    first = float(model.loss(source, target))
    assert float(model.loss(source, target)) != first
    paddle.seed(3)
    assert float(model.loss(source, target)) == first
