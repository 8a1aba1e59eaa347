"""Reviews with their aspects and opinions: the examples of opinion extraction, checked, and the splits they are in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from paddle_tasks.data.tables.records import HALF, has_half
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.errors import DataError, did_you_mean, join_names
from paddle_tasks.text.spans import Pair, Span, overlapping

ASPECT, OPINION = "aspect", "opinion"
POLARITIES: Mapping[str, tuple[str, ...]] = {
    "positive": ("positive", "pos", "正面", "正向", "积极"),
    "negative": ("negative", "neg", "负面", "负向", "消极"),
    "neutral": ("neutral", "neu", "中性"),
}
_POLARITY = {spelling: polarity for polarity, spellings in POLARITIES.items() for spelling in spellings}

OpinionFormat = Literal["jsonl", "cote", "aste", "two_csv", "conll", "doccano", "label_studio"]


@dataclass(frozen=True)
class OpinionLayout:
    """How a file is laid out, and what is made of it.

    Attributes:
        format: ``jsonl`` (text, spans, pairs), ``cote`` (JSON lines with s and ot), ``aste`` (characters####triplets),
            ``two_csv`` (reviews and labels, of which either is named), ``conll`` (a token and its BIO tag a line),
            ``doccano`` or ``label_studio`` (their exports); None is inferred from the content.
        encoding: a codec's name; a byte-order mark is dropped.
        occurrences: of a term without a place, whether all its occurrences are spans or the first.
        overlaps: whether spans that overlap are kept, or their row is bad.
    """

    format: OpinionFormat | None = None
    encoding: str = "utf-8"
    occurrences: Literal["all", "first"] = "all"
    overlaps: Literal["keep", "refuse"] = "keep"


class Draft(NamedTuple):
    """What a reader has found in a row, still to be checked by `opinion_example`."""

    text: str
    spans: Sequence[Span]
    pairs: Sequence[Pair] | None


@dataclass(frozen=True, slots=True)
class OpinionExample:
    """One review and what it says of what.

    Attributes:
        text: the review.
        spans: in the order of their places, each once; those of the pairs are among them. They may overlap.
        pairs: each once; None when nobody has looked for pairs, which is not the same as none.
        where: the place it was read from.
    """

    text: str
    spans: tuple[Span, ...]
    pairs: tuple[Pair, ...] | None
    where: str

    @property
    def label(self) -> str:
        """What folds are balanced by: the polarities or, without pairs, the labels of the spans."""
        found = {span.label for span in self.spans} if self.pairs is None else {pair.polarity for pair in self.pairs}
        return ",".join(sorted(found))


@dataclass(frozen=True)
class Known:
    """The names that a row may use; None when any is welcome, as in train."""

    labels: Sequence[str] | None = None
    polarities: Sequence[str] | None = None


@dataclass(frozen=True)
class OpinionSplit(Split[OpinionExample]):
    """The reviews of one file; of reviews that are used, what was wrong with single labels is among ``bad_rows``."""

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels of the spans, sorted."""
        return tuple(sorted({span.label for example in self.examples for span in example.spans}))

    @cached_property
    def polarities(self) -> tuple[str, ...]:
        """The polarities of the pairs, sorted."""
        return tuple(sorted({pair.polarity for example in self.examples for pair in example.pairs or ()}))

    @property
    def has_pairs(self) -> bool:
        """Whether pairs have been annotated in any review."""
        return any(example.pairs is not None for example in self.examples)

    @cached_property
    def overlaps(self) -> tuple[str, ...]:
        """What overlaps, as ``file:line: 'term' (label) overlaps another span``."""
        return tuple(
            f"{example.where}: {_term(example.text, span)} overlaps another span"
            for example in self.examples
            for span in overlapping(example.spans)
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """What result.json says of it besides."""
        spans = sum(len(example.spans) for example in self.examples)
        pairs = sum(len(example.pairs or ()) for example in self.examples)
        return {"spans": spans, "overlapping_spans": len(self.overlaps), "pairs": pairs}

    @property
    def remark(self) -> str:
        """What people have to know: that spans overlap, of which one layer of tags holds only some."""
        if not self.overlaps:
            return ""
        n_spans = self.counts["spans"]
        return (
            f"data.{self.name}: {len(self.overlaps):,} of {n_spans:,} spans overlap another one; all are kept and "
            f"scored against, data.overlaps=refuse makes bad rows of them; the first: {self.overlaps[0]}"
        )


def _term(text: str, span: Span) -> str:
    return f"{text[span.start : span.end][:20]!r} ({span.label})"


def polarity_of(name: str) -> str:
    """Return the usual name of a polarity, whatever its spelling (POS, Positive, 正面); another one as it is."""
    return _POLARITY.get(name.strip().lower(), name.strip())


def opinion_example(draft: Draft, where: str, known: Known, layout: OpinionLayout) -> OpinionExample:
    """Return a checked example.

    Args:
        draft: the review, its spans in any order and some perhaps twice, and its pairs with their polarities in any
            spelling, whose spans need not be among the others.
        where: the place it was read from.
        known: the names that may be used.
        layout: whether spans may overlap.

    Raises:
        DataError: an empty text, a span outside of it or of white space alone, an unknown label or polarity, a pair
            with two polarities, or spans that overlap and must not.
    """
    text, spans, pairs = draft
    _check_text(text)
    named = None if pairs is None else list(dict.fromkeys(_named(pair) for pair in pairs))
    whole = sorted({*spans, *(span for pair in named or () for span in (pair.aspect, pair.opinion) if span)})
    for span in whole:
        check_span(text, span)
        _check_name(span.label, "label", known.labels)
    for pair in named or ():
        _check_name(pair.polarity, "polarity", known.polarities)
    _check_pairs(text, named or ())
    if layout.overlaps == "refuse" and (found := overlapping(whole)):
        raise DataError(f"{_term(text, found[0])} overlaps {_term(text, found[1])}; data.overlaps=keep takes both")
    return OpinionExample(text, tuple(whole), None if named is None else tuple(named), where)


def _check_text(text: str) -> None:
    if not text.strip():
        raise DataError("empty text")
    if has_half(text):
        raise DataError(f"the text {HALF}")


def _named(pair: Pair) -> Pair:
    return Pair(pair.aspect, pair.opinion, polarity_of(pair.polarity))


def check_span(text: str, span: Span, term: str | None = None) -> None:
    """Check that a span stands in a text and, when that is told, is the term.

    Raises:
        DataError: it is not.
    """
    where = f"{span.label} {span.start} to {span.end}"
    if not 0 <= span.start < span.end <= len(text):
        raise DataError(f"{where}: expected a start before its end in the text of {len(text)} characters")
    found = text[span.start : span.end]
    if term is not None and found != term:
        raise DataError(f"{where}: expected {term[:40]!r}, the text has {found[:40]!r} there{_elsewhere(text, term)}")
    if not found.strip():
        raise DataError(f"{where}: is white space alone")


def _elsewhere(text: str, term: str) -> str:
    place = text.find(term) if term else -1
    return f"; it stands at {place} to {place + len(term)}" if place >= 0 else "; it does not stand in it"


def _check_name(name: str, what: str, known: Sequence[str] | None) -> None:
    if not name.strip():
        raise DataError(f"empty {what}")
    if known is not None and name not in known:
        settings = {"label": "data.labels", "polarity": "data.polarities"}
        raise DataError(
            f"unknown {what} {name!r}{did_you_mean(name, known)} "
            f"(one of {some_of(known)}; {settings[what]} may name others)"
        )


def _check_pairs(text: str, pairs: Sequence[Pair]) -> None:
    polarities: dict[tuple[Span | None, Span | None], str] = {}
    for pair in pairs:
        if pair.aspect is None and pair.opinion is None:
            raise DataError("a pair with neither aspect nor opinion")
        _check_roles(text, pair)
        first = polarities.setdefault((pair.aspect, pair.opinion), pair.polarity)
        if first != pair.polarity:
            terms = " of ".join(_term(text, span) for span in (pair.opinion, pair.aspect) if span)
            raise DataError(f"{terms} is both {first} and {pair.polarity}")


def _check_roles(text: str, pair: Pair) -> None:
    for role, other, span in ((ASPECT, OPINION, pair.aspect), (OPINION, ASPECT, pair.opinion)):
        if span and span.label == other:
            raise DataError(f"{_term(text, span)} is the {role} of a pair, expected an {role} there")
