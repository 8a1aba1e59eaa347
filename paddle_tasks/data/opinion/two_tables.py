"""Reviews in one CSV file and their labels in another, the layout of zhusleep/comments_miner's makeup reviews."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paddle_tasks.data.opinion.examples import ASPECT, OPINION, Draft, check_span
from paddle_tasks.data.tables.readers import Layout, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.errors import DataError, did_you_mean, join_all
from paddle_tasks.language import _
from paddle_tasks.text.spans import Pair, Span

REVIEWS = {"id": "id", "text": "Reviews"}
LABELS = {
    "id": "id",
    "aspect": "AspectTerms",
    "aspect_start": "A_start",
    "aspect_end": "A_end",
    "opinion": "OpinionTerms",
    "opinion_start": "O_start",
    "opinion_end": "O_end",
    "polarity": "Polarities",
}
_IMPLICIT = "_"
_REVIEWS_WORD, _LABELS_WORD = "reviews", "labels"


@dataclass
class _ReviewLabels:
    """The valid pairs of a review, and its number of invalid labels."""

    pairs: list[Pair] = field(default_factory=list)
    n_invalid: int = 0


def find_both_files(path: Path) -> tuple[Path, Path]:
    """Return the paths of the reviews and of the labels, given one of them.

    The names differ only in the words ``reviews`` and ``labels``.

    Raises:
        DataError: the name contains neither word, or the other file does not exist.
    """
    for word, other in ((_REVIEWS_WORD, _LABELS_WORD), (_LABELS_WORD, _REVIEWS_WORD)):
        if word in path.name:
            partner = path.with_name(path.name.replace(word, other))
            if not partner.is_file():
                siblings = [str(file) for file in path.parent.glob("*.csv")]
                message, hint = _("{file}: no {other} beside it{hint}"), did_you_mean(str(partner), siblings)
                raise DataError(message.format(file=path, other=partner.name, hint=hint))
            return (path, partner) if word == _REVIEWS_WORD else (partner, path)
    message = _("{file}: expected a name with 'reviews' or 'labels', from which the other file's name follows")
    raise DataError(message.format(file=path))


def read_two_csv(path: Path, encoding: str) -> Iterator[tuple[int | str, Draft] | BadRow]:
    """Yield the reviews with their labels; ``_`` is an implicit aspect or opinion, and categories are ignored.

    A label is invalid if the text at its offsets is not its term. It is left out, and each of its wrong terms is
    reported as a `BadRow`. A review that has labels, but no valid one, is left out too.

    Raises:
        DataError: one of the files is missing or has other columns.
    """
    reviews, labels = find_both_files(path)
    rows = list(read_rows(reviews, tuple(REVIEWS), Layout("csv", encoding, True, REVIEWS)))
    texts = {row.fields["id"]: row.fields["text"] for row in rows if isinstance(row, Row)}
    labels_of: dict[str, _ReviewLabels] = defaultdict(_ReviewLabels)
    for label in read_rows(labels, tuple(LABELS), Layout("csv", encoding, True, LABELS)):
        yield from [label] if isinstance(label, BadRow) else _add_label(label, texts, labels_of)
    seen: set[str] = set()
    for row in rows:
        if isinstance(row, BadRow):
            yield row
        elif row.fields["id"] in seen:
            reason = _("a second review with the id {id}").format(id=row.fields["id"])
            yield BadRow(row.file, row.line, reason)
        else:
            seen.add(row.fields["id"])
            yield from _review(row, labels_of[row.fields["id"]])


def _review(row: Row, labels: _ReviewLabels) -> Iterator[tuple[int | str, Draft]]:
    if labels.pairs or not labels.n_invalid:
        yield row.line, Draft(row.fields["text"], [], labels.pairs)


def _add_label(row: Row, texts: Mapping[str, str], labels_of: dict[str, _ReviewLabels]) -> Iterator[BadRow]:
    """Add a label to its review, or yield the reasons why it is invalid."""
    review = row.fields["id"]
    if review not in texts:
        yield BadRow(row.file, row.line, _("no review has the id {id}").format(id=review))
        return
    spans, reasons = [], list[str]()
    for role in (ASPECT, OPINION):
        try:
            spans.append(_role_span(row.fields, role, texts[review]))
        except DataError as error:
            reasons.append(str(error))
    if not reasons:
        labels_of[review].pairs.append(Pair(spans[0], spans[1], row.fields["polarity"]))
        return
    labels_of[review].n_invalid += 1
    message = _("review {id}: {reason}")
    yield from (BadRow(row.file, row.line, message.format(id=review, reason=reason)) for reason in reasons)


def _role_span(fields: Mapping[str, str], role: str, text: str) -> Span | None:
    term = fields[role]
    if term.strip() == _IMPLICIT:
        return None
    start, end = _numbers([fields[f"{role}_start"], fields[f"{role}_end"]], role)
    span = Span(start, end, role)
    check_span(text, span, term)
    return span


def _numbers(cells: Sequence[str], role: str) -> tuple[int, int]:
    try:
        return int(cells[0]), int(cells[1])
    except ValueError:
        message = _("{role}: expected its start and end as numbers, found {found}")
        raise DataError(message.format(role=role, found=join_all([repr(cell) for cell in cells]))) from None
