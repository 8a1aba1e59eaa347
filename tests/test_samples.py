"""Shipped samples: their number, their balance, no near-duplicates, and nothing from public data sets."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import pytest

from paddle_tasks.data.opinion.examples import ASPECT, OPINION, OpinionExample, OpinionLayout
from paddle_tasks.data.opinion.readers import load_opinions
from paddle_tasks.data.tables.catalogue import SAMPLES, names

from .helpers import CHNSENTICORP, DATA, needs_chnsenticorp

SPLITS = ("train", "dev", "test")
MIN_ROWS = {"train": 2000, "dev": 300, "test": 500}
DOMAINS = {"hotel", "book", "phone", "food_delivery", "film", "household", "service"}


@dataclass(frozen=True)
class Review:
    label: str
    domain: str
    text: str


def lines(split: str, name: str = "sentiment") -> list[str]:
    content = (SAMPLES / name / f"{split}.tsv").read_bytes().decode("utf-8")
    assert content.endswith("\n")
    return content.removesuffix("\n").split("\n")


def reviews(split: str) -> list[Review]:
    return [Review(*line.split("\t")) for line in lines(split)[1:]]


REVIEWS = {split: reviews(split) for split in SPLITS}
TEXTS = [review.text for split in SPLITS for review in REVIEWS[split]]


def grams(text: str, n: int = 5) -> set[str]:
    return {text[start : start + n] for start in range(len(text) - n + 1)}


def near_duplicates(texts: Sequence[str], min_similarity: float) -> Iterator[tuple[str, str]]:
    """Yield the pairs of texts whose character 5-grams have at least this Jaccard similarity."""
    grams_of = [grams(text) for text in texts]
    indices_with: defaultdict[str, list[int]] = defaultdict(list)
    for index, grams_of_text in enumerate(grams_of):
        for gram in grams_of_text:
            indices_with[gram].append(index)
    n_shared = Counter(pair for indices in indices_with.values() for pair in combinations(indices, 2))
    for (first, second), count in n_shared.items():
        if count >= min_similarity * len(grams_of[first] | grams_of[second]):
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
    assert len(found) >= MIN_ROWS[split]
    labels = Counter(review.label for review in found)
    assert set(labels) == {"positive", "negative"}
    assert 0.45 <= labels["positive"] / len(found) <= 0.55
    assert {review.domain for review in found} == DOMAINS
    assert {(review.domain, review.label) for review in found} == {(d, label) for d in DOMAINS for label in labels}


def test_reviews_are_short():
    assert min(map(len, TEXTS)) >= 8
    assert max(map(len, TEXTS)) <= 140


def test_no_two_reviews_are_near_duplicates():
    assert not repeated(TEXTS)
    assert not repeated(text[:6] for text in TEXTS)
    assert not list(near_duplicates(TEXTS, 0.3))


def test_near_duplicates_would_be_found():
    near = TEXTS[0].replace(TEXTS[0][-1], "！")
    assert list(near_duplicates([*TEXTS[1:], TEXTS[0], near], 0.3)) == [(TEXTS[0], near)]
    assert repeated(text[:6] for text in [*TEXTS, near]) == [near[:6]]


@needs_chnsenticorp
def test_no_review_is_from_chnsenticorp():
    published = "".join((CHNSENTICORP / f"{split}.tsv").read_text(encoding="utf-8") for split in SPLITS)
    assert len(published) > 1_000_000
    assert not [text for text in TEXTS if text in published]
    known = grams(published, 12)
    assert not [text for text in TEXTS if grams(text, 12) & known]


# ---- the samples of the other tasks


@dataclass(frozen=True)
class Sample:
    """The expected properties of a sample data set.

    Attributes:
        columns: the columns of its files.
        rows: the number of rows in all three files.
        labels: the number of labels; a fifth of each label's rows is in dev and a fifth in test.
        lengths: the minimum and maximum number of characters of a text.
        opening: the number of characters, or of English words, with which no two texts both begin.
        known: public files, and the length of a character n-gram; no n-gram of a text occurs in these files.
    """

    columns: tuple[str, ...]
    rows: int
    labels: int
    lengths: tuple[int, int]
    opening: int
    known: tuple[tuple[str, ...], int] = ((), 0)


OTHERS = {
    "news": Sample(
        ("label", "text"),
        600,
        10,
        (10, 22),
        5,
        (("clue/tnews/train.tsv", *(f"news/thucnews_titles/{split}.txt" for split in SPLITS)), 10),
    ),
    "long_text": Sample(
        ("label", "text"),
        120,
        12,
        (30, 400),
        5,
        (("clue/iflytek/train_few_all.json", "clue/iflytek/test_public.json"), 14),
    ),
    "similarity": Sample(("label", "text_a", "text_b"), 240, 2, (6, 24), 5, (("clue/afqmc/train.txt",), 10)),
    "sentiment_english": Sample(("label", "text"), 200, 2, (80, 540), 3),
    "sentiment_varied": Sample(
        ("label", "domain", "kind", "text"),
        1350,
        2,
        (2, 140),
        6,
        (tuple(f"sentiment/chnsenticorp/{split}.tsv" for split in SPLITS), 12),
    ),
}
each_other = pytest.mark.parametrize("name", OTHERS)


def cells(name: str, split: str) -> list[list[str]]:
    return [line.split("\t") for line in lines(split, name)[1:]]


def all_rows(name: str) -> list[list[str]]:
    return [row for split in SPLITS for row in cells(name, split)]


def texts_of(name: str, row: list[str]) -> list[str]:
    return [cell for column, cell in zip(OTHERS[name].columns, row, strict=True) if column.startswith("text")]


def opening(name: str, text: str) -> str:
    size = OTHERS[name].opening
    return " ".join(text.lower().split()[:size]) if name == "sentiment_english" else text[:size]


def test_every_sample_is_checked_here():
    shipped = {found.removeprefix("builtin/") for found in names() if found.startswith("builtin/")}
    assert shipped == {"sentiment", "opinion", "novel", "translate", "word2vec", *OTHERS}
    for name in shipped:
        assert "Apache-2.0" in (SAMPLES / name / "README.md").read_text(encoding="utf-8")


@each_other
def test_columns_rows_and_lengths(name):
    sample = OTHERS[name]
    assert {lines(split, name)[0] for split in SPLITS} == {"\t".join(sample.columns)}
    found = all_rows(name)
    assert len(found) == sample.rows
    assert {len(row) for row in found} == {len(sample.columns)}
    assert all(field and field == field.strip() and '"' not in field for row in found for field in row)
    lengths = [len(text) for row in found for text in texts_of(name, row)]
    assert sample.lengths[0] <= min(lengths)
    assert max(lengths) <= sample.lengths[1]


@each_other
def test_every_label_is_spread_over_the_files(name):
    counts = {split: Counter(row[0] for row in cells(name, split)) for split in SPLITS}
    total = sum(counts.values(), Counter())
    assert len(total) == OTHERS[name].labels
    for label, n_rows in total.items():
        shares = dict(zip(SPLITS, (0.6, 0.2, 0.2), strict=True))
        assert all(abs(counts[split][label] - share * n_rows) < 1 for split, share in shares.items())


@each_other
def test_no_two_rows_are_near_duplicates(name):
    texts = [" ".join(texts_of(name, row)) for row in all_rows(name)]
    assert not repeated(texts)
    assert not repeated(opening(name, text) for text in texts)
    assert not list(near_duplicates(texts, 0.3))


VARIED = {"plain", "short", "degree", "negation", "irony", "mixed"}


@pytest.mark.parametrize("split", SPLITS)
def test_varied_sentences_have_every_kind_in_every_file(split):
    rows = cells("sentiment_varied", split)
    assert {row[2] for row in rows} == VARIED
    assert {row[1] for row in rows} == DOMAINS | {"travel", "clothing", "car", "course", "app"}
    assert max(len(row[3]) for row in rows if row[2] == "short") <= 8


def test_varied_sentences_are_none_of_the_other_reviews():
    varied = [row[3] for row in all_rows("sentiment_varied")]
    neutral = [row[3] for row in cells("sentiment_varied", "no_opinion")]
    assert {row[0] for row in cells("sentiment_varied", "no_opinion")} == {"neutral"}
    together = [*varied, *neutral, *TEXTS]
    assert not repeated(together)
    assert not list(near_duplicates(together, 0.3))


def test_pairs_are_different_and_have_two_different_texts():
    pairs = [tuple(texts_of("similarity", row)) for row in all_rows("similarity")]
    assert not repeated(frozenset(pair) for pair in pairs)
    assert all(first != second for first, second in pairs)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name, sample in OTHERS.items() if sample.known[0]])
def test_no_piece_is_from_public_data(name):
    files, size = OTHERS[name].known
    paths = [DATA / file for file in files]
    if not all(path.is_file() for path in paths):
        pytest.skip(f"no public data in {DATA}; PADDLE_TASKS_DATA names the folder of the data sets")
    own = set().union(*(grams(text, size) for row in all_rows(name) for text in texts_of(name, row)))
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not own & grams(line, size), line


# ---- the reviews with opinions

OPINIONS = {split: load_opinions(split, "builtin/opinion", OpinionLayout()) for split in SPLITS}
ALL_OPINIONS = [example for split in SPLITS for example in OPINIONS[split].examples]
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
NOT = re.compile("[不没未无别]")
NO_NEGATION = {"不错", "差不多"}


def terms(example: OpinionExample, label: str) -> list[str]:
    return [example.text[span.start : span.end] for span in example.spans if span.label == label]


def has_opposites(example: OpinionExample) -> bool:
    said = {(pair.aspect, pair.polarity) for pair in example.pairs if pair.aspect}
    return any(
        one != other and {polarity, another} == {"positive", "negative"}
        for one, polarity in said
        for other, another in said
    )


def is_shared(example: OpinionExample) -> bool:
    return bool(repeated(pair.opinion for pair in example.pairs if pair.aspect))


def touches(example: OpinionExample) -> bool:
    return any(pair.aspect and pair.aspect.end == pair.opinion.start for pair in example.pairs)


def has_latin(example: OpinionExample) -> bool:
    return any(re.search("[A-Za-z0-9]", term) for label in (ASPECT, OPINION) for term in terms(example, label))


HARD = {
    "two aspects of opposite polarity": has_opposites,
    "negation": lambda e: any(NOT.search(term) and term not in NO_NEGATION for term in terms(e, OPINION)),
    "a shared opinion": is_shared,
    "an implicit aspect": lambda e: any(pair.aspect is None for pair in e.pairs),
    "Latin letters or digits": has_latin,
    "emoji": lambda e: bool(EMOJI.search(e.text)),
    "adjacent spans": touches,
    "a span of one character": lambda e: any(span.end - span.start == 1 for span in e.spans),
    "no opinion": lambda e: not e.spans,
}


def test_all_opinions_can_be_read():
    assert [len(OPINIONS[split].examples) for split in SPLITS] == [200, 50, 50]
    for split in OPINIONS.values():
        assert not split.bad_rows
        assert not split.overlaps
        assert split.labels == (ASPECT, OPINION)
        assert split.polarities == ("negative", "neutral", "positive")


def test_spans_of_opinions_are_terms():
    for example in ALL_OPINIONS:
        for term in terms(example, ASPECT) + terms(example, OPINION):
            assert term == term.strip()
            assert not re.search("[，。！？、；：…]", term), example.where
            assert not EMOJI.search(term), example.where


def test_every_span_of_opinions_is_in_a_pair():
    for example in ALL_OPINIONS:
        said = {span for pair in example.pairs for span in (pair.aspect, pair.opinion) if span}
        assert said == set(example.spans), example.where
        assert all(pair.opinion for pair in example.pairs)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("case", HARD)
def test_every_file_has_the_hard_cases_of_opinions(split, case):
    found = sum(map(HARD[case], OPINIONS[split].examples))
    assert len(OPINIONS[split].examples) > found >= 3 if case != "no opinion" else found >= 2


def test_no_two_opinion_texts_are_near_duplicates():
    texts = [example.text for example in ALL_OPINIONS]
    assert all(text == text.strip() and 8 <= len(text) <= 90 for text in texts)
    assert not repeated(texts)
    assert not repeated(text[:5] for text in texts)
    assert not list(near_duplicates(texts, 0.3))


@pytest.mark.long
@pytest.mark.skipif(not (DATA / "opinion").is_dir(), reason=f"no opinion data in {DATA}")
def test_no_opinion_is_from_public_data():
    files = [path for path in sorted((DATA / "opinion").rglob("*.*")) if path.is_file()]
    public = "".join(re.sub(r"(?<=\S) (?=\S)", "", path.read_text(encoding="utf-8")) for path in files)
    assert len(public) > 1_000_000
    assert not [e.text for e in ALL_OPINIONS if e.text in public]
    pieces = {piece: e.text for e in ALL_OPINIONS for piece in grams(e.text, 12)}
    assert not [text for piece, text in pieces.items() if piece in public]
