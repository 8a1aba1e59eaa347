"""Cross-entropy in chunks against the formula in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax

from paddle_tasks.onednn import cross_entropy
from paddle_tasks.onednn.cross_entropy import loss_and_gradients, score_targets

ROWS, WIDTH, WORDS = 23, 16, 70


@pytest.fixture
def inputs(draw):
    """Return states, word vectors, bias and targets."""
    return draw(ROWS, WIDTH), draw(WORDS, WIDTH), draw(WORDS), np.random.default_rng(1).integers(0, WORDS, ROWS)


@pytest.fixture(params=[1, 5, ROWS, 100])
def _chunked(request, monkeypatch):
    monkeypatch.setattr(cross_entropy, "_CHUNK_BYTES", 4 * WORDS * request.param)


def expected(states, words, bias, targets):
    log_probs = log_softmax(states.astype(float) @ words.T.astype(float) + bias, axis=1)
    for_logits = np.exp(log_probs)
    for_logits[np.arange(ROWS), targets] -= 1
    gradients = for_logits @ words, for_logits.T @ states, for_logits.sum(axis=0)
    return -log_probs[np.arange(ROWS), targets], log_probs.argmax(axis=1), gradients


@pytest.mark.usefixtures("_chunked")
@pytest.mark.parametrize(("bfloat16", "tolerance"), [(False, 1e-5), (True, 2e-2)])
def test_loss_and_gradients_are_those_of_the_formula(inputs, bfloat16, tolerance):
    losses, _, gradients = expected(*inputs)
    loss, found = loss_and_gradients(*inputs, bfloat16=bfloat16)
    assert loss == pytest.approx(losses.sum(), rel=tolerance)
    for ours, theirs in zip(found, gradients, strict=True):
        assert np.abs(ours - theirs).max() < tolerance * np.abs(theirs).max()


@pytest.mark.usefixtures("_chunked")
@pytest.mark.parametrize(("bfloat16", "tolerance"), [(False, 1e-5), (True, 2e-2)])
def test_a_smoothed_target_is_spread_over_all_words(inputs, bfloat16, tolerance):
    states, words, bias, targets = inputs
    log_probs = log_softmax(states.astype(float) @ words.T.astype(float) + bias, axis=1)
    target = np.full((ROWS, WORDS), 0.1 / WORDS)
    target[np.arange(ROWS), targets] += 0.9
    for_logits = np.exp(log_probs) - target
    expected_gradients = for_logits @ words, for_logits.T @ states, for_logits.sum(axis=0)
    loss, found = loss_and_gradients(*inputs, bfloat16=bfloat16, smoothing=0.1)
    assert loss == pytest.approx(-(target * log_probs).sum(), rel=tolerance)
    for ours, theirs in zip(found, expected_gradients, strict=True):
        assert np.abs(ours - theirs).max() < tolerance * np.abs(theirs).max()


@pytest.mark.usefixtures("_chunked")
def test_scores_are_those_of_the_formula(inputs):
    losses, predicted, _ = expected(*inputs)
    scores = score_targets(*inputs)
    np.testing.assert_allclose(scores.losses, losses, rtol=1e-4, atol=1e-5)
    assert (scores.predicted == predicted).all()


def test_the_loss_of_an_impossible_target_is_finite(inputs):
    states, words, bias, targets = inputs
    bias = np.where(np.arange(WORDS) == targets[0], np.float32(-1000), bias)
    assert score_targets(states, words, bias, targets).losses[0] == pytest.approx(87.3, abs=0.1)


def test_no_rows_have_no_scores(inputs):
    states, words, bias, targets = inputs
    assert [len(part) for part in score_targets(states[:0], words, bias, targets[:0])] == [0, 0]
