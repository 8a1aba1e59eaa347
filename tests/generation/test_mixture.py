"""Mixtures of two models against their probabilities, and the weight against a grid."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.generation.mixture import Mixture, fit_weight, mix_log_probs
from paddle_tasks.models.ngrams.kneser_ney import KneserNey

TRAIN = [np.random.default_rng(seed).choice(6, 80, p=[0.4, 0.2, 0.2, 0.1, 0.05, 0.05]).tolist() for seed in range(3)]
ONE, OTHER = KneserNey.fit(TRAIN, 6, 1), KneserNey.fit([ids[::2] for ids in TRAIN], 6, 3)


class Shifted:
    """A model whose logits are not normalised."""

    def __init__(self, model: KneserNey, shift: float) -> None:
        self.model, self.shift, self.select = model, np.float32(shift), model.select

    def start(self, prompts):
        state, logits = self.model.start(prompts)
        return state, logits + self.shift

    def advance(self, state, tokens):
        state, logits = self.model.advance(state, tokens)
        return state, logits + self.shift


def test_probabilities_are_the_weighted_mean():
    mixture = Mixture(Shifted(ONE, 5), OTHER, 0.3)
    state, logits = mixture.start([[0, 1], [2]])
    state = mixture.select(state, [1, 0, 1])
    _, logits = mixture.advance(state, [3, 4, 5])
    for row, prompt in enumerate([[2, 3], [0, 1, 4], [2, 5]]):
        expected = [model.distribution(prompt, at_start=True) for model in (ONE, OTHER)]
        assert np.exp(logits[row]) == pytest.approx(0.3 * expected[0] + 0.7 * expected[1], rel=1e-5)
    assert logits.dtype == np.float32


def test_the_weight_is_the_best_of_a_grid():
    generator = np.random.default_rng(5)
    first, second = np.log(generator.beta(1, 4, (2, 500)))
    grid = np.linspace(0.001, 0.999, 999)
    best = grid[np.argmax([mix_log_probs(first, second, weight).sum() for weight in grid])]
    assert fit_weight(first, second) == pytest.approx(best, abs=0.002)
    assert fit_weight(second, first) == pytest.approx(1 - best, abs=0.002)


def test_the_weight_of_a_model_that_is_always_better_goes_to_one():
    worse = np.log(np.random.default_rng(5).uniform(0, 0.1, 500))
    assert fit_weight(worse + 1, worse) > 0.99
    assert fit_weight(worse, worse + 1) < 0.01


def test_small_probabilities_do_not_underflow():
    assert mix_log_probs(np.array([-2000.0]), np.array([-2000.0]), 0.25) == pytest.approx(-2000)


@pytest.mark.parametrize("weight", [0.0, 1.0, -1.0])
def test_the_weight_is_checked(weight):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        Mixture(ONE, OTHER, weight)
