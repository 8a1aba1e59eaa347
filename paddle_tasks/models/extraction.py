"""Spans and pairs from the scores of a tagger. Nothing here imports Paddle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.chain import Chain, PathSums, TokenSpan, spans_from_tags

ASPECT_INDEX, OPINION_INDEX = 0, 1  # indices of the two labels
NO_PAIR = 0  # the class of spans that do not belong together; the polarities follow
IGNORED = -1  # the class of a pair without a loss, such as one with a padded span
ScoredSpan = tuple[TokenSpan, float]
"""A span and its probability."""
Spans = Sequence[Sequence[TokenSpan]]
"""The spans of each row."""
PairProbs = Callable[[slice, slice, Array, Array], Array]
"""Returns the class probabilities <float32>[rows, 1 + aspects, opinions, classes] of pairs.

It takes the rows, the positions that are read of them, and the spans <int64>[rows, spans, 2] as ranges of these
positions, as `pad_spans` returns them.
"""
_MIN_SPANS_KEPT = 8
OPINIONS_AT_ONCE = 64


class TokenTriplet(NamedTuple):
    """An aspect (None: implicit, not written in the text), an opinion, the index of a polarity and its probability."""

    aspect: TokenSpan | None
    opinion: TokenSpan
    polarity: int
    prob: float


@dataclass(frozen=True, eq=False)
class Extraction:
    """The spans and pairs predicted for one row.

    Attributes:
        spans: from left to right; the spans of a best path do not overlap, others may.
        probs: the probability of exactly this span, for each of ``spans``.
        pairs: <float32>[1 + n_aspects, n_opinions, 1 + n_polarities], the class probabilities of each pair of an
            aspect and an opinion among ``spans``; the first aspect is the implicit one. Without polarities the last
            axis is empty.
    """

    spans: tuple[TokenSpan, ...]
    probs: tuple[float, ...]
    pairs: Array

    def spans_with(self, label: int) -> list[TokenSpan]:
        """Return the spans with the label of this index."""
        return [span for span in self.spans if span.label == label]

    def triplets(self) -> list[TokenTriplet]:
        """Return the pairs whose most probable class is a polarity, grouped by opinion."""
        return self._paired(self.pairs.argmax(axis=2) != NO_PAIR) if self.pairs.size else []

    def possible_triplets(self, min_prob: float) -> list[TokenTriplet]:
        """Return the pairs whose spans and most probable polarity are together right with at least this probability.

        The probability is the product of those of the aspect, the opinion and the polarity.
        """
        if not self.pairs.size:
            return []
        aspects, opinions = (
            [prob for span, prob in zip(self.spans, self.probs, strict=True) if span.label == label]
            for label in (ASPECT_INDEX, OPINION_INDEX)
        )
        probs = np.outer([1.0, *aspects], opinions) * self.pairs[:, :, 1 + NO_PAIR :].max(axis=2)
        return self._paired(probs >= min_prob)

    def _paired(self, is_taken: Array) -> list[TokenTriplet]:
        aspects, polarities = [None, *self.spans_with(ASPECT_INDEX)], self.pairs[:, :, 1 + NO_PAIR :]
        best, probs = polarities.argmax(axis=2), polarities.max(axis=2)
        return [
            TokenTriplet(aspects[row], opinion, int(best[row, column]), float(probs[row, column]))
            for column, opinion in enumerate(self.spans_with(OPINION_INDEX))
            for row in np.flatnonzero(is_taken[:, column])
        ]


@dataclass(frozen=True)
class Extractor:
    """Predicts spans and pairs.

    Attributes:
        chain: decodes the emissions.
        n_polarities: classes of pairs that belong together; 0: there are no pairs.
        min_prob: take every span of at least this probability, even if spans overlap; None takes the spans of the best
            path, whatever their probability.
        max_extent: tokens from the first to the last token of a pair, at most; None: no limit.
    """

    chain: Chain
    n_polarities: int
    min_prob: float | None = None
    max_extent: int | None = None

    def extract(self, emissions: Array, lengths: Array, pair_probs: PairProbs) -> list[Extraction]:
        """Return what is predicted of each row.

        Args:
            emissions: <float32>[batch, length, 2 * n_labels + 1], including [CLS] and [SEP].
            lengths: <int64>[batch].
            pair_probs: computes the probabilities of pairs of spans.
        """
        sums = self.chain.sum_paths(emissions, lengths)
        if self.min_prob is None:
            scored = _score_best_path(self.chain.decode(emissions, lengths), sums)
        else:
            scored = list(map(most_probable, sums.likely_spans(self.min_prob), lengths.tolist()))
        spans = [[span for span, _ in row] for row in scored]
        probs = [[prob for _, prob in row] for row in scored]
        pairs = self._pair_probs(emissions.shape[1], spans, pair_probs)
        return [Extraction(tuple(s), tuple(p), q) for s, p, q in zip(spans, probs, pairs, strict=True)]

    def _pair_probs(self, length: int, rows: Spans, pair_probs: PairProbs) -> list[Array]:
        labels = (ASPECT_INDEX, OPINION_INDEX)
        labelled = [[[span for span in spans if span.label == label] for spans in rows] for label in labels]
        sizes = [(1 + len(aspects), len(opinions)) for aspects, opinions in zip(*labelled, strict=True)]
        if not self.n_polarities:
            return [np.zeros((*size, 0), dtype=np.float32) for size in sizes]
        if not any(labelled[1]):
            return [np.zeros((*size, 1 + self.n_polarities), dtype=np.float32) for size in sizes]
        if self.max_extent is not None and length > self.max_extent + 2:  # [CLS] and [SEP]
            return [
                self._near_pair_probs(row, aspects, opinions, self.max_extent, pair_probs)
                for row, (aspects, opinions) in enumerate(zip(*labelled, strict=True))
            ]
        probs = pair_probs(slice(None), slice(None), *map(pad_spans, labelled))
        return [row[:n_aspects, :n_opinions] for row, (n_aspects, n_opinions) in zip(probs, sizes, strict=True)]

    def _near_pair_probs(
        self,
        row: int,
        aspects: Sequence[TokenSpan],
        opinions: Sequence[TokenSpan],
        max_extent: int,
        pair_probs: PairProbs,
    ) -> Array:
        """Return the class probabilities of one row's pairs, some opinions at a time; too wide a pair is `NO_PAIR`."""
        no_pair = np.eye(1 + self.n_polarities, dtype=np.float32)[NO_PAIR]
        probs = np.tile(no_pair, (1 + len(aspects), len(opinions), 1))
        for first in range(0, len(opinions), OPINIONS_AT_ONCE):
            chunk = slice(first, first + OPINIONS_AT_ONCE)
            low, high = _surroundings(opinions[chunk], max_extent)
            near = [index for index, span in enumerate(aspects) if low <= span.start and span.end <= high]
            sides = [aspects[index] for index in near], opinions[chunk]
            shifted = [[[TokenSpan(start - low, end - low, label) for start, end, label in side]] for side in sides]
            near_probs = pair_probs(slice(row, row + 1), slice(low, high), *map(pad_spans, shifted))[0]
            probs[[0, *(1 + index for index in near)], chunk] = near_probs[: 1 + len(near), : len(sides[1])]
        probs[1:][_extents(aspects, opinions) > max_extent] = no_pair
        return probs


def _surroundings(opinions: Sequence[TokenSpan], max_extent: int) -> tuple[int, int]:
    """Return the token range [start, end) that holds some opinions and every span they may pair with."""
    low = min(min(span.start, span.end - max_extent) for span in opinions)
    return max(0, low), max(max(span.end, span.start + max_extent) for span in opinions)


def _extents(aspects: Sequence[TokenSpan], opinions: Sequence[TokenSpan]) -> Array:
    """Return the tokens from the first to the last token of each pair, <int64>[n_aspects, n_opinions]."""
    first, second = (np.array(spans, dtype=np.int64).reshape(-1, 3) for spans in (aspects, opinions))
    ends = np.maximum(first[:, None, 1], second[:, 1])
    extents: Array = ends - np.minimum(first[:, None, 0], second[:, 0])
    return extents


def _score_best_path(tags: Array, sums: PathSums) -> list[list[ScoredSpan]]:
    return [
        [(span, sums.span_prob(row, span)) for span in spans_from_tags(row_tags)] for row, row_tags in enumerate(tags)
    ]


def most_probable(spans: Sequence[ScoredSpan], n_tokens: int) -> list[ScoredSpan]:
    """Return the most probable spans of a row, overlapping ones included, from left to right.

    At most half as many as the row has tokens, or eight if that is more: an untrained model takes any token for a span,
    and every aspect is paired with every opinion.
    """
    ordered = sorted(spans, key=lambda scored: -scored[1])
    return sorted(ordered[: max(_MIN_SPANS_KEPT, n_tokens // 2)])


def pad_spans(rows: Sequence[Sequence[Sequence[int]]]) -> Array:
    """Return the token ranges of all rows <int64>[rows, n_spans, 2], padded with (0, 0) to at least one span.

    Args:
        rows: the spans of each row; each span begins with start and end.
    """
    padded = np.zeros((len(rows), max([1, *map(len, rows)]), 2), dtype=np.int64)
    for row, spans in enumerate(rows):
        if spans:
            padded[row, : len(spans)] = [span[:2] for span in spans]
    return padded


def pad_pairs(rows: Sequence[Array]) -> Array:
    """Return the pair classes of all rows <int64>[rows, 1 + n_aspects, n_opinions], padded with `IGNORED`.

    Args:
        rows: <int64>[1 + aspects, opinions] of each row, in the order of its spans.
    """
    shape = (max([2, *map(len, rows)]), max([1, *(row.shape[1] for row in rows)]))
    padded = np.full((len(rows), *shape), IGNORED, dtype=np.int64)
    for row, classes in enumerate(rows):
        padded[row, : classes.shape[0], : classes.shape[1]] = classes
    return padded
