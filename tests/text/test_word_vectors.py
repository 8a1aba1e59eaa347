from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.text.word_vectors import _counts, _ppmi, word_vectors


@pytest.fixture
def texts() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    words = generator.integers(-1, 12, 400)
    return words, np.sort(generator.integers(0, 40, 400))


def counted(words: np.ndarray, lines: np.ndarray, n_words: int, window: int) -> np.ndarray:
    """Count pair by pair."""
    counts = np.zeros((n_words, n_words))
    for i, first in enumerate(words):
        for j, second in enumerate(words):
            if i != j and abs(i - j) <= window and lines[i] == lines[j] and min(first, second) >= 0:
                counts[first, second] += 1
    return counts


@pytest.mark.parametrize("window", [1, 2, 5])
def test_counts_are_those_of_a_loop(texts, window):
    np.testing.assert_array_equal(_counts(*texts, 12, window).toarray(), counted(*texts, 12, window))


def test_information_is_that_of_the_formula(texts):
    counts = counted(*texts, 12, 2)
    share = counts.sum(axis=0) ** 0.75 / (counts.sum(axis=0) ** 0.75).sum()
    with np.errstate(divide="ignore"):
        expected = np.maximum(0, np.log(counts / counts.sum(axis=1, keepdims=True) / share))
    np.testing.assert_allclose(_ppmi(_counts(*texts, 12, 2)).toarray(), expected, rtol=1e-10)


def test_words_that_stand_in_the_same_places_are_near():
    generator = np.random.default_rng(1)
    # Words 0 and 1 stand between 2, 3 and 4; words 5 and 6 between 7, 8 and 9.
    lines = [[low + 2 + a, low + b, low + 2 + c] for low in (0, 5) for a, b, c in generator.integers(0, 2, (200, 3))]
    words = np.array(lines).ravel()
    vectors = word_vectors(words, np.repeat(np.arange(len(lines)), 3), 11, size=4)
    assert vectors[0] @ vectors[1] > 0.9
    assert abs(vectors[0] @ vectors[5]) < 0.5
    np.testing.assert_allclose(np.linalg.norm(vectors[[0, 1, 2, 3, 5, 6, 7, 8]], axis=1), 1, rtol=1e-5)
    assert not vectors[10].any()


def test_they_are_the_same_each_time(texts):
    np.testing.assert_array_equal(word_vectors(*texts, 12, size=4), word_vectors(*texts, 12, size=4))


def test_with_few_words_the_last_places_are_zero(texts):
    vectors = word_vectors(*texts, 12, size=20)
    assert vectors.shape == (12, 20)
    assert not vectors[:, 12:].any()
