"""The reviews that ship: enough of them, balanced, all different, and nobody else's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import pytest

from paddle_tasks.data.catalogue import SAMPLES

from .helpers import CHNSENTICORP, needs_chnsenticorp

SPLITS = ("train", "dev", "test")
LEAST_ROWS = {"train": 2000, "dev": 300, "test": 500}
DOMAINS = {"hotel", "book", "phone", "food_delivery", "film", "household", "service"}


@dataclass(frozen=True)
class Review:
    label: str
    domain: str
    text: str


def lines(split: str) -> list[str]:
    content = (SAMPLES / "sentiment" / f"{split}.tsv").read_bytes().decode("utf-8")
    assert content.endswith("\n")
    return content.removesuffix("\n").split("\n")


def reviews(split: str) -> list[Review]:
    return [Review(*line.split("\t")) for line in lines(split)[1:]]


REVIEWS = {split: reviews(split) for split in SPLITS}
TEXTS = [review.text for split in SPLITS for review in REVIEWS[split]]


def grams(text: str, n: int = 5) -> set[str]:
    return {text[start : start + n] for start in range(len(text) - n + 1)}


def alike(texts: Sequence[str], least: float) -> Iterator[tuple[str, str]]:
    """Yield the pairs whose character 5-grams have a Jaccard similarity of ``least`` or more."""
    parts = [grams(text) for text in texts]
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for at, part in enumerate(parts):
        for gram in part:
            holders[gram].append(at)
    shared = Counter(pair for places in holders.values() for pair in combinations(places, 2))
    for (first, second), count in shared.items():
        if count >= least * len(parts[first] | parts[second]):
            yield texts[first], texts[second]


def repeated(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]


@pytest.mark.parametrize("split", SPLITS)
def test_the_columns_are_label_domain_and_text(split):
    assert lines(split)[0] == "label\tdomain\ttext"
    assert {len(line.split("\t")) for line in lines(split)} == {3}
    assert all(field == field.strip() for line in lines(split) for field in line.split("\t"))


@pytest.mark.parametrize("split", SPLITS)
def test_there_are_enough_of_both_classes_in_every_domain(split):
    found = REVIEWS[split]
    assert len(found) >= LEAST_ROWS[split]
    labels = Counter(review.label for review in found)
    assert set(labels) == {"positive", "negative"}
    assert 0.45 <= labels["positive"] / len(found) <= 0.55
    assert {review.domain for review in found} == DOMAINS
    assert {(review.domain, review.label) for review in found} == {(d, label) for d in DOMAINS for label in labels}


def test_lengths_are_those_of_short_reviews():
    assert min(map(len, TEXTS)) >= 8
    assert max(map(len, TEXTS)) <= 140


def test_no_two_are_alike():
    assert not repeated(TEXTS)
    assert not repeated(text[:6] for text in TEXTS)
    assert not list(alike(TEXTS, 0.3))


def test_likeness_is_found():
    near = TEXTS[0].replace(TEXTS[0][-1], "！")
    assert list(alike([*TEXTS[1:], TEXTS[0], near], 0.3)) == [(TEXTS[0], near)]
    assert repeated(text[:6] for text in [*TEXTS, near]) == [near[:6]]


@needs_chnsenticorp
def test_none_is_from_chnsenticorp():
    published = "".join((CHNSENTICORP / f"{split}.tsv").read_text(encoding="utf-8") for split in SPLITS)
    assert len(published) > 1_000_000
    assert not [text for text in TEXTS if text in published]
    known = grams(published, 12)
    assert not [text for text in TEXTS if grams(text, 12) & known]
