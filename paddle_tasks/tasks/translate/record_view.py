"""The records of translations as reports read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from paddle_tasks.language import _, mark
from paddle_tasks.metrics.translation import sentence_chrf
from paddle_tasks.training.record_view import Record, RecordView, RowScore

_MUCH = 1.5
"""A translation is too long if it is so many times as long as its reference, and too short the other way round."""
_ENDLESS, _EMPTY = mark("does not end"), mark("empty")
_LONG, _SHORT, _OTHER = mark("much longer"), mark("much shorter"), mark("other words")


class TranslationView(RecordView):
    """Translations; the score of a row is the chrF of its own translation."""

    score_name = "chrf"
    score_scale = 100.0
    has_references = True

    def score(self, record: Record) -> RowScore:
        """Return the chrF of a translation, as a share of 1."""
        return RowScore(sentence_chrf(record["predicted"], record["gold"]) / self.score_scale, 1.0, 1.0)

    def groups(self, record: Record) -> Mapping[str, str]:
        """Return the book of a pair, if it is known."""
        return {"book": record["book"]} if "book" in record else {}

    def kinds(self, record: Record) -> Iterator[str]:
        """Yield what is most wrong with a translation."""
        length, expected = len(record["predicted"]), len(record["gold"])
        tests = {
            _ENDLESS: record.get("finish") == "length",
            _EMPTY: not length,
            _LONG: length > _MUCH * expected,
            _SHORT: expected > _MUCH * length,
            _OTHER: True,
        }
        yield _(next(kind for kind, holds in tests.items() if holds))
