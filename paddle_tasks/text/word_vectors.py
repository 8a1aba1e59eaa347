"""Static word vectors from counts: which words stand near which, made dense by a singular value decomposition."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

Array = np.ndarray[Any, np.dtype[Any]]

_SMOOTHING = 0.75


def word_vectors(words: Array, lines: Array, n_words: int, *, size: int, window: int = 5, seed: int = 0) -> Array:
    """Return a unit vector for each word, near for words that stand near the same words.

    Positive pointwise mutual information of words within a window, with smoothed contexts, factorised. Source: Levy,
    Goldberg and Dagan, 2015, https://aclanthology.org/Q15-1016, sections 2 and 3.

    Args:
        words: <int64>[n], the words of the texts, -1 for those that are to be left out.
        lines: <int64>[n], the line of each; words of different lines are not near.
        n_words: the number of different words.
        size: of a vector; where there are fewer words than that, the last places are zero.
        window: words on either side that are near.
        seed: of the decomposition's random start.

    Returns:
        <float32>[n_words, size]; zeros for a word that is near none.
    """
    counts = _counts(words, lines, n_words, window)
    information = _ppmi(counts)
    left, values, _ = randomized_svd(information, min(size, n_words), n_iter=4, random_state=seed)
    vectors = np.pad(left * np.sqrt(values), ((0, 0), (0, max(0, size - n_words))))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    # Of a word that is near none, rounding leaves a little, which is no direction.
    known = (np.diff(information.indptr) > 0)[:, None] & (norms > 0)
    return np.divide(vectors, norms, out=np.zeros_like(vectors), where=known).astype(np.float32)


def _counts(words: Array, lines: Array, n_words: int, window: int) -> sparse.csr_matrix:
    """Return how often word i stands within ``window`` places of word j, <float64>[n_words, n_words]."""
    total = sparse.csr_matrix((n_words, n_words))
    for distance in range(1, window + 1):
        first, second = words[:-distance], words[distance:]
        near = (lines[:-distance] == lines[distance:]) & (first >= 0) & (second >= 0)
        ones = np.ones(int(near.sum()))
        total += sparse.coo_matrix((ones, (first[near], second[near])), shape=(n_words, n_words)).tocsr()
    return total + total.T


def _ppmi(counts: sparse.csr_matrix) -> sparse.csr_matrix:
    found = counts.tocoo()
    of_word = np.asarray(counts.sum(axis=1)).ravel()
    of_context = of_word**_SMOOTHING
    share = of_context[found.col] / of_context.sum()
    values = np.log(found.data / (of_word[found.row] * share))
    positive = values > 0
    return sparse.csr_matrix((values[positive], (found.row[positive], found.col[positive])), shape=counts.shape)
