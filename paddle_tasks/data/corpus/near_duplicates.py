"""Texts that are, exactly or nearly, among held-out ones: what a score is taken on must not be trained on.

Near means that the Jaccard index of the texts' sets of character 5-grams, shared ones by all, reaches a threshold
(Broder, "On the resemblance and containment of documents", 1997). No pair is missed: candidates come from a prefix
filter (Chaudhuri, Ganti and Kaushik, "A primitive operator for similarity joins in data cleaning", 2006), which loses
none, and each is verified.

Grams stand as 64-bit hashes. Different grams agree by chance in about one of 10^15 pairs of texts of 100 characters,
which is neglected: a gram of either text would count as shared, and a text that lies one gram below the threshold be
found; or two grams that both texts have would count as one, and a text just at the threshold be missed. Texts that are
equal are always found.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from paddle_tasks.text.packing import concatenate_ranges

Hashes = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_WIDTH = 5
_CHUNK = 1 << 19
"""Characters hashed, or grams compared, at once: a few arrays of some megabytes."""
_LARGEST_DENOMINATOR = 10**6
# Odd numbers without a pattern, the finaliser is that of SplitMix64 (Steele, Lea and Flood, 2014).
_BASE, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class NearDuplicates:
    """Finds texts that are, exactly or nearly, among a set of held-out texts.

    Threads may share one: it is never changed.
    """

    def __init__(self, held_out: Iterable[str], threshold: float = 0.8) -> None:
        """Index the held-out texts.

        Args:
            held_out: texts that must not be found elsewhere; empty ones are passed over.
            threshold: the Jaccard index from which on texts are near duplicates, a millionth to 1. It is taken
                for the nearest fraction with a denominator of at most a million, and compared in integers, so 4 of 5
                grams do reach 0.8.

        Raises:
            ValueError: the threshold is out of its range.
        """
        self._threshold = _fraction(threshold)
        # In order, so that equal sets give equal indices, whatever the seed of Python's hashes.
        texts = sorted({normalise(text) for text in held_out})
        self._grams, self._sizes = _distinct_rarest_first(*_hashed(texts))
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._index = _Index(self._grams, self._starts, self._sizes, self._threshold)

    def find(self, texts: Sequence[str]) -> Mask:
        """Return <bool>[texts]: which texts are, exactly or nearly, among the held-out ones; an empty one never is."""
        found = np.zeros(len(texts), np.bool_)
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        for start, end in _chunks(lengths):
            hashes, counts = _hashed([normalise(text) for text in texts[start:end]])
            found[start:end] = self._find(hashes, counts)
        return found

    def _find(self, hashes: Hashes, counts: Integers) -> Mask:
        """Return <bool>[texts], of texts with ``counts`` <int64>[texts] grams each, one after another in ``hashes``."""
        found = np.zeros(len(counts), np.bool_)
        places, rows = self._index.look_up(hashes)
        text, held = self._index.pairs(np.repeat(np.arange(len(counts)), counts)[places], rows)
        candidates, text = np.unique(text, return_inverse=True)
        grams, sizes = _distinct(*_selected(hashes, counts, candidates))
        near = self._verify(grams, sizes, text, held)
        found[candidates[text[near]]] = True
        return found

    def _verify(self, grams: Hashes, sizes: Integers, text: Integers, held: Integers) -> Mask:
        """Return <bool>[pairs]: whether text number ``text`` of these and held-out text number ``held`` are near."""
        near = np.zeros(len(text), np.bool_)
        # Two sets cannot be nearer than their sizes are; most candidates end here.
        pairs = np.flatnonzero(self._reaches(*_extremes(sizes[text], self._sizes[held])))
        keys = np.sort(_keyed(grams, np.repeat(np.arange(len(sizes)), sizes)))
        for start, end in _chunks(self._sizes[held[pairs]]):
            some = pairs[start:end]
            n_shared = self._n_shared(keys, text[some], held[some])
            near[some] = self._reaches(n_shared, sizes[text[some]] + self._sizes[held[some]] - n_shared)
        return near

    def _n_shared(self, keys: Hashes, text: Integers, held: Integers) -> Integers:
        sizes = self._sizes[held]
        wanted = _keyed(self._grams[concatenate_ranges(self._starts[held], sizes)], np.repeat(text, sizes))
        is_shared = keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] == wanted
        return np.add.reduceat(is_shared, np.cumsum(sizes) - sizes, dtype=np.int64)

    def _reaches(self, n_shared: Integers, n_all: Integers) -> Mask:
        reaches: Mask = n_shared * self._threshold.denominator >= n_all * self._threshold.numerator
        return reaches


class _Index:
    """From grams to the held-out texts that have them among their rarest.

    A text with a Jaccard index of t or more shares at least t * n of a held-out text's n grams, so at least one of any
    n - ceil(t * n) + 1 of them; the rarest are in the fewest other texts.
    """

    def __init__(self, grams: Hashes, starts: Integers, sizes: Integers, threshold: Fraction) -> None:
        """Take the first grams of each held-out text, which are its rarest."""
        needed = -(-sizes * threshold.numerator // threshold.denominator)
        n_taken = np.where(sizes > 0, sizes - needed + 1, 0)
        taken = grams[concatenate_ranges(starts, n_taken)]
        order = np.argsort(taken, kind="stable")
        self._held = np.repeat(np.arange(len(sizes)), n_taken)[order]
        self._keys, self._starts, self._counts = np.unique(taken[order], return_index=True, return_counts=True)
        # Most grams of a corpus are not here, and a small table says so faster than a search.
        bits = min(max(len(self._keys).bit_length() + 4, 10), 26)
        self._shift = np.uint64(64 - bits)
        self._may_have = np.zeros(1 << bits, np.bool_)
        self._may_have[self._keys >> self._shift] = True

    def look_up(self, hashes: Hashes) -> tuple[Integers, Integers]:
        """Return the places in ``hashes`` of grams known here, and the row of each here: <int64>[found] both."""
        places = np.flatnonzero(self._may_have[hashes >> self._shift])
        if not len(self._keys):
            return places, places
        wanted = hashes[places]
        rows = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        is_known = self._keys[rows] == wanted
        return places[is_known], rows[is_known]

    def pairs(self, text: Integers, rows: Integers) -> tuple[Integers, Integers]:
        """Return, each pair once, the texts <int64>[pairs] of the known grams and the held-out texts that have them."""
        # Before they are multiplied too: a text may say one thing a thousand times.
        text, rows = _distinct_pairs(text, rows)
        counts = self._counts[rows]
        return _distinct_pairs(np.repeat(text, counts), self._held[concatenate_ranges(self._starts[rows], counts)])


def normalise(text: str) -> str:
    """Return a text as it is compared: NFKC, in lower case, without any white space.

    Copies of a text differ in what their files do to it: some put spaces between the characters or lines between the
    sentences, and some write digits, letters and punctuation marks in full width where others do not.
    """
    return "".join(unicodedata.normalize("NFKC", text).lower().split())


def _fraction(threshold: float) -> Fraction:
    if not 1 / _LARGEST_DENOMINATOR <= threshold <= 1:
        raise ValueError(f"threshold: expected a number from a millionth to 1, found {threshold}")
    return Fraction(threshold).limit_denominator(_LARGEST_DENOMINATOR)


def _hashed(texts: Sequence[str]) -> tuple[Hashes, Integers]:
    """Return the grams of normalised texts, one text after another <uint64>[n], and each one's number <int64>[texts].

    A text shorter than a gram has itself as its only one, filled up with the white space that no other gram has.
    """
    padded = [text and text.ljust(_WIDTH) for text in texts]
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    # One number for each character, half an emoji (a lone surrogate) included.
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32)
    counts = np.maximum(lengths - _WIDTH + 1, 0)
    return _hash_windows(codes)[concatenate_ranges(np.cumsum(lengths) - lengths, counts)], counts


def _hash_windows(codes: npt.NDArray[np.uint32]) -> Hashes:
    """Return a hash of the `_WIDTH` numbers from each place on: <uint64>[codes - 4]."""
    n_windows = max(len(codes) - _WIDTH + 1, 0)
    hashes = np.zeros(n_windows, np.uint64)
    for place in range(_WIDTH):
        hashes *= _BASE
        hashes += codes[place : place + n_windows]
    return _mixed(hashes)


def _mixed(numbers: Hashes) -> Hashes:
    """Spread each number's bits over all 64, in place; different numbers stay different."""
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        numbers ^= numbers >> np.uint64(shift)
        numbers *= factor
    numbers ^= numbers >> np.uint64(31)
    return numbers


def _keyed(grams: Hashes, text: Integers) -> Hashes:
    """Return one number for each gram and its text's number, so that sets of many texts fit into one sorted array."""
    return grams ^ _mixed(text.astype(np.uint64) + np.uint64(1))


def _distinct(hashes: Hashes, counts: Integers) -> tuple[Hashes, Integers]:
    """Return each text's grams once <uint64>[distinct], in ascending order, and their number <int64>[texts]."""
    text = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((hashes, text))
    hashes, text = hashes[order], text[order]
    is_first = np.ones(len(hashes), np.bool_)
    is_first[1:] = (hashes[1:] != hashes[:-1]) | (text[1:] != text[:-1])
    return hashes[is_first], np.bincount(text[is_first], minlength=len(counts))


def _distinct_rarest_first(hashes: Hashes, counts: Integers) -> tuple[Hashes, Integers]:
    """Return what `_distinct` does, each text's grams ordered by the number of texts that have them."""
    hashes, counts = _distinct(hashes, counts)
    _, gram, n_texts = np.unique(hashes, return_inverse=True, return_counts=True)
    text = np.repeat(np.arange(len(counts)), counts)
    return hashes[np.lexsort((n_texts[gram], text))], counts


def _selected(hashes: Hashes, counts: Integers, texts: Integers) -> tuple[Hashes, Integers]:
    """Return the grams of some texts, one after another, and each one's number."""
    return hashes[concatenate_ranges((np.cumsum(counts) - counts)[texts], counts[texts])], counts[texts]


def _distinct_pairs(first: Integers, second: Integers) -> tuple[Integers, Integers]:
    n_seconds = int(second.max(initial=0)) + 1
    pairs = np.unique(first * n_seconds + second)
    return pairs // n_seconds, pairs % n_seconds


def _extremes(first: Integers, second: Integers) -> tuple[Integers, Integers]:
    return np.minimum(first, second), np.maximum(first, second)


def _chunks(sizes: Integers) -> Iterator[tuple[int, int]]:
    """Yield half-open concatenate_ranges of rows, each with less than `_CHUNK` in all besides its first row."""
    if len(sizes):
        cuts = (np.flatnonzero(np.diff(np.cumsum(sizes) // _CHUNK)) + 1).tolist()
        yield from zip([0, *cuts], [*cuts, len(sizes)], strict=True)
