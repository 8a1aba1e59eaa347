"""The nearest words of a word, or of an analogy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        compose: returns the vector <float32>[size] of a word outside of the vocabulary, or None.
    """

    words: Sequence[str]
    units: Array
    top_k: int
    compose: Callable[[str], Array | None]

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.words)}

    def of_word(self, text: str) -> dict[str, Any]:
        """Return the record of a word; ``unknown`` is true if its vector is that of its characters.

        Raises:
            DataError: the vocabulary lacks the word, and the model has no vectors of characters.
        """
        return self._record(text, [text], lambda units: units[0])

    def of_analogy(self, text: str) -> dict[str, Any]:
        """Return the record of three words: what is to the third as the second is to the first.

        Raises:
            DataError: these are not three words, or the vocabulary lacks one.
        """
        words = _split_question(text)
        if len(words) != 3:
            message = _("{text!r}: expected three words with spaces between them for an analogy, found {count}")
            raise DataError(message.format(text=text, count=len(words)))
        return self._record(text, words, lambda units: units[1] - units[0] + units[2])

    def _record(self, text: str, words: Sequence[str], combine: Callable[[Array], Array]) -> dict[str, Any]:
        places = [self._place(word) for word in words]
        units = np.stack([self._unit(word, place) for word, place in zip(words, places, strict=True)])
        query = unit_vectors(combine(units)[None])[0]
        record = {"input": text, "neighbours": self._near(query, [place for place in places if place is not None])}
        return {**record, "unknown": True} if None in places else record

    def _place(self, word: str) -> int | None:
        return self._ids.get(word, self._ids.get(word.strip()))

    def _unit(self, word: str, place: int | None) -> Array:
        vector = self.compose(word.strip()) if place is None else self.units[place]
        if vector is None:
            message = _("{word!r} is not in the vocabulary of {count:,} words{near}")
            raise DataError(message.format(word=word, count=len(self.words), near=did_you_mean(word, self.words)))
        unit: Array = unit_vectors(vector[None])[0]
        return unit

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
    remark = _("  (not in the vocabulary: from its characters)") if record.get("unknown") else ""
    return [[Segment(record["input"].replace("\t", " ") + remark)], *lines]
