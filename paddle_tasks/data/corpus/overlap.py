"""Find texts that share long runs of characters with other texts, such as a chapter in another edition of a book."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.corpus.near_duplicates import Hashes, hash_windows, normalise

_PER_CHUNK = 1 << 20
_NO_LETTERS = re.compile(r"[\W_]+")


def shared_shares(texts: Sequence[str], others: Sequence[str], width: int) -> Array:
    """Return the share <float64>[texts] of each text's windows of ``width`` characters that occur in ``others``.

    Only letters and digits are compared, without regard to their case and width: editions have their own punctuation.
    A text shorter than a window shares nothing.
    """
    hashes = [_windows(text, width) for text in texts]
    known = np.unique(np.concatenate([np.zeros(0, np.uint64), *hashes]))
    is_shared = np.zeros(len(known) + 1, np.bool_)
    for windows in _chunks([_windows(text, width) for text in others]):
        index = np.searchsorted(known, windows)
        found = index[index < len(known)]
        is_shared[found[known[found] == windows[index < len(known)]]] = True
    shares = [is_shared[np.searchsorted(known, windows)].mean() if len(windows) else 0.0 for windows in hashes]
    return np.array(shares, np.float64)


def _windows(text: str, width: int) -> Hashes:
    codes = np.frombuffer(_NO_LETTERS.sub("", normalise(text)).encode("utf-32-le", "surrogatepass"), np.uint32)
    return hash_windows(codes, width)


def _chunks(parts: Sequence[Hashes]) -> list[Hashes]:
    """Return the hashes in sorted pieces, which `searchsorted` finds faster."""
    joined = np.concatenate([np.zeros(0, np.uint64), *parts])
    return [np.sort(joined[start : start + _PER_CHUNK]) for start in range(0, len(joined), _PER_CHUNK)]
