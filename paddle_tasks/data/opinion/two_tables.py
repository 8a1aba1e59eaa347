"""Reviews in one CSV and their labels in another, as the makeup reviews of zhusleep/comments_miner are laid out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paddle_tasks.data.opinion.examples import ASPECT, OPINION, Draft, check_span
from paddle_tasks.data.tables.readers import Layout, read_rows
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.errors import DataError, did_you_mean
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
_WORDS = ("reviews", "labels")


@dataclass
class _Labels:
    """What the labels file says of a review: the pairs that are right, and how many are wrong."""

    pairs: list[Pair] = field(default_factory=list)
    wrong: int = 0


def both_files(path: Path) -> tuple[Path, Path]:
    """Return the files of the reviews and of the labels, of which one is given: their names differ in that word.

    Raises:
        DataError: the other one cannot be told, or is not there.
    """
    for own, other in (_WORDS, _WORDS[::-1]):
        if own in path.name:
            partner = path.with_name(path.name.replace(own, other))
            if not partner.is_file():
                beside = [str(found) for found in path.parent.glob("*.csv")]
                raise DataError(f"{path}: no {partner.name} beside it{did_you_mean(str(partner), beside)}")
            return (path, partner) if own == _WORDS[0] else (partner, path)
    raise DataError(f"{path}: expected a name with 'reviews' or 'labels', by which the other file is found")


def two_csv(path: Path, encoding: str) -> Iterator[tuple[int | str, Draft] | BadRow]:
    """Yield the reviews with their labels; ``_`` is an implicit aspect or opinion, categories are left out.

    A label whose place does not hold its term is bad, and is left out of its review, each of its wrong terms as a
    `BadRow` of its own. Of a review with no right label nothing is known, so it is left out with them.

    Raises:
        DataError: one of the files is missing or has other columns.
    """
    reviews, labels = both_files(path)
    rows = list(read_rows(reviews, tuple(REVIEWS), Layout("csv", encoding, True, REVIEWS)))
    texts = {row.fields["id"]: row.fields["text"] for row in rows if isinstance(row, Row)}
    found: dict[str, _Labels] = defaultdict(_Labels)
    for label in read_rows(labels, tuple(LABELS), Layout("csv", encoding, True, LABELS)):
        yield from [label] if isinstance(label, BadRow) else _take(label, texts, found)
    seen: set[str] = set()
    for row in rows:
        if isinstance(row, BadRow):
            yield row
        elif row.fields["id"] in seen:
            yield BadRow(row.file, row.line, f"a second review with the id {row.fields['id']}")
        else:
            seen.add(row.fields["id"])
            yield from _review(row, found[row.fields["id"]])


def _review(row: Row, labels: _Labels) -> Iterator[tuple[int | str, Draft]]:
    if labels.pairs or not labels.wrong:
        yield row.line, Draft(row.fields["text"], [], labels.pairs)


def _take(row: Row, texts: Mapping[str, str], found: dict[str, _Labels]) -> Iterator[BadRow]:
    """Add a label to its review, or yield what is wrong with it."""
    name = row.fields["id"]
    if name not in texts:
        yield BadRow(row.file, row.line, f"no review has the id {name}")
        return
    sides, reasons = [], list[str]()
    for role in (ASPECT, OPINION):
        try:
            sides.append(_side(row.fields, role, texts[name]))
        except DataError as error:
            reasons.append(str(error))
    if not reasons:
        found[name].pairs.append(Pair(sides[0], sides[1], row.fields["polarity"]))
        return
    found[name].wrong += 1
    yield from (BadRow(row.file, row.line, f"review {name}: {reason}") for reason in reasons)


def _side(fields: Mapping[str, str], role: str, text: str) -> Span | None:
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
        raise DataError(
            f"{role}: expected its start and end as numbers, found {' and '.join(map(repr, cells))}"
        ) from None
