"""Scores, records and panels of word vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paddle_tasks.arrays import Array
from paddle_tasks.data.corpus.analogies import Analogy
from paddle_tasks.errors import RecordError
from paddle_tasks.language import _
from paddle_tasks.metrics.analogies import AnalogySolver, analogy_metrics, is_right
from paddle_tasks.tasks.panels import MAX_VECTORS
from paddle_tasks.training.panels import Panels, Vectors
from paddle_tasks.training.protocol import Record


@dataclass(frozen=True)
class ScoredAnalogies:
    """Questions with their answers; None for a question with a word that the vocabulary lacks.

    Attributes:
        questions: the questions.
        added: the answers by addition.
        multiplied: the answers by multiplication.
    """

    questions: Sequence[Analogy]
    added: Sequence[str | None]
    multiplied: Sequence[str | None]

    @classmethod
    def solve(cls, questions: Sequence[Analogy], words: Sequence[str], units: Array) -> ScoredAnalogies:
        """Answer questions with the vectors of length 1 of a vocabulary, the most frequent words first."""
        solver = AnalogySolver(words, units)
        asked = [question.words for question in questions]
        return cls(questions, solver.answer(asked, "add"), solver.answer(asked, "multiply"))

    def metrics(self) -> dict[str, Any]:
        """Return the metrics over all questions, and by section."""
        sections = [question.section for question in self.questions]
        expected = [question.fourth for question in self.questions]
        return analogy_metrics(sections, expected, self.added, self.multiplied)

    def records(self) -> list[dict[str, Any]]:
        """Return a record for each question; its loss is 1 unless the answer by addition is right."""
        return [
            {
                "row": row,
                "where": question.where,
                "section": question.section,
                "question": [question.first, question.second, question.third],
                "gold": question.fourth,
                "predicted": added,
                "multiplied": multiplied,
                "loss": float(not is_right(added, question.fourth)),
            }
            for row, (question, added, multiplied) in enumerate(
                zip(self.questions, self.added, self.multiplied, strict=True)
            )
        ]

    def errors(self) -> list[dict[str, Any]]:
        """Return the records of questions that were answered wrongly; unknown words are no errors of the vectors."""
        return [record for record in self.records() if record["loss"] and record["predicted"] is not None]


def score_answers(questions: Sequence[Analogy], records: Sequence[Record]) -> dict[str, Any]:
    """Return the metrics of records, whose answers are under ``predicted`` and ``multiplied``.

    Raises:
        DataError: a record lacks a key.
    """
    for row, record in enumerate(records):
        for key in ("predicted", "multiplied"):
            if key not in record:
                message = _("expected an answer or null under {key!r}, found no such key")
                raise RecordError(row, message.format(key=key))
    answers = ([record[key] for record in records] for key in ("predicted", "multiplied"))
    return ScoredAnalogies(questions, *answers).metrics()


def frequent_vectors(counts: Mapping[str, int], vectors: Array) -> Panels:
    """Return the vectors of the most frequent words, labelled with the words and their counts."""
    shown = list(counts.items())[:MAX_VECTORS]
    rows = [(word, f"{count:,}") for word, count in shown]
    return Panels(vectors={"vectors": Vectors(vectors[: len(rows)], (_("word"), _("count")), rows)})
