"""What many reviews say together: aspects with counts, polarity shares and typical opinions."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from paddle_tasks.data.opinion.examples import OPINION, POLARITIES
from paddle_tasks.errors import DataError

_TYPICAL = 3
Record = Mapping[str, Any]


@dataclass(frozen=True)
class AspectSummary:
    """What is said of one aspect.

    Attributes:
        name: its most frequent spelling, or None for what is meant and not written.
        mentions: how often it stands in the reviews; of None, how many opinions it has.
        polarities: its opinions by polarity.
        opinions: the most frequent ones, and how often they are said of it.
    """

    name: str | None
    mentions: int
    polarities: Mapping[str, int]
    opinions: Sequence[tuple[str, int]]

    def share(self, polarity: str) -> float:
        """Return the part of its opinions that are of a polarity; 0 where it has none."""
        return self.polarities.get(polarity, 0) / max(1, sum(self.polarities.values()))


@dataclass(frozen=True)
class Summary:
    """What reviews say.

    Attributes:
        n_reviews: how many there are.
        aspects: the most frequent first.
        polarities: those that were found, positive first; none when the model looks for no pairs.
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
    """Return the summary of what `predict` says of reviews; names that differ in case or width alone are one aspect.

    Raises:
        DataError: nothing was found in any review.
    """
    counts: defaultdict[str | None, _Count] = defaultdict(_Count)
    for record in records:
        for span in record["spans"]:
            if span["label"] != OPINION:
                counts[_key(span["text"])].spellings[span["text"]] += 1
        for triplet in record.get("triplets", ()):
            _count(counts, triplet)
    if not counts:
        raise DataError(f"nothing to summarise: no aspect and no opinion was found in {len(records)} texts")
    aspects = sorted((_summary(key, count) for key, count in counts.items()), key=_order)
    return Summary(len(records), aspects, list(_polarities(counts.values())))


def _key(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _count(counts: Mapping[str | None, _Count], triplet: Record) -> None:
    aspect = triplet["aspect"]
    count = counts[_key(aspect["text"]) if aspect else None]
    count.polarities[triplet["polarity"]] += 1
    count.opinions[_key(triplet["opinion"]["text"])] += 1


def _summary(key: str | None, count: _Count) -> AspectSummary:
    if key is None:
        name, mentions = None, sum(count.polarities.values())
    else:
        name, mentions = count.spellings.most_common(1)[0][0], sum(count.spellings.values())
    typical = sorted(count.opinions.items(), key=lambda item: (-item[1], item[0]))[:_TYPICAL]
    return AspectSummary(name, mentions, dict(count.polarities), typical)


def _order(aspect: AspectSummary) -> tuple[int, int, str]:
    return -aspect.mentions, -sum(aspect.polarities.values()), aspect.name or ""


def _polarities(counts: Iterable[_Count]) -> Iterator[str]:
    found = {polarity for count in counts for polarity in count.polarities}
    usual = ("positive", "neutral", "negative")
    assert set(usual) == set(POLARITIES)
    yield from (polarity for polarity in usual if polarity in found)
    yield from sorted(found - set(usual))
