"""Masking: units hidden whole at the rate that was asked for, against a loop over units, and 80 / 10 / 10 of them."""

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
    """Return ids and where a unit starts, of units of up to four tokens."""
    lengths = draw(st.lists(st.integers(1, 4), min_size=1, max_size=40))
    starts = np.zeros(sum(lengths), bool)
    starts[[0, *accumulate(lengths[:-1])]] = True
    ids = draw(st.lists(st.integers(FIRST_WORD, 999), min_size=len(starts), max_size=len(starts)))
    return np.array(ids, np.int32), starts


def of_words(n_words, length=1, seed=0):
    """Return a passage of units of a length."""
    ids = np.random.default_rng(seed).integers(FIRST_WORD, 1000, n_words * length).astype(np.int32)
    return ids, np.arange(n_words * length) % length == 0


def applied(masking, ids, starts, seed=0, words=WORDS):
    return masking.apply(ids, starts, MASK, words, np.random.default_rng(seed))


def units(starts):
    return np.split(np.arange(len(starts)), np.flatnonzero(starts)[1:])


def chosen_by_loop(ids, starts, rate, seed):
    """Return the places of units in a random order, as long as they fit, and of the first in any case."""
    found = units(starts)
    order = [found[at] for at in np.random.default_rng(seed).permutation(len(found))]
    budget = round(rate * len(ids))
    fitting = list(takewhile(lambda size: size <= budget, accumulate(map(len, order))))
    return sorted(np.concatenate(order[: max(1, len(fitting))]).tolist())


@given(passages(), st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_units_are_chosen_as_long_as_they_fit(passage, rate, seed):
    places, _ = applied(Masking(rate), *passage, seed)
    assert places.dtype == np.int64
    assert places.tolist() == chosen_by_loop(*passage, rate, seed)


@given(passages(), st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_units_are_hidden_whole_and_alike_and_the_rest_is_left(passage, rate, seed):
    ids, starts = passage
    before = ids.copy(), starts.copy()
    # Words that stand nowhere else tell what was put for each token.
    places, hidden = applied(Masking(rate), ids, starts, seed, words=np.arange(2000, 2100))
    assert hidden.dtype == np.int32
    kinds = np.select([hidden == MASK, hidden >= 2000, hidden == ids], ["mask", "random", "same"], "other")
    for unit in units(starts):
        assert len({kinds[place] for place in unit}) == 1
        assert len({place in places for place in unit}) == 1
    assert "other" not in kinds
    assert set(kinds[np.setdiff1d(np.arange(len(ids)), places)]) <= {"same"}
    assert (ids == before[0]).all()
    assert (starts == before[1]).all()


@given(passages(), st.integers(0, 2**32))
def test_only_words_are_drawn(passage, seed):
    words = np.array([7, 900, 31])
    places, hidden = applied(Masking(0.9, mask_prob=0.0, random_prob=1.0), *passage, seed, words=words)
    assert set(hidden[places].tolist()) <= set(words.tolist())


def test_every_word_is_drawn():
    words = np.array([7, 900, 31])
    _, hidden = applied(Masking(0.9, mask_prob=0.0, random_prob=1.0), *of_words(300), words=words)
    assert set(words.tolist()) <= set(hidden.tolist())


@given(passages(), st.integers(0, 2**32))
def test_the_generator_decides_alone(passage, seed):
    first, again = (applied(Masking(), *passage, seed) for _ in range(2))
    assert first[0].tolist() == again[0].tolist()
    assert first[1].tolist() == again[1].tolist()


def test_another_seed_gives_other_places():
    found = {tuple(applied(Masking(), *of_words(100), seed)[0].tolist()) for seed in range(20)}
    assert len(found) == 20


def test_the_draws_stay_what_they_were():
    """A run that is continued with a later version has to go on with the same masks."""
    ids, starts = of_words(10, 2)
    places, hidden = applied(Masking(0.6, 0.4, 0.4), ids, starts, seed=11)
    assert places.tolist() == [2, 3, 6, 7, 10, 11, 12, 13, 16, 17, 18, 19]
    assert hidden[places].tolist() == [446, 664, 994, 278, 4, 4, 506, 608, 4, 4, 4, 4]


# ---- how many


@pytest.mark.parametrize(
    ("rate", "length", "expected"), [(0.15, 1, 150), (0.2, 1, 200), (0.15, 2, 150), (0.15, 4, 148)]
)
def test_the_rate_is_reached(rate, length, expected):
    places, _ = applied(Masking(rate), *of_words(1000 // length, length))
    assert len(places) == expected


@pytest.mark.parametrize("length", [1, 3, 5])
def test_one_unit_is_hidden_whatever_the_rate(length):
    assert len(applied(Masking(0.01), *of_words(4, length))[0]) == length


# Draws of units of two tokens. The bounds are four standard deviations, and 70 / 20 / 10 lies 30 off.
N_UNITS = 20_000


def frequencies(masking):
    """Return the parts of units that became [MASK], random words and themselves."""
    ids, starts = of_words(N_UNITS, 2)
    places, hidden = applied(masking, ids, starts, seed=5, words=np.arange(2000, 3000))
    assert len(places) == 2 * N_UNITS
    first = places[::2]
    return [float(part.mean()) for part in (hidden[first] == MASK, hidden[first] >= 2000, hidden[first] == ids[first])]


@pytest.mark.parametrize(
    "expected", [(0.8, 0.1, 0.1), (0.7, 0.2, 0.1), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
)
def test_units_become_masks_random_words_and_themselves(expected):
    masking = Masking(1.0, *expected[:2])
    for found, prob in zip(frequencies(masking), expected, strict=True):
        assert abs(found - prob) <= 4 * (prob * (1 - prob) / N_UNITS) ** 0.5


def test_eighty_ten_ten_is_the_default():
    assert frequencies(Masking(1.0)) == frequencies(Masking(1.0, 0.8, 0.1))
    assert Masking().rate == 0.15


def test_every_unit_is_as_likely_as_any_other():
    ids, starts = of_words(50)
    counts = np.bincount(np.concatenate([applied(Masking(0.2), ids, starts, seed)[0] for seed in range(2000)]))
    assert len(counts) == 50
    assert np.abs(counts - 400).max() < 4.5 * (2000 * 0.2 * 0.8) ** 0.5


def test_the_tokens_of_a_unit_get_random_words_of_their_own():
    _, hidden = applied(Masking(0.5, 0.0, 1.0), *of_words(100, 2), words=np.arange(2000, 3000))
    pairs = hidden.reshape(-1, 2)
    replaced = pairs[(pairs >= 2000).all(axis=1)]
    assert len(replaced) == 50
    assert (replaced[:, 0] != replaced[:, 1]).sum() > 45


@given(passages(), st.integers(0, 2**32))
def test_where_characters_are_hidden_too_units_are_single_tokens(passage, seed):
    ids, starts = passage
    generator = np.random.default_rng(seed)
    generator.random()  # decides that this passage is one of them
    expected = Masking(0.4).apply(ids, np.ones_like(starts), MASK, WORDS, generator)
    for found, right in zip(applied(Masking(0.4, character_share=1.0), ids, starts, seed), expected, strict=True):
        np.testing.assert_array_equal(found, right)


def test_the_share_of_passages_whose_characters_are_hidden():
    ids, starts = of_words(30, length=2)
    masking = Masking(0.4, mask_prob=1.0, random_prob=0.0, character_share=0.3)
    masks = [applied(masking, ids, starts, seed)[1].reshape(-1, 2) == MASK for seed in range(600)]
    by_character = np.mean([(mask[:, 0] != mask[:, 1]).any() for mask in masks])
    assert 0.25 < by_character < 0.35
