"""Static word vectors: co-occurrence counts of words, reduced by a singular value decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from paddle_tasks.arrays import Array

_SMOOTHING = 0.75
"""The exponent of the context counts (Levy, Goldberg and Dagan, 2015, section 3)."""
MIN_COUNT, MAX_WORDS = 10, 40_000
"""A word has a vector if it occurs at least this often and is among the most frequent words."""
_WINDOW = 10
"""Context words on either side; wider than the default, since topic and sentiment matter more here than grammar."""
_MAX_COUNTED = 12_000_000
"""Words that co-occurrences are counted from, about; more take minutes and change little."""


@dataclass(frozen=True, eq=False)
class WordVectors:
    """The word of each token of many texts, and the vectors of the words.

    Attributes:
        words: ``<int32>[tokens]``, the row of the word's vector; -1 for a word without one.
        vectors: ``<float32>[words, size]``, of length 1. Over all occurrences of words in the texts, each column has a
            mean of about 0 and about the same standard deviation.
    """

    words: Array
    vectors: Array


def learn_word_vectors(
    ids: Array, starts: Array, lines: Array, n_entries: int, *, size: int, seed: int = 0
) -> WordVectors:
    """Learn vectors of the frequent words of texts; a word is a sequence of token ids.

    Args:
        ids: ``<int32>[tokens]``, the tokens of all texts.
        starts: ``<bool>[tokens]``, whether a word starts at a token.
        lines: ``<int64>[tokens]``, the line of each token, never decreasing.
        n_entries: the size of the vocabulary.
        size: the size of a vector.
        seed: the seed of the decomposition.
    """
    first = np.flatnonzero(starts)
    lengths = np.diff(first, append=len(ids))
    words, n_words = _number_words(ids, first, lengths, n_entries)
    counted = lines[first] % -(-max(1, len(first)) // _MAX_COUNTED) == 0
    vectors = learn_vectors(words[counted], lines[first][counted], n_words, size=size, window=_WINDOW, seed=seed)
    return WordVectors(np.repeat(words, lengths).astype(np.int32), _standardise(vectors, words[words >= 0]))


def _number_words(ids: Array, first: Array, lengths: Array, n_entries: int) -> tuple[Array, int]:
    """Number the words by descending frequency, with -1 for rare or long ones; return the numbers and their count.

    A word of n tokens is packed into one int64 as a number of n digits in base ``n_entries + 1``.
    """
    max_length = int(63 / np.log2(n_entries + 1))
    keys = np.zeros(len(first), np.int64)
    for position in range(min(max_length, lengths.max(initial=0))):
        inside = lengths > position
        keys[inside] = keys[inside] * (n_entries + 1) + ids[first[inside] + position] + 1
    keys[lengths > max_length] = -1
    values, key_of_word, counts = np.unique(keys, return_inverse=True, return_counts=True)
    counts[values < 0] = 0
    frequent = np.argsort(-counts, kind="stable")[:MAX_WORDS]
    frequent = frequent[counts[frequent] >= MIN_COUNT]
    numbers = np.full(len(values), -1)
    numbers[frequent] = np.arange(len(frequent))
    return numbers[key_of_word], len(frequent)


def _standardise(vectors: Array, words: Array) -> Array:
    """Centre and scale the columns over all occurrences of the words, then scale each vector to length 1."""
    weights = np.bincount(words, minlength=len(vectors))[:, None] / max(1, len(words))
    centred = vectors - (weights * vectors).sum(axis=0)
    deviations = np.sqrt((weights * centred**2).sum(axis=0))
    scaled = np.divide(centred, deviations, out=np.zeros_like(centred), where=deviations > 0)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    units: Array = np.divide(scaled, norms, out=np.zeros_like(scaled), where=norms > 0).astype(np.float32)
    return units


def learn_vectors(words: Array, lines: Array, n_words: int, *, size: int, window: int = 5, seed: int = 0) -> Array:
    """Learn a unit vector for each word; words in similar contexts get similar vectors.

    The positive pointwise mutual information of words within a window, with smoothed context counts, is factorised.
    Source: Levy, Goldberg and Dagan, 2015, https://aclanthology.org/Q15-1016, sections 2 and 3.

    Args:
        words: ``<int64>[n]``, the words of the texts as numbers; -1 for words to ignore.
        lines: ``<int64>[n]``, the line of each word; only words of the same line co-occur.
        n_words: the number of distinct words.
        size: the size of a vector; with fewer words than that, the last elements are zero.
        window: the number of context words on either side.
        seed: the seed of the decomposition's random start.

    Returns:
        ``<float32>[n_words, size]``; zeros for a word without co-occurrences.
    """
    if not n_words:
        return np.zeros((0, size), np.float32)
    counts = count_cooccurrences(words, lines, n_words, window)
    information = positive_pmi(counts)
    left, values, _ = randomized_svd(information, min(size, n_words), n_iter=4, random_state=seed)
    vectors = np.pad(left * np.sqrt(values), ((0, 0), (0, max(0, size - n_words))))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    # The vector of a word without co-occurrences is only rounding noise.
    known = (np.diff(information.indptr) > 0)[:, None] & (norms > 0)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=known).astype(np.float32)


def count_cooccurrences(words: Array, lines: Array, n_words: int, window: int) -> sparse.csr_matrix:
    """Return how often word i occurs within ``window`` words of word j, ``<float64>[n_words, n_words]``."""
    total = sparse.csr_matrix((n_words, n_words))
    for distance in range(1, window + 1):
        first, second = words[:-distance], words[distance:]
        near = (lines[:-distance] == lines[distance:]) & (first >= 0) & (second >= 0)
        ones = np.ones(int(near.sum()))
        total += sparse.coo_matrix((ones, (first[near], second[near])), shape=(n_words, n_words)).tocsr()
    return total + total.T


def positive_pmi(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the positive pointwise mutual information of co-occurrence counts, with smoothed contexts."""
    cells = counts.tocoo()
    word_counts = np.asarray(counts.sum(axis=1)).ravel()
    context_counts = word_counts**_SMOOTHING
    context_probs = context_counts[cells.col] / context_counts.sum()
    values = np.log(cells.data / (word_counts[cells.row] * context_probs))
    positive = values > 0
    return sparse.csr_matrix((values[positive], (cells.row[positive], cells.col[positive])), shape=counts.shape)
