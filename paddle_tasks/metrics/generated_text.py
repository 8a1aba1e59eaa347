"""Metrics of generated text: variety, repetition, and what of it is copied from the train data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from paddle_tasks.language import mark

ORIGINAL = "original"
GENERATED = {
    "held_out": mark("continuations of held-out passages"),
    "train": mark("continuations of train passages"),
    ORIGINAL: mark("held-out passages as their authors continued them"),
}
"""The kinds of texts that are measured, and what they are."""
VARIETY_SIZES = (1, 2, 3)
"""The n of distinct-n."""
REPETITION_SIZE = 4
"""The length of the n-grams that should not occur twice in a text, in characters."""
COPIED_SIZE = 20
"""The length of a copied window, in characters; a longer run counts as memorised."""


class Copies(Protocol):
    """Where passages of a text occur in the train data."""

    def longest(self) -> tuple[int, int]:
        """Return the half-open range of the longest passage."""

    def count_windows(self, width: int) -> int:
        """Return how many windows of so many characters occur in the train data."""


class Known(Protocol):
    """The train data."""

    def find(self, text: str) -> Copies:
        """Return which passages of a text occur here."""


@dataclass
class GeneratedTextMetrics:
    """Metrics over generated texts without their prompts.

    - ``distinct_1``, ``distinct_2``, ``distinct_3``: different character n-grams of all texts, divided by all their
      n-grams (Li et al. 2016, https://arxiv.org/abs/1510.03055). They fall with the amount of text, so only equal
      numbers of texts of equal lengths can be compared.
    - ``repetition_4``: the share of character 4-grams that occurred earlier in the same text.
    - ``longest_copy``: characters of the longest run of any text that occurs verbatim in train.
    - ``long_copies``: the share of texts with such a run of more than 20 characters.
    - ``copied_20``: the share of windows of 20 characters that occur in train.

    The three metrics of copies are left out without train data, and each metric without anything to count.

    Attributes:
        known: the train data; None if it is not at hand.
    """

    known: Known | None = None
    _texts: list[str] = field(default_factory=list)
    _longest: list[int] = field(default_factory=list)
    _n_copied: int = 0

    def update(self, texts: Sequence[str]) -> None:
        """Add generated texts."""
        self._texts += texts
        for text in texts if self.known else ():
            copies = self.known.find(text)  # type: ignore[union-attr]
            start, end = copies.longest()
            self._longest.append(end - start)
            self._n_copied += copies.count_windows(COPIED_SIZE)

    def result(self) -> dict[str, float]:
        """Return the metrics."""
        found = {f"distinct_{size}": distinct_share(self._texts, size) for size in VARIETY_SIZES}
        found[f"repetition_{REPETITION_SIZE}"] = repeated_share(self._texts, REPETITION_SIZE)
        if self._longest:
            found["longest_copy"] = max(self._longest)
            found["long_copies"] = sum(length > COPIED_SIZE for length in self._longest) / len(self._longest)
            found[f"copied_{COPIED_SIZE}"] = _share(self._n_copied, _count_grams(self._texts, COPIED_SIZE))
        return {name: value for name, value in found.items() if value is not None}


def distinct_share(texts: Sequence[str], size: int) -> float | None:
    """Return the number of different n-grams of texts divided by that of all; None if there are none.

    ``distinct_share(["abab", "ab"], 2)`` is 2 / 4: of ab, ba, ab and ab, two are different.
    """
    return _share(len({gram for text in texts for gram in _grams(text, size)}), _count_grams(texts, size))


def repeated_share(texts: Sequence[str], size: int) -> float | None:
    """Return the share of n-grams that occurred earlier in the same text; None if there are none.

    ``repeated_share(["abab", "ab"], 2)`` is 1 / 4: only the second ab of the first text.
    """
    n_different = sum(len(set(_grams(text, size))) for text in texts)
    n_all = _count_grams(texts, size)
    return _share(n_all - n_different, n_all)


def _grams(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(len(text) - size + 1)]


def _count_grams(texts: Sequence[str], size: int) -> int:
    return sum(max(len(text) - size + 1, 0) for text in texts)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
