"""The records of classified rows as reports read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from paddle_tasks.language import label_name
from paddle_tasks.tasks.classification.display import character_strengths
from paddle_tasks.training.display import Line, Segment
from paddle_tasks.training.record_view import (
    MAX_CHARACTERS,
    Answer,
    Candidate,
    Record,
    RecordView,
    clip,
    label_segments,
)


class LabelView(RecordView):
    """Rows with one label each; the characters of an error are coloured by what they count for the predicted label."""

    explains = True

    def decisions(self, record: Record) -> Iterator[tuple[str, str]]:
        """Yield the expected and the predicted label."""
        yield record["gold"], record["predicted"]

    def names(self, record: Record) -> Mapping[str, str]:
        """Return the name of the predicted label, if it has one."""
        return {record["predicted"]: record["name"]} if "name" in record else {}

    def candidates(self, record: Record) -> Iterator[Candidate]:
        """Yield every label with its probability."""
        for label, prob in record.get("probabilities", {}).items():
            yield Candidate(label, label == record["gold"], prob)

    def answers(self, record: Record) -> Iterator[Answer]:
        """Yield the predicted label's probability, and whether the label is right."""
        probs, predicted = record.get("probabilities", {}), record["predicted"]
        if predicted in probs:
            yield Answer(probs[predicted], predicted == record["gold"])

    def kinds(self, record: Record) -> Iterator[str]:
        """Yield ``gold → predicted``."""
        names = self.names(record)
        yield " → ".join(label_name(names.get(record[side], record[side])) for side in ("gold", "predicted"))

    def show(self, record: Record, explanation: Record | None = None) -> Sequence[Line]:
        """Return both labels, the probability of the predicted one, and the text."""
        return [self.heading(record), list(_explained_text(record["text"], explanation))]

    def heading(self, record: Record) -> Line:
        """Return both labels, and the probability of the predicted one."""
        prob = next((f" {answer.prob:.2f}" for answer in self.answers(record)), "")
        return [*label_segments(record["gold"], record["predicted"], self.names(record)), Segment(prob)]


def _explained_text(text: str, explanation: Record | None) -> Iterator[Segment]:
    """Yield the text, of one that is explained its characters with their strengths; a long one is cut."""
    if explanation is None or "attributions" not in explanation:
        yield Segment(clip(text))
        return
    strengths = character_strengths(text, explanation["attributions"])
    for character, strength in list(zip(text, strengths, strict=True))[:MAX_CHARACTERS]:
        yield Segment(character, strength=strength)
    yield Segment("…" if len(text) > MAX_CHARACTERS else "")
