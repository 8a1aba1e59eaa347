"""Examples of opinion extraction: reviews with checked spans and pairs, and the splits that hold them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from paddle_tasks.data.tables.records import LONE_SURROGATE, has_lone_surrogate
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.errors import DataError, did_you_mean, join_names
from paddle_tasks.language import _, in_context, mark_in_context
from paddle_tasks.text.limits import too_long
from paddle_tasks.text.spans import Pair, Span, find_overlapping

ASPECT, OPINION = "aspect", "opinion"
POLARITIES: Mapping[str, tuple[str, ...]] = {
    "positive": ("positive", "pos", "正面", "正向", "积极"),
    "negative": ("negative", "neg", "负面", "负向", "消极"),
    "neutral": ("neutral", "neu", "中性"),
}
_POLARITY_OF_SPELLING = {spelling: polarity for polarity, spellings in POLARITIES.items() for spelling in spellings}

COUNT_NAMES = (
    mark_in_context("count", "spans"),
    mark_in_context("count", "overlapping spans"),
    mark_in_context("count", "pairs"),
)
"""The names of `OpinionSplit.counts` in messages."""

OpinionFormat = Literal["jsonl", "cote", "aste", "two_csv", "conll", "doccano", "label_studio"]


@dataclass(frozen=True)
class OpinionLayout:
    """The layout of a file of reviews, and how its annotations are used.

    Attributes:
        format: ``jsonl`` (text, spans, pairs), ``cote`` (JSON lines with s and ot), ``aste`` (characters####triplets),
            ``two_csv`` (reviews and labels in two files; either is given), ``conll`` (one token and BIO tag per line),
            ``doccano`` or ``label_studio`` (their exports). None infers it from the content.
        encoding: a codec's name; a byte-order mark is dropped.
        occurrences: whether all occurrences of a term without offsets become spans, or only the first.
        overlaps: whether overlapping spans are kept, or make their row bad.
    """

    format: OpinionFormat | None = None
    encoding: str = "utf-8"
    occurrences: Literal["all", "first"] = "all"
    overlaps: Literal["keep", "refuse"] = "keep"


class Draft(NamedTuple):
    """A review as a reader parsed it, before `build_example` checks it."""

    text: str
    spans: Sequence[Span]
    pairs: Sequence[Pair] | None


@dataclass(frozen=True, slots=True)
class OpinionExample:
    """A review with its annotations.

    Attributes:
        text: the review.
        spans: distinct spans in order of position, including the spans of the pairs. They may overlap.
        pairs: distinct pairs; None if pairs were not annotated, which differs from an empty tuple.
        where: the ``file:line`` that the review was read from.
    """

    text: str
    spans: tuple[Span, ...]
    pairs: tuple[Pair, ...] | None
    where: str

    @property
    def label(self) -> str:
        """The label by which folds are balanced: the polarities or, without annotated pairs, the span labels."""
        names = {span.label for span in self.spans} if self.pairs is None else {pair.polarity for pair in self.pairs}
        return ",".join(sorted(names))


@dataclass(frozen=True)
class KnownNames:
    """The span labels and polarities that a row may use; None accepts any, as in train."""

    labels: Sequence[str] | None = None
    polarities: Sequence[str] | None = None


@dataclass(frozen=True)
class OpinionSplit(Split[OpinionExample]):
    """The reviews of one file.

    ``bad_rows`` also lists annotations that were left out of reviews that are used.
    """

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The distinct span labels, sorted."""
        return tuple(sorted({span.label for example in self.examples for span in example.spans}))

    @cached_property
    def polarities(self) -> tuple[str, ...]:
        """The distinct polarities, sorted."""
        return tuple(sorted({pair.polarity for example in self.examples for pair in example.pairs or ()}))

    @cached_property
    def overlaps(self) -> tuple[str, ...]:
        """A message for each overlapping span, ``file:line: 'term' (label) overlaps another span``."""
        message = _("{where}: {span} overlaps another span")
        return tuple(
            message.format(where=example.where, span=_describe_span(example.text, span))
            for example in self.examples
            for span in find_overlapping(example.spans)
        )

    @property
    def counts(self) -> Mapping[str, int]:
        """Further numbers about the split for result.json."""
        spans = sum(len(example.spans) for example in self.examples)
        pairs = sum(len(example.pairs or ()) for example in self.examples)
        return {"spans": spans, "overlapping_spans": len(self.overlaps), "pairs": pairs}

    @property
    def remark(self) -> str:
        """A message for the user if spans overlap, or an empty string."""
        if not self.overlaps:
            return ""
        remark = _(
            "data.{split}: {count:,} of {total:,} spans overlap another one; all are kept and scored against, "
            "data.overlaps=refuse makes bad rows of them; the first: {first}"
        )
        values = {"count": len(self.overlaps), "total": self.counts["spans"], "first": self.overlaps[0]}
        return remark.format(split=self.name, **values)


def _describe_span(text: str, span: Span) -> str:
    return f"{text[span.start : span.end][:20]!r} ({span.label})"


def normalise_polarity(name: str) -> str:
    """Return the canonical name of a polarity, such as ``positive`` for POS or 正面; an unknown name is unchanged."""
    return _POLARITY_OF_SPELLING.get(name.strip().lower(), name.strip())


def build_example(draft: Draft, where: str, known: KnownNames, layout: OpinionLayout) -> OpinionExample:
    """Check a review and return it as an example.

    Args:
        draft: the review. Its spans may be in any order, repeated, or missing if they occur in a pair; polarities may
            have any spelling.
        where: the ``file:line`` that it was read from.
        known: the names that may be used.
        layout: says whether spans may overlap.

    Raises:
        DataError: the text is empty, a span lies outside the text or is blank, a label or polarity is unknown, a pair
            has two polarities, or spans overlap although the layout refuses that.
    """
    text, drafted, pairs = draft
    _check_text(text)
    canonical = None if pairs is None else tuple(dict.fromkeys(_canonical(pair) for pair in pairs))
    spans = sorted({*drafted, *(span for pair in canonical or () for span in (pair.aspect, pair.opinion) if span)})
    for span in spans:
        check_span(text, span)
        _check_name(span.label, "label", known.labels)
    for pair in canonical or ():
        _check_name(pair.polarity, "polarity", known.polarities)
    _check_pairs(text, canonical or ())
    if layout.overlaps == "refuse" and (overlaps := find_overlapping(spans)):
        first, second = (_describe_span(text, span) for span in overlaps[:2])
        message = _("{first} overlaps {second}; data.overlaps=keep takes both")
        raise DataError(message.format(first=first, second=second))
    return OpinionExample(text, tuple(spans), canonical, where)


def _check_text(text: str) -> None:
    if not text.strip():
        raise DataError(_("empty text"))
    if has_lone_surrogate(text):
        raise DataError(_("the text {problem}").format(problem=_(LONE_SURROGATE)))
    if problem := too_long(text):
        raise DataError(problem)


def _canonical(pair: Pair) -> Pair:
    return Pair(pair.aspect, pair.opinion, normalise_polarity(pair.polarity))


def check_span(text: str, span: Span, term: str | None = None) -> None:
    """Check that a span lies inside the text, is not blank, and covers ``term`` if that is given.

    Raises:
        DataError: it does not.
    """
    where = _("{label} {start} to {end}").format(label=span.label, start=span.start, end=span.end)
    if not 0 <= span.start < span.end <= len(text):
        message = _("{span}: expected a start before its end in the text of {count} characters")
        raise DataError(message.format(span=where, count=len(text)))
    covered = text[span.start : span.end]
    if term is not None and covered != term:
        message = _("{span}: expected {term!r}, but the text there is {found!r}; {hint}")
        hint = _location_hint(text, term)
        raise DataError(message.format(span=where, term=term[:40], found=covered[:40], hint=hint))
    if not covered.strip():
        raise DataError(_("{span}: covers nothing but white space").format(span=where))


def _location_hint(text: str, term: str) -> str:
    start = text.find(term) if term else -1
    if start < 0:
        return _("it does not occur in the text")
    return _("it occurs at {start} to {end}").format(start=start, end=start + len(term))


def _check_name(name: str, kind: Literal["label", "polarity"], known: Sequence[str] | None) -> None:
    is_label = kind == "label"
    if not name.strip():
        raise DataError(_("empty label") if is_label else _("empty polarity"))
    if known is not None and name not in known:
        label = _("unknown label {label!r}{hint} (one of {labels}; data.labels may name others)")
        polarity = _("unknown polarity {label!r}{hint} (one of {labels}; data.polarities may name others)")
        values = {"label": name, "hint": did_you_mean(name, known), "labels": join_names(known)}
        raise DataError((label if is_label else polarity).format(**values))


def _check_pairs(text: str, pairs: Sequence[Pair]) -> None:
    polarities: dict[tuple[Span | None, Span | None], str] = {}
    for pair in pairs:
        if pair.aspect is None and pair.opinion is None:
            raise DataError(_("a pair with neither aspect nor opinion"))
        _check_roles(text, pair)
        first = polarities.setdefault((pair.aspect, pair.opinion), pair.polarity)
        if first != pair.polarity:
            terms = [_describe_span(text, span) for span in (pair.opinion, pair.aspect) if span]
            message = _("{terms} is both {first} and {second}")
            values = {"terms": in_context("pair", " of ").join(terms), "first": first, "second": pair.polarity}
            raise DataError(message.format(**values))


def _check_roles(text: str, pair: Pair) -> None:
    for role, other, span in ((ASPECT, OPINION, pair.aspect), (OPINION, ASPECT, pair.opinion)):
        if span and span.label == other:
            message = _("{span} is the {role} of a pair, expected an {role} there")
            raise DataError(message.format(span=_describe_span(text, span), role=role))
