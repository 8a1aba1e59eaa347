"""Masking against a loop over units: the rate, whole units, and the shares of 80 / 10 / 10."""

from __future__ import annotations

from itertools import accumulate, takewhile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.text.masking import Masking

MASK, FIRST_WORD = 4, 5
WORDS = np.arange(FIRST_WORD, 1000)


@st.composite
def passages(draw):
    """Return the ids of a passage and the starts of its units of up to four tokens."""
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=40))
    starts = np.zeros(sum(lengths), bool)
    starts[[0, *accumulate(lengths[:-1])]] = True
    ids = draw(st.lists(st.integers(FIRST_WORD, 999), min_size=len(starts), max_size=len(starts)))
    return np.array(ids, np.int32), starts


def passage_of(n_units, length=1, seed=0):
    """Return a passage of units with the same length."""
    ids = np.random.default_rng(seed).integers(FIRST_WORD, 1000, n_units * length).astype(np.int32)
    return ids, np.arange(n_units * length) % length == 0


def apply(masking, ids, starts, seed=0, random_ids=WORDS):
    return masking.apply(ids, starts, MASK, random_ids, np.random.default_rng(seed))


def units(starts):
    return np.split(np.arange(len(starts)), np.flatnonzero(starts)[1:])


def chosen_by_loop(ids, starts, rate, seed):
    """Return the positions of units taken in random order as long as they fit, but at least of the first unit."""
    all_units = units(starts)
    order = [all_units[index] for index in np.random.default_rng(seed).permutation(len(all_units))]
    budget = round(rate * len(ids))
    fitting = list(takewhile(lambda size: size <= budget, accumulate(map(len, order))))
    return sorted(np.concatenate(order[: max(1, len(fitting))]).tolist())


@given(passages(), st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_units_are_selected_as_long_as_they_fit(passage, rate, seed):
    positions, _ = apply(Masking(rate), *passage, seed)
    assert positions.dtype == np.int64
    assert positions.tolist() == chosen_by_loop(*passage, rate, seed)


@given(passages(), st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_units_are_masked_whole_and_the_rest_is_unchanged(passage, rate, seed):
    ids, starts = passage
    before = ids.copy(), starts.copy()
    # Random ids that do not occur in the passage show what replaced each token.
    positions, masked = apply(Masking(rate), ids, starts, seed, random_ids=np.arange(2000, 2100))
    assert masked.dtype == np.int32
    kinds = np.select([masked == MASK, masked >= 2000, masked == ids], ["mask", "random", "same"], "other")
    for unit in units(starts):
        assert len({kinds[position] for position in unit}) == 1
        assert len({position in positions for position in unit}) == 1
    assert "other" not in kinds
    assert set(kinds[np.setdiff1d(np.arange(len(ids)), positions)]) <= {"same"}
    assert (ids == before[0]).all()
    assert (starts == before[1]).all()


@given(passages(), st.integers(0, 2**32))
def test_only_the_given_ids_are_drawn(passage, seed):
    random_ids = np.array([7, 900, 31])
    positions, masked = apply(Masking(0.9, mask_prob=0.0, random_prob=1.0), *passage, seed, random_ids=random_ids)
    assert set(masked[positions].tolist()) <= set(random_ids.tolist())


def test_every_given_id_is_drawn():
    random_ids = np.array([7, 900, 31])
    _, masked = apply(Masking(0.9, mask_prob=0.0, random_prob=1.0), *passage_of(300), random_ids=random_ids)
    assert set(random_ids.tolist()) <= set(masked.tolist())


@given(passages(), st.integers(0, 2**32))
def test_equal_seeds_give_equal_masks(passage, seed):
    first, again = (apply(Masking(), *passage, seed) for _ in range(2))
    assert first[0].tolist() == again[0].tolist()
    assert first[1].tolist() == again[1].tolist()


def test_other_seeds_give_other_positions():
    found = {tuple(apply(Masking(), *passage_of(100), seed)[0].tolist()) for seed in range(20)}
    assert len(found) == 20


def test_the_draws_never_change():
    """A run resumed with a later version must see the same masks."""
    ids, starts = passage_of(10, 2)
    positions, masked = apply(Masking(0.6, 0.4, 0.4), ids, starts, seed=11)
    assert positions.tolist() == [2, 3, 6, 7, 10, 11, 12, 13, 16, 17, 18, 19]
    assert masked[positions].tolist() == [446, 664, 994, 278, 4, 4, 506, 608, 4, 4, 4, 4]


# ---- the number of tokens


@pytest.mark.parametrize(
    ("rate", "length", "expected"), [(0.15, 1, 150), (0.2, 1, 200), (0.15, 2, 150), (0.15, 4, 148)]
)
def test_the_rate_is_reached(rate, length, expected):
    positions, _ = apply(Masking(rate), *passage_of(1000 // length, length))
    assert len(positions) == expected


@pytest.mark.parametrize("length", [1, 3, 5])
def test_at_least_one_unit_is_masked(length):
    assert len(apply(Masking(0.01), *passage_of(4, length))[0]) == length


# Draws of units of two tokens. The bounds are four standard deviations, and 70 / 20 / 10 lies 30 off.
N_UNITS = 20_000


def frequencies(masking):
    """Return the shares of units that became [MASK], became random, and stayed the same."""
    ids, starts = passage_of(N_UNITS, 2)
    positions, masked = apply(masking, ids, starts, seed=5, random_ids=np.arange(2000, 3000))
    assert len(positions) == 2 * N_UNITS
    first = positions[::2]
    return [float(part.mean()) for part in (masked[first] == MASK, masked[first] >= 2000, masked[first] == ids[first])]


@pytest.mark.parametrize(
    "expected", [(0.8, 0.1, 0.1), (0.7, 0.2, 0.1), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
)
def test_the_shares_are_as_configured(expected):
    masking = Masking(1.0, *expected[:2])
    for found, prob in zip(frequencies(masking), expected, strict=True):
        assert abs(found - prob) <= 4 * (prob * (1 - prob) / N_UNITS) ** 0.5


def test_eighty_ten_ten_is_the_default():
    assert frequencies(Masking(1.0)) == frequencies(Masking(1.0, 0.8, 0.1))
    assert Masking().rate == 0.15


def test_every_unit_is_as_likely_as_any_other():
    ids, starts = passage_of(50)
    counts = np.bincount(np.concatenate([apply(Masking(0.2), ids, starts, seed)[0] for seed in range(2000)]))
    assert len(counts) == 50
    assert np.abs(counts - 400).max() < 4.5 * (2000 * 0.2 * 0.8) ** 0.5


def test_the_tokens_of_a_unit_get_independent_random_ids():
    _, masked = apply(Masking(0.5, 0.0, 1.0), *passage_of(100, 2), random_ids=np.arange(2000, 3000))
    pairs = masked.reshape(-1, 2)
    replaced = pairs[(pairs >= 2000).all(axis=1)]
    assert len(replaced) == 50
    assert (replaced[:, 0] != replaced[:, 1]).sum() > 45


@given(passages(), st.integers(0, 2**32))
def test_with_character_share_units_are_single_tokens(passage, seed):
    ids, starts = passage
    generator = np.random.default_rng(seed)
    generator.random()  # the draw that selects the passage
    expected = Masking(0.4).apply(ids, np.ones_like(starts), MASK, WORDS, generator)
    for found, right in zip(apply(Masking(0.4, character_share=1.0), ids, starts, seed), expected, strict=True):
        np.testing.assert_array_equal(found, right)


def test_the_share_of_passages_masked_by_character():
    ids, starts = passage_of(30, length=2)
    masking = Masking(0.4, mask_prob=1.0, random_prob=0.0, character_share=0.3)
    masks = [apply(masking, ids, starts, seed)[1].reshape(-1, 2) == MASK for seed in range(600)]
    by_character = np.mean([(mask[:, 0] != mask[:, 1]).any() for mask in masks])
    assert 0.25 < by_character < 0.35
