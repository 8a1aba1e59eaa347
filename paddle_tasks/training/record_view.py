"""How reports read the records of a task: decisions, scores of rows, and errors for people.

A task declares one as ``RECORD_VIEW``. `RecordView` is for records whose ``gold`` and ``predicted`` are equal or not;
a task overrides what differs. Nothing here imports Paddle.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from paddle_tasks.language import _, label_name, mark
from paddle_tasks.training.display import Line, Segment

Record = Mapping[str, Any]
MAX_CHARACTERS = 200
"""A text in a report has at most this many characters."""


class Candidate(NamedTuple):
    """Something that a model rates.

    Attributes:
        label: the label that it might have.
        is_gold: whether it has that label.
        prob: the probability that the model gives it; negative if the model cannot find it.
    """

    label: str
    is_gold: bool
    prob: float


class Answer(NamedTuple):
    """Something that a model has decided: with which probability, and whether it is right."""

    prob: float
    is_right: bool


class RowScore(NamedTuple):
    """How many items of a row are right, predicted and expected; for one label they are 0 or 1, 1 and 1.

    The score of rows is the F1 of their sums, which is the accuracy if each row predicts what is expected in number.
    """

    right: float
    predicted: float
    expected: float

    @property
    def is_right(self) -> bool:
        """Whether the row has all that is expected, and nothing else."""
        return self.right == self.predicted == self.expected


class RecordView:
    """The records of a task as reports read them.

    Attributes:
        score_name: the name of the metric that the scores of rows sum up to.
        score_scale: the value of that metric if all rows are right.
        explains: whether ``predict(…, explain=True)`` says which characters count for an answer.
        has_negatives: whether the candidates of a label hold all that does not have it, which a ROC curve needs.
        has_references: whether ``gold`` is a text that a model might have written, to be shown beside what it wrote.
    """

    score_name: str = "accuracy"
    score_scale: float = 1.0
    explains: bool = False
    has_negatives: bool = True
    has_references: bool = False

    # ---- for figures

    def decisions(self, record: Record) -> Iterable[tuple[str, str]]:
        """Return pairs of an expected and a predicted label, for a confusion matrix; none if there are no labels."""
        del record
        return ()

    def names(self, record: Record) -> Mapping[str, str]:
        """Return the names of labels that a record knows."""
        del record
        return {}

    def candidates(self, record: Record) -> Iterable[Candidate]:
        """Return what the model rates, for curves; nothing without probabilities."""
        del record
        return ()

    def answers(self, record: Record) -> Iterable[Answer]:
        """Return what the model has decided, for calibration; nothing without probabilities."""
        del record
        return ()

    # ---- for scores of parts

    def score(self, record: Record) -> RowScore:
        """Return the score of a row."""
        return RowScore(float(record["predicted"] == record["gold"]), 1.0, 1.0)

    def length(self, record: Record) -> int:
        """Return the length of a row's input in characters."""
        return len(str(record.get("text", "")))

    def groups(self, record: Record) -> Mapping[str, str]:
        """Return the group of a row by kind, such as its book; empty if there is nothing to group by."""
        del record
        return {}

    # ---- for people

    def kinds(self, record: Record) -> Iterable[str]:
        """Return the kind of each error in a record of errors.jsonl."""
        return (label_name(str(record.get("kind") or _("wrong"))),)

    def input(self, record: Record) -> str:
        """Return the text that `predict` would read."""
        return str(record.get("text", ""))

    def show(self, record: Record, explanation: Record | None = None) -> Sequence[Line]:
        """Return an error as lines for people.

        Args:
            record: of errors.jsonl.
            explanation: the record of ``predict(…, explain=True)`` for the same input, if `explains`.
        """
        del explanation
        gold, predicted = (plain(record.get(side)) for side in ("gold", "predicted"))
        lines = [[Segment(clip(self.input(record)))]] if self.input(record) else []
        return [*lines, *versions(gold, predicted)]


def plain(value: Any) -> str:
    """Return a value of a record as text: lists with spaces between their items."""
    if isinstance(value, (list, tuple)):
        return " ".join(map(plain, value))
    return _("(none)") if value is None else str(value)


def clip(text: str, n_characters: int = MAX_CHARACTERS) -> str:
    """Return a text of at most so many characters, with an ellipsis in place of the others."""
    return text if len(text) <= n_characters else f"{text[:n_characters]}…"


def label_segments(gold: str, predicted: str, names: Mapping[str, str] | None = None) -> list[Segment]:
    """Return ``gold → predicted`` as segments."""
    known = names or {}
    first, second = (label_name(known.get(label, label)) for label in (gold, predicted))
    return [Segment(first, change="added"), Segment(" → "), Segment(second, change="removed")]


EXPECTED, FOUND = mark("expected: "), mark("predicted: ")
"""Before the two versions of an answer."""


def versions(gold: str, predicted: str) -> list[Line]:
    """Return two texts as two lines: what only the second has is marked as removed, the other way round as added.

    The characters that a correction of the second line would add are marked in the first one.
    """
    pieces = list(_pieces(clip(gold), clip(predicted)))
    first = [Segment(text, change="" if is_shared else "added") for text, _other, is_shared in pieces]
    second = [Segment(other, change="" if is_shared else "removed") for _text, other, is_shared in pieces]
    return [[Segment(_(EXPECTED)), *_filled(first)], [Segment(_(FOUND)), *_filled(second)]]


def _pieces(gold: str, predicted: str) -> Iterator[tuple[str, str, bool]]:
    matcher = difflib.SequenceMatcher(None, gold, predicted, autojunk=False)
    for operation, start, end, other_start, other_end in matcher.get_opcodes():
        yield gold[start:end], predicted[other_start:other_end], operation == "equal"


def _filled(segments: Iterable[Segment]) -> list[Segment]:
    return [segment for segment in segments if segment.text]
