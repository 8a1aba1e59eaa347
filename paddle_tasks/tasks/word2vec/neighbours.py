"""The nearest words of a word, or of an analogy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.errors import DataError, did_you_mean
from paddle_tasks.language import _
from paddle_tasks.metrics.analogies import nearest, unit_vectors
from paddle_tasks.training.display import Line, Segment
from paddle_tasks.training.protocol import Record


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Finds words near others.

    Attributes:
        words: the vocabulary.
        units: <float32>[words, size], vectors of length 1.
        top_k: the number of words to find.
    """

    words: Sequence[str]
    units: Array
    top_k: int

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}

    def of_word(self, text: str) -> dict[str, Any]:
        """Return the record of a word.

        Raises:
            DataError: the vocabulary lacks the word.
        """
        place = self._find(text)
        return {"input": text, "neighbours": self._near(self.units[place], [place])}

    def of_analogy(self, text: str) -> dict[str, Any]:
        """Return the record of three words: what is to the third as the second is to the first.

        Raises:
            DataError: these are not three words, or the vocabulary lacks one.
        """
        words = _split_question(text)
        if len(words) != 3:
            message = _("{text!r}: expected three words with spaces between them for an analogy, found {count}")
            raise DataError(message.format(text=text, count=len(words)))
        first, second, third = places = [self._find(word) for word in words]
        query = unit_vectors((self.units[second] - self.units[first] + self.units[third])[None])[0]
        return {"input": text, "neighbours": self._near(query, places)}

    def _find(self, word: str) -> int:
        place = self._ids.get(word, self._ids.get(word.strip()))
        if place is None:
            message = _("{word!r} is not in the vocabulary of {count:,} words{near}")
            raise DataError(message.format(word=word, count=len(self.words), near=did_you_mean(word, self.words)))
        return place

    def _near(self, query: Array, excluded: Sequence[int]) -> list[dict[str, Any]]:
        found = nearest(self.units, np.asarray(query), excluded, self.top_k)
        return [{"word": self.words[place], "score": round(score, 6)} for place, score in found]


def _split_question(text: str) -> list[str]:
    """Return words with tabs between them, or with spaces, or with any white space."""
    words = [word for word in text.split("\t" if "\t" in text else " ") if word]
    return words if len(words) == 3 else text.split()


def display_neighbours(record: Record) -> Sequence[Line]:
    """Return the word with its neighbours, one on each line."""
    lines = [[Segment(f"  {near['score']:.3f}  "), Segment(near["word"])] for near in record["neighbours"]]
    return [[Segment(record["input"].replace("\t", " "))], *lines]
