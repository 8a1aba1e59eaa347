"""The records of chapters as reports read them: each character is a decision."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath

import numpy as np

from paddle_tasks.language import _, mark
from paddle_tasks.training.display import Line, Segment
from paddle_tasks.training.record_view import Record, RecordView, RowScore

_WINDOW = 80
"""Characters of a chapter that are shown: those with the most errors in a row of this length."""
_LINE_BREAK, _PUNCTUATION, _CHARACTER = mark("line break"), mark("punctuation mark"), mark("character")
_NEXT = mark("most probable: ")
_TEXT = mark("text: ")


class ChapterView(RecordView):
    """Chapters; ``predicted`` has the most probable character in each place, given all characters before it."""

    def decisions(self, record: Record) -> Iterable[tuple[str, str]]:
        """Return each character with the most probable one."""
        return zip(map(_visible, record["gold"]), map(_visible, record["predicted"]), strict=False)

    def score(self, record: Record) -> RowScore:
        """Return the number of characters that were the most probable ones."""
        gold, predicted = record["gold"], record["predicted"]
        right = sum(map(str.__eq__, gold, predicted))
        return RowScore(right, len(gold), len(gold))

    def length(self, record: Record) -> int:
        """Return the number of characters."""
        return len(record["gold"])

    def kinds(self, record: Record) -> Iterator[str]:
        """Yield for each character that was not the most probable one what it is."""
        return (
            _(_kind(gold)) for gold, found in zip(record["gold"], record["predicted"], strict=False) if gold != found
        )

    def input(self, record: Record) -> str:
        """Return the name of the chapter's file."""
        return PurePath(str(record.get("where", ""))).name

    def show(self, record: Record, explanation: Record | None = None) -> Sequence[Line]:
        """Return the passage with the most errors, and the most probable characters below it."""
        del explanation
        gold, predicted = record["gold"], record["predicted"]
        wrong = np.array([one != other for one, other in zip(gold, predicted, strict=False)], dtype=np.int64)
        start = _worst_start(wrong)
        places = range(start, min(start + _WINDOW, len(wrong)))
        lines = [(_TEXT, gold, "added"), (_NEXT, predicted, "removed")]
        passages: list[Line] = [
            [Segment(_(heading)), *(_segment(text[place], change if wrong[place] else "") for place in places)]
            for heading, text, change in lines
        ]
        return [[Segment(self.input(record))], *passages]


def _worst_start(wrong: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int:
    """Return where the window with the most errors begins, the first one of several."""
    if len(wrong) <= _WINDOW:
        return 0
    sums = np.convolve(wrong, np.ones(_WINDOW, np.int64), "valid")
    return int(sums.argmax())


def _segment(character: str, change: str) -> Segment:
    return Segment(_visible(character), change="added" if change == "added" else "removed" if change else "")


def _visible(character: str) -> str:
    return "⏎" if character == "\n" else character


def _kind(character: str) -> str:
    if character == "\n":
        return _LINE_BREAK
    return _PUNCTUATION if unicodedata.category(character).startswith(("P", "S", "Z")) else _CHARACTER
