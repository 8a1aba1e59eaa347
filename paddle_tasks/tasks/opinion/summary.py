"""A summary of many reviews: aspects with counts, polarity shares and typical opinions, as a table and a chart."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paddle_tasks.data.opinion.examples import OPINION, POLARITIES
from paddle_tasks.errors import DataError
from paddle_tasks.figures.fonts import caption, label_names
from paddle_tasks.figures.stacked_bars import SUFFIXES, write_stacked_bars
from paddle_tasks.language import _, in_context, label_name, plural
from paddle_tasks.tasks.opinion.display import IMPLICIT
from paddle_tasks.training.display import Cell, Table, tone_of
from paddle_tasks.training.protocol import Record, RecordFormat

MAX_BARS, MAX_ROWS = 15, 30
_N_TYPICAL = 3
_COLOURS = {"positive": "#2ea043", "neutral": "#a8b1ba", "negative": "#da3633"}


@dataclass(frozen=True)
class AspectSummary:
    """One aspect in all reviews.

    Attributes:
        name: its most frequent spelling, or None for the implicit aspect.
        mentions: the number of times it is mentioned; for the implicit aspect, the number of its opinions.
        polarities: the number of its opinions by polarity.
        opinions: its most frequent opinions with their counts.
    """

    name: str | None
    mentions: int
    polarities: Mapping[str, int]
    opinions: Sequence[tuple[str, int]]

    def share(self, polarity: str) -> float:
        """Return the share of its opinions that have a polarity; 0 if it has no opinions."""
        return self.polarities.get(polarity, 0) / max(1, sum(self.polarities.values()))

    @property
    def shown_name(self) -> str:
        """The name for people."""
        return _(IMPLICIT) if self.name is None else self.name


@dataclass(frozen=True)
class Summary:
    """The summary of reviews.

    Attributes:
        n_reviews: the number of reviews.
        aspects: the most frequent first.
        polarities: those that occur, positive first; none if the model predicts no pairs.
    """

    n_reviews: int
    aspects: Sequence[AspectSummary]
    polarities: Sequence[str]


@dataclass
class _Count:
    spellings: Counter[str] = field(default_factory=Counter)
    polarities: Counter[str] = field(default_factory=Counter)
    opinions: Counter[str] = field(default_factory=Counter)


def summarise(records: Sequence[Record]) -> Summary:
    """Return the summary of the records of `predict`; names that differ only in case or width are one aspect.

    Raises:
        DataError: the records have no spans.
    """
    counts: defaultdict[str | None, _Count] = defaultdict(_Count)
    for record in records:
        for span in record["spans"]:
            if span["label"] != OPINION:
                counts[_key(span["text"])].spellings[span["text"]] += 1
        for triplet in record.get("triplets", ()):
            _count(counts, triplet)
    if not counts:
        raise DataError(
            _("nothing to summarise: no aspect and no opinion was found in {texts}").format(
                texts=plural("{count} text", "{count} texts", len(records))
            )
        )
    aspects = sorted((_summarise_aspect(key, count) for key, count in counts.items()), key=_order)
    return Summary(len(records), aspects, list(_polarities(counts.values())))


def _key(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _count(counts: Mapping[str | None, _Count], triplet: Record) -> None:
    aspect = triplet["aspect"]
    count = counts[_key(aspect["text"]) if aspect else None]
    count.polarities[triplet["polarity"]] += 1
    count.opinions[_key(triplet["opinion"]["text"])] += 1


def _summarise_aspect(key: str | None, count: _Count) -> AspectSummary:
    if key is None:
        name, mentions = None, sum(count.polarities.values())
    else:
        name, mentions = count.spellings.most_common(1)[0][0], sum(count.spellings.values())
    typical = sorted(count.opinions.items(), key=lambda item: (-item[1], item[0]))[:_N_TYPICAL]
    return AspectSummary(name, mentions, dict(count.polarities), typical)


def _order(aspect: AspectSummary) -> tuple[int, int, str]:
    return -aspect.mentions, -sum(aspect.polarities.values()), aspect.name or ""


def _polarities(counts: Iterable[_Count]) -> Iterator[str]:
    names = {polarity for count in counts for polarity in count.polarities}
    usual = ("positive", "neutral", "negative")
    assert set(usual) == set(POLARITIES)
    yield from (polarity for polarity in usual if polarity in names)
    yield from sorted(names - set(usual))


# ---- table and chart


def write_summary(records: Sequence[Record], path: Path) -> Table:
    """Write the chart of the records of `predict`, and return the table."""
    summary = summarise(records)
    has_names = write_chart(summary, path)
    return table(summary, list(_remarks(summary, path, has_names=has_names)))


SUMMARY = RecordFormat(write_file=write_summary, suffixes=SUFFIXES)


def write_chart(summary: Summary, path: Path) -> bool:
    """Write a bar for each of the most frequent aspects, and return whether the bars have the names of the aspects."""
    aspects = summary.aspects[:MAX_BARS]
    names = [aspect.shown_name for aspect in aspects]
    if not summary.polarities:
        mentions = caption("mentions")
        return write_stacked_bars(path, names, {mentions: [aspect.mentions for aspect in aspects]}, unit=mentions)
    shown = dict(zip(summary.polarities, label_names(summary.polarities), strict=True))
    parts = {shown[name]: [aspect.polarities.get(name, 0) for aspect in aspects] for name in shown}
    colours = {shown[name]: colour for name, colour in _COLOURS.items() if name in shown}
    return write_stacked_bars(path, names, parts, unit=caption("opinions"), colours=colours)


def table(summary: Summary, remarks: Sequence[str] = ()) -> Table:
    """Return the most frequent aspects with counts, polarity shares and typical opinions."""
    typical = [_("typical opinions")] if summary.polarities else []
    columns = ["", in_context("label", "aspect"), _("mentions"), *map(label_name, summary.polarities), *typical]
    return Table(
        title=_("{aspects} in {reviews}").format(
            aspects=plural("{count} aspect", "{count} aspects", len(summary.aspects)),
            reviews=plural("{count} review", "{count} reviews", summary.n_reviews),
        ),
        columns=columns,
        rows=[_row(number, aspect, summary) for number, aspect in enumerate(summary.aspects[:MAX_ROWS], start=1)],
        aligned_right=(0, *range(2, 3 + len(summary.polarities))),
        remarks=remarks,
    )


def _row(number: int, aspect: AspectSummary, summary: Summary) -> list[Cell]:
    cells = [Cell(str(number)), Cell(aspect.shown_name), Cell(str(aspect.mentions))]
    for polarity in summary.polarities:
        cells.append(Cell(f"{aspect.share(polarity):.0%}" if aspect.polarities else "–", tone_of(polarity)))
    if summary.polarities:
        cells.append(Cell(", ".join(f"{opinion} {count}" for opinion, count in aspect.opinions)))
    return cells


def _remarks(summary: Summary, path: Path, *, has_names: bool) -> Iterator[str]:
    n_left_out = len(summary.aspects) - MAX_ROWS
    if n_left_out > 0:
        yield plural("… and {count} more aspect", "… and {count} more aspects", n_left_out)
    yield _("chart {path}, the first {count}").format(path=path, count=min(MAX_BARS, len(summary.aspects)))
    if not has_names:
        yield _(
            "No installed font has all characters of the aspects, so the chart shows their numbers (those of the "
            "table). Install a Chinese font such as Noto Sans CJK, or name an .svg file, which uses the viewer's fonts."
        )
