"""Predicted spans and pairs in characters, and the windows of long reviews. Nothing here needs Paddle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.metrics.spans import SpanLike
from paddle_tasks.models.chain import TokenSpan
from paddle_tasks.models.extraction import Extraction
from paddle_tasks.text.span_windows import Window, span_windows, stitch
from paddle_tasks.text.spans import Offsets, Pair, Span

MinProbs = tuple[float, float]
"""The lowest probability of a span, and that of a triplet."""


@dataclass(frozen=True)
class OpinionNames:
    """The names that a model knows.

    Attributes:
        labels: the labels of spans, in the order of the tags.
        polarities: in the order of the pair classes after `NO_PAIR`; empty if no pairs are learnt.
    """

    labels: tuple[str, ...] = ()
    polarities: tuple[str, ...] = ()


@dataclass(frozen=True)
class SpecialTokens:
    """The ids of the tokens around a text and after it."""

    cls_id: int
    sep_id: int
    pad_id: int

    def pad(self, rows: Sequence[Array]) -> tuple[Array, Array]:
        """Return rows of ids as [CLS] … [SEP], padded: <int64>[rows, length], and their lengths <int64>[rows]."""
        lengths = np.array([len(row) + 2 for row in rows], dtype=np.int64)
        ids = np.full((len(rows), lengths.max(initial=0)), self.pad_id, dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row) + 2] = [self.cls_id, *row.tolist(), self.sep_id]
        return ids, lengths


@dataclass(frozen=True)
class Prediction:
    """What is predicted of a review.

    Attributes:
        spans: each with its probability, from left to right.
        pairs: each with its probability: the product of those of both spans and of their relation.
        gold_probs: the probability of each annotated span.
        loss: in nats, of all annotated tags and pairs.
        n_tokens: the number of tokens.
        candidates: the spans that were candidates; known once spans have been selected.
    """

    spans: tuple[tuple[Span, float], ...]
    pairs: tuple[tuple[Pair, float], ...]
    gold_probs: Mapping[SpanLike, float]
    loss: float
    n_tokens: int
    candidates: tuple[tuple[Span, float], ...] = ()


# ---- from tokens to characters


def predicted_spans(extraction: Extraction, offsets: Offsets, names: OpinionNames) -> dict[Span, float]:
    """Return the spans of a review with their probabilities.

    Args:
        extraction: what is predicted of its tokens.
        offsets: the characters of its tokens.
        names: of the labels.
    """
    spans: dict[Span, float] = {}
    for tokens, prob in zip(extraction.spans, extraction.probs, strict=True):
        span = _in_characters(tokens, offsets, names)
        spans[span] = max(prob, spans.get(span, 0.0))  # several tokens may belong to one character
    return spans


def predicted_pairs(
    extraction: Extraction, offsets: Offsets, names: OpinionNames, min_probs: MinProbs | None
) -> dict[Pair, float]:
    """Return the pairs of a review with their probabilities; see `predicted_spans`.

    Args:
        extraction: what is predicted of its tokens.
        offsets: the characters of its tokens.
        names: of the labels and polarities.
        min_probs: None for the pairs that are more probable than not.
    """
    pairs: dict[Pair, float] = {}
    probs: dict[TokenSpan | None, float] = {None: 1.0, **dict(zip(extraction.spans, extraction.probs, strict=True))}
    for triplet in extraction.possible_triplets(min_probs[1]) if min_probs else extraction.triplets():
        aspect = None if triplet.aspect is None else _in_characters(triplet.aspect, offsets, names)
        opinion = _in_characters(triplet.opinion, offsets, names)
        prob = probs[triplet.aspect] * probs[triplet.opinion] * triplet.prob
        pair = Pair(aspect, opinion, names.polarities[triplet.polarity])
        pairs[pair] = max(prob, pairs.get(pair, 0.0))
    return pairs


def _in_characters(span: TokenSpan, offsets: Offsets, names: OpinionNames) -> Span:
    start, end = int(offsets[span.start - 1, 0]), int(offsets[span.end - 2, 1])
    return Span(start, end, names.labels[span.label])


# ---- windows


@dataclass(frozen=True)
class ReviewWindows:
    """The windows of reviews.

    Attributes:
        n_tokens: the number of tokens of each review, without [CLS] and [SEP].
        windows: those of each review.
    """

    n_tokens: Sequence[int]
    windows: Sequence[Sequence[Window]]

    @classmethod
    def cut(cls, n_tokens: Sequence[int], max_tokens: int, overlap: int) -> ReviewWindows:
        """Return windows of at most ``max_tokens`` tokens, which share ``overlap`` tokens with the one before."""
        return cls(n_tokens, [span_windows(count, max_tokens, overlap) for count in n_tokens])

    def ids(self, reviews: Sequence[Array]) -> list[Array]:
        """Return the ids of each window, from the ids of each review."""
        return [
            ids[window.start : window.end] for ids, own in zip(reviews, self.windows, strict=True) for window in own
        ]

    @property
    def lengths(self) -> Array:
        """The number of tokens of each review with [CLS] and [SEP], <int64>[reviews]."""
        return np.array([count + 2 for count in self.n_tokens], dtype=np.int64)

    def stitch(self, parts: Sequence[Array]) -> Array:
        """Return <float32>[reviews, length, …] from the output of each window; 0 in the padding."""
        framed = [
            [_with_special_tokens(window, count) for window in own]
            for count, own in zip(self.n_tokens, self.windows, strict=True)
        ]
        return _stitch_all(parts, framed)


def _with_special_tokens(window: Window, n_tokens: int) -> Window:
    """Return a window with its [CLS] and [SEP]; they are kept only at the beginning and the end of the text."""
    kept_start = window.kept_start + (window.kept_start > 0)
    kept_end = window.kept_end + 1 + (window.kept_end == n_tokens)
    return Window(window.start, window.end + 2, kept_start, kept_end)


def _stitch_all(parts: Sequence[Array], windows: Sequence[Sequence[Window]]) -> Array:
    """Return <float32>[texts, length, …] from the windows of each text, one after another; 0 in the padding."""
    rest = iter(parts)
    texts = [stitch([next(rest) for _ in own], own) for own in windows]
    padded = np.zeros((len(texts), max(map(len, texts)), *parts[0].shape[1:]), dtype=np.float32)
    for row, text in enumerate(texts):
        padded[row, : len(text)] = text
    return padded
