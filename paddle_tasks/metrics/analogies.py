"""Analogy questions answered by word vectors: by addition (3CosAdd) and by multiplication (3CosMul).

Sources: Mikolov et al. 2013, https://aclanthology.org/N13-1090; Levy and Goldberg 2014,
https://aclanthology.org/W14-1618. The answers equal those of gensim's ``evaluate_word_analogies``: capital letters make
no difference, only frequent words can be asked for and are answers, and the words of the question are no answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from paddle_tasks.arrays import Array

Method = Literal["add", "multiply"]
MAX_WORDS = 300_000
"""The most frequent words, which questions and answers consist of."""
_EPSILON = 1e-6
_QUESTIONS_AT_ONCE = 256


def unit_vectors(vectors: Array) -> Array:
    """Return vectors of length 1 <float32>[words, size]; a vector of zeros stays as it is."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: Array = np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0)
    return units


@dataclass(frozen=True, eq=False)
class AnalogySolver:
    """Answers questions from the vectors of a vocabulary.

    Attributes:
        words: the vocabulary, the most frequent words first.
        units: <float32>[words, size], vectors of length 1.
    """

    words: Sequence[str]
    units: Array
    _ids: dict[str, int] = field(init=False, repr=False)
    _groups: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", list(self.words[:MAX_WORDS]))
        object.__setattr__(self, "units", self.units[:MAX_WORDS])
        ids: dict[str, int] = {}
        groups = np.array([ids.setdefault(word.upper(), place) for place, word in enumerate(self.words)], np.int64)
        object.__setattr__(self, "_ids", ids)
        object.__setattr__(self, "_groups", groups)

    def ids_of(self, words: Sequence[str]) -> list[int] | None:
        """Return the place of each word in the vocabulary, or None if one is unknown."""
        found = [self._ids.get(word.upper()) for word in words]
        return None if None in found else [place for place in found if place is not None]

    def answer(self, questions: Sequence[Sequence[str]], method: Method) -> list[str | None]:
        """Return the fourth word for each question's first three; None if the vocabulary lacks any of its words."""
        ids = [self.ids_of(question) for question in questions]
        known = [place for place, found in enumerate(ids) if found is not None]
        answers: list[str | None] = [None] * len(questions)
        for start in range(0, len(known), _QUESTIONS_AT_ONCE):
            chosen = known[start : start + _QUESTIONS_AT_ONCE]
            asked = np.array([ids[place] for place in chosen], np.int64)[:, :3]
            best = self.scores(asked, method).argmax(axis=1)
            for place, answer in zip(chosen, best, strict=True):
                answers[place] = self.words[answer]
        return answers

    def scores(self, asked: Array, method: Method) -> Array:
        """Return the score of each word as an answer, <float32>[questions, words]; -inf for the words of a question.

        Args:
            asked: <int64>[questions, 3], the first three words.
            method: how scores are computed.
        """
        first, second, third = (self.units[asked[:, place]] for place in range(3))
        if method == "add":
            scores = unit_vectors(second - first + third) @ self.units.T
        else:
            near_first, near_second, near_third = ((1 + part @ self.units.T) / 2 for part in (first, second, third))
            scores = near_second * near_third / (near_first + _EPSILON)
        for place in range(3):
            scores[self._groups[None, :] == self._groups[asked[:, place]][:, None]] = -np.inf
        return scores


def is_right(answer: str | None, expected: str) -> bool:
    """Return whether an answer is the expected word; capital letters make no difference."""
    return answer is not None and answer.upper() == expected.upper()


def analogy_metrics(
    sections: Sequence[str], expected: Sequence[str], answers: Sequence[str | None], multiplied: Sequence[str | None]
) -> dict[str, Any]:
    """Return scores over all questions and by section.

    Args:
        sections: the section of each question.
        expected: the fourth word of each question.
        answers: the answers by addition; None for a question with an unknown word.
        multiplied: the answers by multiplication.
    """
    rows = list(zip(sections, expected, answers, multiplied, strict=True))
    by_section = {
        section: _scores([row[1:] for row in rows if row[0] == section]) for section in dict.fromkeys(sections)
    }
    return {**_scores([row[1:] for row in rows]), "per_section": by_section}


def _scores(rows: Sequence[tuple[str, str | None, str | None]]) -> dict[str, float]:
    n_answered = sum(answer is not None for _expected, answer, _other in rows)
    right = sum(is_right(answer, expected) for expected, answer, _other in rows)
    right_multiplied = sum(is_right(other, expected) for expected, _answer, other in rows)
    n_questions, n_answered_or_1 = max(1, len(rows)), max(1, n_answered)
    return {
        "accuracy": right / n_questions,
        "accuracy_answered": right / n_answered_or_1,
        "multiplied_accuracy": right_multiplied / n_questions,
        "multiplied_accuracy_answered": right_multiplied / n_answered_or_1,
        "answered": n_answered / n_questions,
    }


def nearest(units: Array, query: Array, excluded: Sequence[int], top_k: int) -> Iterator[tuple[int, float]]:
    """Yield the places and cosines of the words nearest to a vector of length 1, the nearest one first."""
    cosines = units @ query
    cosines[list(excluded)] = -np.inf
    for place in np.argsort(-cosines, kind="stable")[:top_k]:
        if np.isfinite(cosines[place]):
            yield int(place), float(cosines[place])
