"""Reviews read by the tagger, however long they are, and what it finds in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import paddle
from paddle import Tensor

from paddle_tasks.arrays import Array
from paddle_tasks.metrics.spans import SpanLike
from paddle_tasks.models.chain import TokenSpan
from paddle_tasks.models.crf import float32_array
from paddle_tasks.models.opinion import Extraction, OpinionTagger, TokenTriplet
from paddle_tasks.tasks.opinion.rows import Framing, Names, Review, gold_of
from paddle_tasks.text.span_windows import Window, span_windows, stitch
from paddle_tasks.text.spans import Offsets, Pair, Span, token_range


@dataclass(frozen=True)
class Finding:
    """What was found in a review.

    Attributes:
        spans: each with its probability, from left to right.
        pairs: each with the probability that both spans stand there so and belong together so, as the product.
        gold_probs: the probability of each annotated span.
        loss: in nats, of all its tags and pairs as they are annotated.
        n_tokens: how many it has.
        possible: the spans of which these were taken, once that is done.
    """

    spans: tuple[tuple[Span, float], ...]
    pairs: tuple[tuple[Pair, float], ...]
    gold_probs: Mapping[SpanLike, float]
    loss: float
    n_tokens: int
    possible: tuple[tuple[Span, float], ...] = ()


@dataclass(frozen=True)
class Reader:
    """How reviews are read.

    Attributes:
        names: the labels and polarities of the model.
        framing: the special tokens.
        room: most tokens of a window, without [CLS] and [SEP].
        overlap: tokens that a window shares with the one before it.
        at_once: most windows that the model is given at once.
        pair_weight: what the loss of the pairs is multiplied with.
        least: the probabilities from which on a span and a triplet are found; None finds the spans of the best path,
            and the pairs that more probably belong together than not.
    """

    names: Names
    framing: Framing
    room: int
    overlap: int
    at_once: int
    pair_weight: float
    least: tuple[float, float] | None = None

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def read(self, model: OpinionTagger, reviews: Sequence[Review]) -> list[Finding]:
        """Return what the model finds in reviews, whose text may be longer than its windows."""
        read = self._whole(model, reviews)
        losses = self._losses(model, read, reviews)
        least = self.least and self.least[0]
        # What lies further apart than a window was in no row that the model has learnt from.
        found = model.extract_from(read.states, read.emissions, read.lengths, min_prob=least, max_extent=self.room)
        paths = model.chain().sum_paths(float32_array(read.emissions), read.lengths.numpy())
        return [
            Finding(
                spans=tuple(self._spans(extraction, review.offsets).items()),
                pairs=tuple(self._pairs(extraction, review.offsets).items()),
                gold_probs={
                    span: paths.span_prob(place, token_span) for span, token_span in _token_spans(review, self.names)
                },
                loss=loss,
                n_tokens=len(review.row),
            )
            for place, (review, extraction, loss) in enumerate(zip(reviews, found, losses, strict=True))
        ]

    def _losses(self, model: OpinionTagger, read: _Read, reviews: Sequence[Review]) -> list[float]:
        gold = gold_of([review.row for review in reviews], read.emissions.shape[1])
        losses = model.tag_losses(read.emissions, gold.tags, read.lengths)
        if self.names.polarities:
            losses = losses + self.pair_weight * model.pair_losses(read.states, gold)
        found: list[float] = losses.numpy().tolist()
        return found

    # ---- from tokens to characters

    def _spans(self, extraction: Extraction, offsets: Offsets) -> dict[Span, float]:
        found: dict[Span, float] = {}
        for token_span, prob in zip(extraction.spans, extraction.probs, strict=True):
            span = _characters(token_span, offsets, self.names)
            found[span] = max(prob, found.get(span, 0.0))  # several tokens may stand for one character
        return found

    def _pairs(self, extraction: Extraction, offsets: Offsets) -> dict[Pair, float]:
        pairs: dict[Pair, float] = {}
        probs: dict[TokenSpan | None, float] = {None: 1.0, **dict(zip(extraction.spans, extraction.probs, strict=True))}
        for found in extraction.triplets() if self.least is None else extraction.possible_triplets(self.least[1]):
            sides = _sides(found, offsets, self.names)
            prob = probs[found.aspect] * probs[found.opinion] * found.prob
            pair = Pair(*sides, self.names.polarities[found.polarity])
            pairs[pair] = max(prob, pairs.get(pair, 0.0))
        return pairs

    # ---- windows

    def _whole(self, model: OpinionTagger, reviews: Sequence[Review]) -> _Read:
        """Return states and emissions of whole reviews, put together where they have several windows."""
        windows = [span_windows(len(review.row), self.room, self.overlap) for review in reviews]
        ids = [
            review.row.ids[window.start : window.end]
            for review, found in zip(reviews, windows, strict=True)
            for window in found
        ]
        if len(ids) == len(reviews) <= self.at_once:
            return self._windows(model, ids)
        read = [self._windows(model, ids[start : start + self.at_once]) for start in range(0, len(ids), self.at_once)]
        places = [
            [_framed(window, len(review.row)) for window in found]
            for review, found in zip(reviews, windows, strict=True)
        ]
        states = _stitched([row for part in read for row in float32_array(part.states)], places)
        emissions = _stitched([row for part in read for row in float32_array(part.emissions)], places)
        lengths = np.array([len(review.row) + 2 for review in reviews], dtype=np.int64)
        return _Read(*map(paddle.to_tensor, (states, emissions, lengths)))

    def _windows(self, model: OpinionTagger, ids: Sequence[Array]) -> _Read:
        padded, ends = self.framing.padded(ids)
        input_ids, lengths = paddle.to_tensor(padded), paddle.to_tensor(ends)
        states = model.states(input_ids, paddle.zeros_like(input_ids), lengths)
        return _Read(states, model.emissions(states, lengths), lengths)


@dataclass(frozen=True)
class _Read:
    """What the model makes of rows.

    Attributes:
        states: <float>[rows, length, width].
        emissions: <float32>[rows, length, tags].
        lengths: <int64>[rows], [CLS] and [SEP] included.
    """

    states: Tensor
    emissions: Tensor
    lengths: Tensor


def _framed(window: Window, n_tokens: int) -> Window:
    """Return a window with its [CLS] and [SEP], which are only taken where the text begins and ends."""
    first = window.first + (window.first > 0)
    last = window.last + 1 + (window.last == n_tokens)
    return Window(window.start, window.end + 2, first, last)


def _stitched(parts: Sequence[Array], places: Sequence[Sequence[Window]]) -> Array:
    """Return <float32>[texts, longest, …] of the windows of each text one after another; 0 in the padding."""
    rest = iter(parts)
    whole = [stitch([next(rest) for _ in found], found) for found in places]
    padded = np.zeros((len(whole), max(map(len, whole)), *parts[0].shape[1:]), dtype=np.float32)
    for place, text in enumerate(whole):
        padded[place, : len(text)] = text
    return padded


# ---- from tokens to characters


def _token_spans(review: Review, names: Names) -> Iterator[tuple[Span, TokenSpan]]:
    """Yield the annotated spans that could be found, with their places behind [CLS]."""
    for span in review.spans:
        start, end = token_range(span.start, span.end, review.offsets)
        if start < end and span.label in names.labels:
            yield span, TokenSpan(start + 1, end + 1, names.labels.index(span.label))


def _sides(triplet: TokenTriplet, offsets: Offsets, names: Names) -> tuple[Span | None, Span]:
    aspect = None if triplet.aspect is None else _characters(triplet.aspect, offsets, names)
    return aspect, _characters(triplet.opinion, offsets, names)


def _characters(span: TokenSpan, offsets: Offsets, names: Names) -> Span:
    start, end = int(offsets[span.start - 1, 0]), int(offsets[span.end - 2, 1])
    return Span(start, end, names.labels[span.label])
