"""Scores of translations as texts, with and without the pairs that train has too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.parallel.leaks import exact_leaks
from paddle_tasks.data.parallel.pairs import Pair
from paddle_tasks.metrics.translation import translation_metrics
from paddle_tasks.text.words import tagged_spans

_NAME_TAGS = ("nr", "ns", "nt")  # people, places and organisations
_MIN_NAME = 2
_DEDUPLICATED = ("bleu", "chrf", "exact_match")


def score_texts(pairs: Sequence[Pair], outputs: Sequence[str], train: Sequence[Pair] = ()) -> dict[str, Any]:
    """Return the metrics of translations.

    Args:
        pairs: the pairs that were translated.
        outputs: their translations.
        train: the pairs of train. If it has a side of some of ``pairs``, those of the others are scored too, as
            ``NAME_deduplicated``.
    """
    scores = _score(pairs, outputs, np.arange(len(pairs)))
    leaks = exact_leaks(train, pairs)
    clean = np.flatnonzero(~np.logical_or.reduce(list(leaks.values())))
    if 0 < len(clean) < len(pairs):
        others = _score(pairs, outputs, clean)
        scores.update({f"{name}_deduplicated": others[name] for name in _DEDUPLICATED})
    return scores


def _score(pairs: Sequence[Pair], outputs: Sequence[str], rows: Array) -> dict[str, Any]:
    chosen = [pairs[row] for row in rows]
    sources, references = [pair.source for pair in chosen], [pair.target for pair in chosen]
    books = [pair.book for pair in chosen]
    return translation_metrics(sources, [outputs[row] for row in rows], references, find_names, books)


def find_names(text: str) -> list[str]:
    """Return the names of people, places and organisations of at least two characters, as jieba tags them."""
    spans = [(start, end) for start, end, tag in tagged_spans(text) if tag.startswith(_NAME_TAGS)]
    return [text[start:end] for start, end in spans if end - start >= _MIN_NAME]


def text_record(row: int, pair: Pair, predicted: str) -> dict[str, Any]:
    """Return a record of a pair: source, reference and translation, and the book if it is known."""
    record = {"row": row, "where": pair.where, "text": pair.source, "gold": pair.target, "predicted": predicted}
    return {**record, "book": pair.book} if pair.book else record
