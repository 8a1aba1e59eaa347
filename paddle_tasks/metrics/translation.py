"""Metrics of translations against references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from paddle_tasks.language import mark
from paddle_tasks.metrics.numerals import find_numbers

MAX_SHORT, MAX_MIDDLE = 12, 24
"""The maximum number of characters of a short source and of a middle one."""
MIN_GROUP = 30
"""The minimum number of pairs of a book with scores of its own."""
GROUPED = {"by_length": mark("source length"), "by_book": mark("book")}
"""The metrics of groups of pairs, and what a group is."""
LENGTHS = {
    "short": mark("up to 12 characters"),
    "middle": mark("13 to 24 characters"),
    "long": mark("over 24 characters"),
}
"""The groups of source lengths."""
_ENDS = "。！？；：…"
_CLOSING = "”’」』）》\"')"

FindNames = Callable[[str], Iterable[str]]
"""Returns the names in a text."""


class Scored(NamedTuple):
    """A score of sacrebleu (Post, 2018, https://aclanthology.org/W18-6319) and what it was computed with.

    Attributes:
        score: from 0 to 100.
        signature: sacrebleu's own, which belongs beside every score.
    """

    score: float
    signature: str


def corpus_bleu(outputs: Sequence[str], references: Sequence[str]) -> Scored:
    """Return BLEU over characters; its brevity penalty is that of the whole corpus."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize="char")
    return Scored(metric.corpus_score(outputs, [references]).score, metric.get_signature().format())


def corpus_chrf(outputs: Sequence[str], references: Sequence[str]) -> Scored:
    """Return chrF2: the F-score, beta 2, of n-grams of up to six characters."""
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    return Scored(metric.corpus_score(outputs, [references]).score, metric.get_signature().format())


def sentence_chrf(output: str, reference: str) -> float:
    """Return the chrF2 of one translation, from 0 to 100."""
    return float(_chrf().sentence_score(output, [reference]).score)


@cache
def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()


def translation_metrics(
    sources: Sequence[str],
    outputs: Sequence[str],
    references: Sequence[str],
    find_names: FindNames | None = None,
    books: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the metrics of translations; empty without rows.

    - ``bleu``, ``chrf``: sacrebleu's, from 0 to 100, with their ``signatures``.
    - ``exact_match``: the share of outputs that equal their references.
    - ``by_length``: the number of ``rows``, ``bleu`` and that of ``copying``, for sources of up to 12 characters
      (``short``), of up to 24 (``middle``), and of longer ones.
    - ``by_book``: the same for each book with at least 30 pairs, the largest first; left out without ``books``.
    - ``numbers``: precision, recall and F1 of the numbers in the outputs against those of the references, by value.
    - ``names``: the same of the names that a source and its translation both have; left out without ``find_names``.
    - ``proper_ends``: the share of outputs that end as their references do, with a mark that may end a sentence or
      without one.
    - ``copying``: BLEU and chrF of the sources themselves.

    Args:
        sources: the texts that were translated.
        outputs: their translations.
        references: the translations that they should have.
        find_names: finds the names of outputs and references.
        books: the book of each pair, empty where it is unknown.
    """
    if not sources:
        return {}
    texts = sources, outputs, references
    bleu, chrf = corpus_bleu(outputs, references), corpus_chrf(outputs, references)
    metrics = {
        "bleu": bleu.score,
        "chrf": chrf.score,
        "exact_match": _share_equal(outputs, references),
        "by_length": _score_groups(list(map(_length_group, sources)), texts, list(LENGTHS)),
        "numbers": kept(map(find_numbers, outputs), map(find_numbers, references)),
        "proper_ends": _share_equal(list(map(_is_ended, outputs)), list(map(_is_ended, references))),
        "copying": {
            "bleu": corpus_bleu(sources, references).score,
            "chrf": corpus_chrf(sources, references).score,
        },
        "signatures": {"bleu": bleu.signature, "chrf": chrf.signature},
    }
    if any(books):
        metrics["by_book"] = _score_groups(books, texts, _large_books(books))
    if find_names is not None:
        sides = (
            [_names_of_both(find_names, *pair) for pair in zip(sources, side, strict=True)]
            for side in (outputs, references)
        )
        metrics["names"] = kept(*sides)
    return metrics


def kept(found: Iterable[Iterable[Hashable]], expected: Iterable[Iterable[Hashable]]) -> dict[str, float]:
    """Return precision, recall and F1 of what outputs have against what references have, in all rows together.

    Repetitions count: two of three equal items make two hits. A precision without anything found is 0, and so is a
    recall without anything expected.
    """
    pairs = [(Counter(one), Counter(other)) for one, other in zip(found, expected, strict=True)]
    n_hits = sum((one & other).total() for one, other in pairs)
    n_found, n_expected = (sum(pair[side].total() for pair in pairs) for side in (0, 1))
    return {
        "precision": n_hits / max(1, n_found),
        "recall": n_hits / max(1, n_expected),
        "f1": 2 * n_hits / max(1, n_found + n_expected),
        "expected": n_expected,
    }


def _names_of_both(find_names: FindNames, source: str, text: str) -> list[str]:
    return [name for name in find_names(text) if name in source]


def _is_ended(text: str) -> bool:
    """Return whether a text ends with a mark that may end a sentence, perhaps before closing quotation marks."""
    return text.rstrip(_CLOSING).endswith(tuple(_ENDS))


def _share_equal(items: Sequence[Hashable], others: Sequence[Hashable]) -> float:
    return float(np.mean([one == other for one, other in zip(items, others, strict=True)]))


def _length_group(source: str) -> str:
    if len(source) <= MAX_SHORT:
        return "short"
    return "middle" if len(source) <= MAX_MIDDLE else "long"


def _large_books(books: Sequence[str]) -> list[str]:
    return [book for book, count in Counter(books).most_common() if book and count >= MIN_GROUP]


def _score_groups(
    groups: Sequence[str], texts: tuple[Sequence[str], Sequence[str], Sequence[str]], names: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return the scores of groups by name.

    Args:
        groups: the group of each pair.
        texts: sources, outputs and references.
        names: the groups to score; those without pairs are left out.
    """
    scores = {}
    for name in names:
        rows = [row for row, group in enumerate(groups) if group == name]
        if rows:
            sources, outputs, references = ([side[row] for row in rows] for side in texts)
            bleu, copying = corpus_bleu(outputs, references).score, corpus_bleu(sources, references).score
            scores[name] = {"rows": len(rows), "bleu": bleu, "copying": copying}
    return scores
