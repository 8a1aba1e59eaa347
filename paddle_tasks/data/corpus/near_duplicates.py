"""Find texts that are exact or near duplicates of held-out texts, so that they are not trained on.

Two texts are near duplicates if the Jaccard index of their sets of character 5-grams (shared grams divided by all
grams) reaches a threshold (Broder, "On the resemblance and containment of documents", 1997). The search is exact:
candidates come from a prefix filter (Chaudhuri, Ganti and Kaushik, "A primitive operator for similarity joins in data
cleaning", 2006), which misses no pair, and each candidate is verified.

Grams are represented by 64-bit hashes. Hashes of different grams collide in about one of 10^15 pairs of texts of 100
characters, which is neglected. A collision between the two texts would count a gram as shared, so that a text one gram
below the threshold is found; a collision inside both texts would count two grams as one, so that a text exactly at the
threshold is missed. Equal texts are always found.
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
CHUNK_SIZE = 1 << 19
"""Characters to hash, or grams to compare, at once: a few arrays of some megabytes."""
_MAX_DENOMINATOR = 10**6
# The base is an odd number without a pattern; the two factors are those of SplitMix64 (Steele, Lea and Flood, 2014).
_BASE, _FIRST, _SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class NearDuplicates:
    """Finds texts that are, exactly or nearly, among a set of held-out texts.

    An instance is immutable, so threads may share it.
    """

    def __init__(self, held_out: Iterable[str], threshold: float = 0.8) -> None:
        """Index the held-out texts.

        Args:
            held_out: the texts to search for; empty texts are ignored.
            threshold: the minimum Jaccard index of near duplicates, from one millionth to 1. It is rounded to the
                nearest fraction with a denominator of at most a million and compared in integers, so that 4 of 5 grams
                do reach 0.8.

        Raises:
            ValueError: the threshold is out of range.
        """
        self._threshold = _fraction(threshold)
        # Sorted, so that equal sets give equal indices, whatever the seed of Python's hashes.
        texts = sorted({normalise(text) for text in held_out})
        self._grams, self._sizes = _distinct_rarest_first(*_hash_grams(texts))
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._index = _Index(self._grams, self._starts, self._sizes, self._threshold)

    def find(self, texts: Sequence[str]) -> Mask:
        """Return <bool>[texts]: whether each text is, exactly or nearly, held out; an empty text never is."""
        is_near = np.zeros(len(texts), np.bool_)
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        for start, end in _chunks(lengths):
            hashes, counts = _hash_grams([normalise(text) for text in texts[start:end]])
            is_near[start:end] = self._find(hashes, counts)
        return is_near

    def _find(self, hashes: Hashes, counts: Integers) -> Mask:
        """Return <bool>[texts]: whether each text is near.

        Args:
            hashes: <uint64>[grams], the grams of one text after another.
            counts: <int64>[texts], the number of grams of each text.
        """
        is_near = np.zeros(len(counts), np.bool_)
        positions, rows = self._index.look_up(hashes)
        text, held = self._index.pairs(np.repeat(np.arange(len(counts)), counts)[positions], rows)
        candidates, text = np.unique(text, return_inverse=True)
        grams, sizes = _distinct(*_select_texts(hashes, counts, candidates))
        is_near[candidates[text[self._verify(grams, sizes, text, held)]]] = True
        return is_near

    def _verify(self, grams: Hashes, sizes: Integers, text: Integers, held: Integers) -> Mask:
        """Return <bool>[pairs]: whether the text and the held-out text of each pair, by number, are near."""
        near = np.zeros(len(text), np.bool_)
        # The ratio of two sets' sizes bounds their Jaccard index; this rejects most candidates.
        pairs = np.flatnonzero(self._reaches(*_extremes(sizes[text], self._sizes[held])))
        keys = np.sort(_combine(grams, np.repeat(np.arange(len(sizes)), sizes)))
        for start, end in _chunks(self._sizes[held[pairs]]):
            chunk = pairs[start:end]
            n_shared = self._count_shared(keys, text[chunk], held[chunk])
            near[chunk] = self._reaches(n_shared, sizes[text[chunk]] + self._sizes[held[chunk]] - n_shared)
        return near

    def _count_shared(self, keys: Hashes, text: Integers, held: Integers) -> Integers:
        sizes = self._sizes[held]
        wanted = _combine(self._grams[concatenate_ranges(self._starts[held], sizes)], np.repeat(text, sizes))
        is_shared = keys[np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)] == wanted
        return np.add.reduceat(is_shared, np.cumsum(sizes) - sizes, dtype=np.int64)

    def _reaches(self, n_shared: Integers, n_all: Integers) -> Mask:
        reaches: Mask = n_shared * self._threshold.denominator >= n_all * self._threshold.numerator
        return reaches


class _Index:
    """A map from grams to the held-out texts that have them among their rarest grams.

    A text with a Jaccard index of at least t shares at least t * n of a held-out text's n grams, so at least one of any
    n - ceil(t * n) + 1 of them. The index uses the rarest grams, which occur in the fewest other texts.
    """

    def __init__(self, grams: Hashes, starts: Integers, sizes: Integers, threshold: Fraction) -> None:
        """Index the first grams of each held-out text, which are its rarest."""
        n_needed = -(-sizes * threshold.numerator // threshold.denominator)
        n_indexed = np.where(sizes > 0, sizes - n_needed + 1, 0)
        indexed = grams[concatenate_ranges(starts, n_indexed)]
        order = np.argsort(indexed, kind="stable")
        self._held = np.repeat(np.arange(len(sizes)), n_indexed)[order]
        self._keys, self._starts, self._counts = np.unique(indexed[order], return_index=True, return_counts=True)
        # Most grams of a corpus are not in the index; a small table rules them out faster than a search.
        bits = min(max(len(self._keys).bit_length() + 4, 10), 26)
        self._shift = np.uint64(64 - bits)
        self._may_have = np.zeros(1 << bits, np.bool_)
        self._may_have[self._keys >> self._shift] = True

    def look_up(self, hashes: Hashes) -> tuple[Integers, Integers]:
        """Return the positions in ``hashes`` of indexed grams, and their rows in the index, <int64>[n] each."""
        positions = np.flatnonzero(self._may_have[hashes >> self._shift])
        if not len(self._keys):
            return positions, positions
        wanted = hashes[positions]
        rows = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        is_indexed = self._keys[rows] == wanted
        return positions[is_indexed], rows[is_indexed]

    def pairs(self, text: Integers, rows: Integers) -> tuple[Integers, Integers]:
        """Return the distinct pairs of a text and a held-out text that share an indexed gram, <int64>[pairs] each.

        Args:
            text: <int64>[n], the text of each gram that `look_up` found.
            rows: <int64>[n], its row in the index.
        """
        # Duplicates are removed before the expansion too, since a text may repeat a gram a thousand times.
        text, rows = _distinct_pairs(text, rows)
        counts = self._counts[rows]
        return _distinct_pairs(np.repeat(text, counts), self._held[concatenate_ranges(self._starts[rows], counts)])


def normalise(text: str) -> str:
    """Return the text to compare: in NFKC and lower case, without white space.

    Copies of a text differ between files: some have spaces between characters or line breaks between sentences, and
    some use full-width digits, letters and punctuation.
    """
    return "".join(unicodedata.normalize("NFKC", text).lower().split())


def _fraction(threshold: float) -> Fraction:
    if not 1 / _MAX_DENOMINATOR <= threshold <= 1:
        raise ValueError(f"threshold: expected a number from a millionth to 1, found {threshold}")
    return Fraction(threshold).limit_denominator(_MAX_DENOMINATOR)


def _hash_grams(texts: Sequence[str]) -> tuple[Hashes, Integers]:
    """Return the hashed grams of normalised texts, <uint64>[grams], and the gram count of each text, <int64>[texts].

    A text shorter than a gram has one gram: itself, padded with spaces, which occur in no other gram.
    """
    padded = [text and text.ljust(_WIDTH) for text in texts]
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    # One number per character, lone surrogates included.
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32)
    counts = np.maximum(lengths - _WIDTH + 1, 0)
    return hash_windows(codes, _WIDTH)[concatenate_ranges(np.cumsum(lengths) - lengths, counts)], counts


def hash_windows(codes: npt.NDArray[np.uint32], width: int) -> Hashes:
    """Return a hash of every ``width`` consecutive numbers, <uint64>[codes - width + 1]."""
    n_windows = max(len(codes) - width + 1, 0)
    hashes = np.zeros(n_windows, np.uint64)
    for offset in range(width):
        hashes *= _BASE
        hashes += codes[offset : offset + n_windows]
    return _mix(hashes)


def _mix(numbers: Hashes) -> Hashes:
    """Mix the bits of each number in place; different numbers stay different."""
    for shift, factor in ((30, _FIRST), (27, _SECOND)):
        numbers ^= numbers >> np.uint64(shift)
        numbers *= factor
    numbers ^= numbers >> np.uint64(31)
    return numbers


def _combine(grams: Hashes, text: Integers) -> Hashes:
    """Return one number per gram and text number, so that one sorted array holds the sets of many texts."""
    return grams ^ _mix(text.astype(np.uint64) + np.uint64(1))


def _distinct(hashes: Hashes, counts: Integers) -> tuple[Hashes, Integers]:
    """Return the distinct grams of each text, <uint64>[distinct], ascending, and their counts, <int64>[texts]."""
    text = np.repeat(np.arange(len(counts)), counts)
    order = np.lexsort((hashes, text))
    hashes, text = hashes[order], text[order]
    is_first = np.ones(len(hashes), np.bool_)
    is_first[1:] = (hashes[1:] != hashes[:-1]) | (text[1:] != text[:-1])
    return hashes[is_first], np.bincount(text[is_first], minlength=len(counts))


def _distinct_rarest_first(hashes: Hashes, counts: Integers) -> tuple[Hashes, Integers]:
    """Return what `_distinct` returns, but with each text's grams ordered by the number of texts that have them."""
    hashes, counts = _distinct(hashes, counts)
    _, gram, n_texts = np.unique(hashes, return_inverse=True, return_counts=True)
    text = np.repeat(np.arange(len(counts)), counts)
    return hashes[np.lexsort((n_texts[gram], text))], counts


def _select_texts(hashes: Hashes, counts: Integers, texts: Integers) -> tuple[Hashes, Integers]:
    """Return the grams of the given texts, one text after another, and their counts."""
    return hashes[concatenate_ranges((np.cumsum(counts) - counts)[texts], counts[texts])], counts[texts]


def _distinct_pairs(first: Integers, second: Integers) -> tuple[Integers, Integers]:
    n_seconds = int(second.max(initial=0)) + 1
    pairs = np.unique(first * n_seconds + second)
    return pairs // n_seconds, pairs % n_seconds


def _extremes(first: Integers, second: Integers) -> tuple[Integers, Integers]:
    return np.minimum(first, second), np.maximum(first, second)


def _chunks(sizes: Integers) -> Iterator[tuple[int, int]]:
    """Yield half-open ranges of rows whose sizes, without the first row's, add up to less than `CHUNK_SIZE`."""
    if len(sizes):
        cuts = (np.flatnonzero(np.diff(np.cumsum(sizes) // CHUNK_SIZE)) + 1).tolist()
        yield from zip([0, *cuts], [*cuts, len(sizes)], strict=True)
