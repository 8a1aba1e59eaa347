"""Find the passages of a text that occur verbatim in other texts, such as a generated text's in the train data.

All windows of a few characters of the known texts are sorted once, as exact integers: a character is the rank of its
code among those of the known texts. Two texts share a run of n characters if n - width + 1 successive windows match on
the same diagonal, that is, at positions with the same difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.text.packing import concatenate_ranges

_KEY_BITS = 63
_MAX_WIDTH = 8


@dataclass(frozen=True)
class CopiedRuns:
    """Where passages of a text occur in the known texts.

    Attributes:
        starts: <int64>[runs], the first character of each run; a run cannot be extended on either side.
        lengths: <int64>[runs], in characters.
    """

    starts: Array
    lengths: Array

    def longest(self) -> tuple[int, int]:
        """Return the half-open range of the longest run, the first one if several are; (0, 0) if there is none."""
        if not len(self.lengths):
            return 0, 0
        order = np.lexsort((self.starts, -self.lengths))
        start, length = int(self.starts[order[0]]), int(self.lengths[order[0]])
        return start, start + length

    def count_windows(self, width: int) -> int:
        """Return how many windows of the text occur in the known texts; equal windows at other places count again.

        Args:
            width: the number of characters, at least that of the windows of the index.
        """
        fits = self.lengths >= width
        first, last = self.starts[fits], (self.starts + self.lengths)[fits] - width
        return len(np.unique(concatenate_ranges(first, last - first + 1)))


class KnownTexts:
    """An index of texts.

    Attributes:
        width: the number of characters of a window; shorter runs are found too, but only the longest of them.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """Index texts: about 12 bytes and 0.4 µs for each character."""
        # NUL parts the texts, and ends the last one, so that each character begins a window.
        joined = "\0".join([text.replace("\0", "\ufffd") for text in texts])
        codes = np.append(_codes(joined), np.zeros(_MAX_WIDTH, np.uint32))
        alphabet = np.unique(codes)
        self._bits = len(alphabet).bit_length()
        self.width = min(_KEY_BITS // self._bits, _MAX_WIDTH)
        self._ranks = np.full(0x110000, len(alphabet), np.int64)  # the rank of a character that is not known
        self._ranks[alphabet] = np.arange(len(alphabet))
        self._n_known = len(alphabet)
        keys = self._keys(self._ranks[codes])[: len(joined)]
        self._order = np.argsort(keys).astype(np.int32 if len(keys) < 1 << 31 else np.int64)
        self._sorted = keys[self._order]

    def find(self, text: str) -> CopiedRuns:
        """Return the runs of a text that occur here; of those shorter than a window, only the longest one."""
        ranks = self._ranks[_codes(text.replace("\0", "\ufffd"))]
        runs = self._find_windows(ranks)
        return runs if len(runs.starts) else self._find_short(ranks)

    def _find_windows(self, ranks: Array) -> CopiedRuns:
        """Return the runs of at least the width of a window."""
        keys = self._keys(ranks)
        first, last = np.searchsorted(self._sorted, keys), np.searchsorted(self._sorted, keys, "right")
        counts = last - first
        here = np.repeat(np.arange(len(keys)), counts)
        there = self._order[concatenate_ranges(first, counts)].astype(np.int64)
        order = np.lexsort((here, there - here))
        here, diagonal = here[order], (there - here)[order]
        is_first = np.ones(len(here), np.bool_)
        is_first[1:] = (np.diff(diagonal) != 0) | (np.diff(here) != 1)
        firsts = np.flatnonzero(is_first)
        return CopiedRuns(here[firsts], np.diff(np.append(firsts, len(here))) + self.width - 1)

    def _find_short(self, ranks: Array) -> CopiedRuns:
        """Return the first of the longest runs that are shorter than a window."""
        for length in range(min(self.width - 1, len(ranks)), 0, -1):
            for start in range(len(ranks) - length + 1):
                if self._has_prefix(ranks[start : start + length]):
                    return CopiedRuns(np.array([start]), np.array([length]))
        return CopiedRuns(np.zeros(0, np.int64), np.zeros(0, np.int64))

    def _has_prefix(self, ranks: Array) -> bool:
        """Return whether a window begins with a few characters."""
        if ranks.max() >= self._n_known:
            return False
        shift = self._bits * (self.width - len(ranks))
        low = int(sum(int(rank) << self._bits * place for place, rank in enumerate(ranks[::-1]))) << shift
        first, last = np.searchsorted(self._sorted, [low, low + (1 << shift)])
        return bool(first < last)

    def _keys(self, ranks: Array) -> Array:
        """Return one number for each window, <int64>[windows]; their order is that of the windows."""
        keys = np.zeros(max(len(ranks) - self.width + 1, 0), np.int64)
        for offset in range(self.width):
            keys <<= self._bits
            keys |= ranks[offset : offset + len(keys)]
        return keys


def _codes(text: str) -> Array:
    """Return the code points of a text, lone surrogates included, <uint32>[characters]."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
