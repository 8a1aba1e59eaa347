"""Word vectors against loops and formulas written out in full."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from paddle_tasks.text.word_vectors import (
    WordVectors,
    count_cooccurrences,
    learn_vectors,
    learn_word_vectors,
    positive_pmi,
)


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
    np.testing.assert_array_equal(count_cooccurrences(*texts, 12, window).toarray(), counted(*texts, 12, window))


def test_information_is_that_of_the_formula(texts):
    counts = counted(*texts, 12, 2)
    share = counts.sum(axis=0) ** 0.75 / (counts.sum(axis=0) ** 0.75).sum()
    with np.errstate(divide="ignore"):
        expected = np.maximum(0, np.log(counts / counts.sum(axis=1, keepdims=True) / share))
    np.testing.assert_allclose(positive_pmi(count_cooccurrences(*texts, 12, 2)).toarray(), expected, rtol=1e-10)


def test_words_in_the_same_contexts_are_similar():
    generator = np.random.default_rng(1)
    # Words 0 and 1 occur between 2, 3 and 4; words 5 and 6 between 7, 8 and 9.
    lines = [[low + 2 + a, low + b, low + 2 + c] for low in (0, 5) for a, b, c in generator.integers(0, 2, (200, 3))]
    words = np.array(lines).ravel()
    vectors = learn_vectors(words, np.repeat(np.arange(len(lines)), 3), 11, size=4)
    assert vectors[0] @ vectors[1] > 0.9
    assert abs(vectors[0] @ vectors[5]) < 0.5
    np.testing.assert_allclose(np.linalg.norm(vectors[[0, 1, 2, 3, 5, 6, 7, 8]], axis=1), 1, rtol=1e-5)
    assert not vectors[10].any()


def test_they_are_the_same_each_time(texts):
    np.testing.assert_array_equal(learn_vectors(*texts, 12, size=4), learn_vectors(*texts, 12, size=4))


def test_with_few_words_the_last_columns_are_zero(texts):
    vectors = learn_vectors(*texts, 12, size=20)
    assert vectors.shape == (12, 20)
    assert not vectors[:, 12:].any()


# ---- the words of tokens


def spelled(ids: np.ndarray, starts: np.ndarray) -> list[tuple[int, ...]]:
    """Return the tokens of the word that each token belongs to."""
    first = [*np.flatnonzero(starts).tolist(), len(ids)]
    return [tuple(ids[low:high].tolist()) for low, high in pairwise(first) for _ in range(high - low)]


@pytest.fixture(scope="module")
def parted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return 3,000 tokens in words of up to six of them, and lines: few entries, so that words come again."""
    generator = np.random.default_rng(2)
    ids = generator.integers(0, 9, 3000).astype(np.int32)
    starts = generator.random(3000) < 0.5
    lines = np.cumsum(generator.random(3000) < 0.1)
    starts[np.diff(lines, prepend=-1) > 0] = True
    return ids, starts, lines


@pytest.fixture(scope="module")
def found(parted) -> WordVectors:
    return learn_word_vectors(*parted, 9, size=8)


def test_words_of_the_same_tokens_have_the_same_number_and_no_others_do(parted, found):
    words = spelled(*parted[:2])
    known = found.words >= 0
    numbers = dict(zip(words, found.words.tolist(), strict=True))
    assert [numbers[word] for word in words] == found.words.tolist()
    assert len({numbers[word] for word in words} - {-1}) == len({w for w in words if numbers[w] >= 0})
    assert 0 < known.mean() < 1


@pytest.mark.long
def test_rare_words_have_none_and_frequent_ones_come_first(parted, found):
    firsts = np.flatnonzero(parted[1])
    words = [spelled(*parted[:2])[place] for place in firsts]
    counts = Counter(words)
    numbers = dict(zip(words, found.words[firsts].tolist(), strict=True))
    assert {word for word, number in numbers.items() if number >= 0} == {w for w, n in counts.items() if n >= 10}
    in_order = sorted((number, counts[word]) for word, number in numbers.items() if number >= 0)
    assert [n for _, n in in_order] == sorted([n for _, n in in_order], reverse=True)
    assert len(found.vectors) == len(in_order)


def test_a_word_of_more_tokens_than_a_number_holds_has_none():
    ids = np.tile(np.arange(30, dtype=np.int32), 20)
    starts = ids % 5 == 0
    found = learn_word_vectors(ids, starts, np.zeros(600, np.int64), 65_536, size=4)
    assert (found.words == -1).all()  # 17 bits for a token: three fit, five do not
    assert found.vectors.shape == (0, 4)
    assert (learn_word_vectors(ids, starts, np.zeros(600, np.int64), 30, size=4).words >= 0).all()


def test_columns_have_equal_weight(found, parted):
    firsts = np.flatnonzero(parted[1])
    of_texts = found.vectors[found.words[firsts][found.words[firsts] >= 0]]
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-5)
    assert np.abs(of_texts.mean(axis=0)).max() < 0.15
    assert of_texts.std(axis=0).max() < 2 * of_texts.std(axis=0).min()


def test_no_text_gives_no_words():
    nothing = np.zeros(0, np.int64)
    found = learn_word_vectors(nothing, nothing.astype(bool), nothing, 9, size=4)
    assert found.words.shape == (0,)
    assert found.vectors.shape == (0, 4)
