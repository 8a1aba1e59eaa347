"""Static word vectors from counts: which words stand near which, made dense by a singular value decomposition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from paddle_tasks.arrays import Array

_SMOOTHING = 0.75
_RAREST, _MOST_WORDS = 10, 40_000
"""A word that stands in the texts less often has no vector, nor have those behind the most frequent ones."""
_NEAR = 10
"""Words on either side that count as near: farther than for the start, as topic and praise matter more than grammar."""
_COUNTED = 12_000_000
"""Words of the texts that vectors are counted from: more of them take minutes and change little."""


@dataclass(frozen=True, eq=False)
class WordVectors:
    """The word that each token of many texts belongs to, and what such words mean.

    Attributes:
        words: <int32>[tokens], -1 for a word without a vector.
        vectors: <float32>[words, size], of length 1; over all words that stand in the texts, the mean of a column is
            about 0 and its deviation the same as any other's.
    """

    words: Array
    vectors: Array


def vectors_of_words(
    ids: Array, starts: Array, lines: Array, n_entries: int, *, size: int, seed: int = 0
) -> WordVectors:
    """Return the vectors of the frequent words of texts; words of the same tokens are the same.

    Args:
        ids: <int32>[tokens], the texts' tokens.
        starts: <bool>[tokens], where a word starts.
        lines: <int64>[tokens], the line of each token; rising.
        n_entries: of the vocabulary.
        size: of a vector.
        seed: of the decomposition.
    """
    first = np.flatnonzero(starts)
    lengths = np.diff(first, append=len(ids))
    words, n_words = _numbered(ids, first, lengths, n_entries)
    counted = lines[first] % -(-max(1, len(first)) // _COUNTED) == 0
    found = word_vectors(words[counted], lines[first][counted], n_words, size=size, window=_NEAR, seed=seed)
    return WordVectors(np.repeat(words, lengths).astype(np.int32), _even(found, words[words >= 0]))


def _numbered(ids: Array, first: Array, lengths: Array, n_entries: int) -> tuple[Array, int]:
    """Number words from the most frequent one on, -1 for a rare or long one; return how many have numbers too."""
    longest = int(63 / np.log2(n_entries + 1))
    keys = np.zeros(len(first), np.int64)
    for place in range(min(longest, lengths.max(initial=0))):
        inside = lengths > place
        keys[inside] = keys[inside] * (n_entries + 1) + ids[first[inside] + place] + 1
    keys[lengths > longest] = -1
    values, of_word, counts = np.unique(keys, return_inverse=True, return_counts=True)
    counts[values < 0] = 0
    best = np.argsort(-counts, kind="stable")[:_MOST_WORDS]
    best = best[counts[best] >= _RAREST]
    numbers = np.full(len(values), -1)
    numbers[best] = np.arange(len(best))
    return numbers[of_word], len(best)


def _even(vectors: Array, words: Array) -> Array:
    """Return vectors of length 1 whose columns matter alike, each word counting as often as it is found."""
    weights = np.bincount(words, minlength=len(vectors))[:, None] / max(1, len(words))
    centred = vectors - (weights * vectors).sum(axis=0)
    deviations = np.sqrt((weights * centred**2).sum(axis=0))
    scaled = np.divide(centred, deviations, out=np.zeros_like(centred), where=deviations > 0)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    even: Array = np.divide(scaled, norms, out=np.zeros_like(scaled), where=norms > 0).astype(np.float32)
    return even


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
    if not n_words:
        return np.zeros((0, size), np.float32)
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
