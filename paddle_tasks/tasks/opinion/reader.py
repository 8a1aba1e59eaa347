"""Reads reviews of any length with the tagger and returns what it predicts, in characters."""

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
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.opinion import Extraction, OpinionTagger
from paddle_tasks.tasks.opinion.features import OpinionNames, ReviewFeatures, SpecialTokens, gold_tensors
from paddle_tasks.text.span_windows import Window, span_windows, stitch
from paddle_tasks.text.spans import Offsets, Pair, Span, token_range


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


@dataclass(frozen=True)
class Reader:
    """Reads reviews in windows.

    Attributes:
        names: the labels and polarities of the model.
        special: the special tokens.
        max_tokens: the maximum number of tokens of a window without [CLS] and [SEP].
        overlap: the number of tokens that a window shares with the one before it.
        batch_size: the maximum number of windows in one forward pass.
        pair_weight: the factor of the pair loss.
        min_probs: the lowest probability of a span and of a triplet; None predicts the spans of the best path and the
            pairs that are more probable than not.
    """

    names: OpinionNames
    special: SpecialTokens
    max_tokens: int
    overlap: int
    batch_size: int
    pair_weight: float
    min_probs: tuple[float, float] | None = None

    @without_gradients
    def read(self, model: OpinionTagger, reviews: Sequence[ReviewFeatures]) -> list[Prediction]:
        """Return what the model predicts of reviews, which may be longer than its windows."""
        encoded = self._encode(model, reviews)
        losses = self._losses(model, encoded, reviews)
        min_prob = self.min_probs and self.min_probs[0]
        # Spans that are further apart than a window were never seen together in training.
        extractions = model.extract_from(
            encoded.states, encoded.emissions, encoded.lengths, min_prob=min_prob, max_extent=self.max_tokens
        )
        sums = model.chain().sum_paths(float32_array(encoded.emissions), encoded.lengths.numpy())
        return [
            Prediction(
                spans=tuple(self._spans(extraction, review.offsets).items()),
                pairs=tuple(self._pairs(extraction, review.offsets).items()),
                gold_probs={span: sums.span_prob(row, tokens) for span, tokens in _token_spans(review, self.names)},
                loss=loss,
                n_tokens=len(review.tokens),
            )
            for row, (review, extraction, loss) in enumerate(zip(reviews, extractions, losses, strict=True))
        ]

    def _losses(self, model: OpinionTagger, encoded: _Encoded, reviews: Sequence[ReviewFeatures]) -> list[float]:
        gold = gold_tensors([review.tokens for review in reviews], encoded.emissions.shape[1])
        losses = model.tag_losses(encoded.emissions, gold.tags, encoded.lengths)
        if self.names.polarities:
            losses = losses + self.pair_weight * model.pair_losses(encoded.states, gold)
        values: list[float] = losses.numpy().tolist()
        return values

    # ---- from tokens to characters

    def _spans(self, extraction: Extraction, offsets: Offsets) -> dict[Span, float]:
        spans: dict[Span, float] = {}
        for tokens, prob in zip(extraction.spans, extraction.probs, strict=True):
            span = _in_characters(tokens, offsets, self.names)
            spans[span] = max(prob, spans.get(span, 0.0))  # several tokens may belong to one character
        return spans

    def _pairs(self, extraction: Extraction, offsets: Offsets) -> dict[Pair, float]:
        pairs: dict[Pair, float] = {}
        probs: dict[TokenSpan | None, float] = {None: 1.0, **dict(zip(extraction.spans, extraction.probs, strict=True))}
        is_best = self.min_probs is None
        for triplet in extraction.triplets() if is_best else extraction.possible_triplets(self._min_triplet_prob):
            aspect = None if triplet.aspect is None else _in_characters(triplet.aspect, offsets, self.names)
            opinion = _in_characters(triplet.opinion, offsets, self.names)
            prob = probs[triplet.aspect] * probs[triplet.opinion] * triplet.prob
            pair = Pair(aspect, opinion, self.names.polarities[triplet.polarity])
            pairs[pair] = max(prob, pairs.get(pair, 0.0))
        return pairs

    @property
    def _min_triplet_prob(self) -> float:
        return self.min_probs[1] if self.min_probs else 0.0

    # ---- windows

    def _encode(self, model: OpinionTagger, reviews: Sequence[ReviewFeatures]) -> _Encoded:
        """Return states and emissions of whole reviews, stitched together from their windows."""
        windows = [span_windows(len(review.tokens), self.max_tokens, self.overlap) for review in reviews]
        ids = [
            review.tokens.ids[window.start : window.end]
            for review, own in zip(reviews, windows, strict=True)
            for window in own
        ]
        if len(ids) == len(reviews) <= self.batch_size:
            return self._encode_windows(model, ids)
        starts = range(0, len(ids), self.batch_size)
        parts = [self._encode_windows(model, ids[start : start + self.batch_size]) for start in starts]
        framed = [
            [_with_special_tokens(window, len(review.tokens)) for window in own]
            for review, own in zip(reviews, windows, strict=True)
        ]
        states = _stitch_all([row for part in parts for row in float32_array(part.states)], framed)
        emissions = _stitch_all([row for part in parts for row in float32_array(part.emissions)], framed)
        lengths = np.array([len(review.tokens) + 2 for review in reviews], dtype=np.int64)
        return _Encoded(*map(paddle.to_tensor, (states, emissions, lengths)))

    def _encode_windows(self, model: OpinionTagger, ids: Sequence[Array]) -> _Encoded:
        padded, ends = self.special.pad(ids)
        input_ids, lengths = paddle.to_tensor(padded), paddle.to_tensor(ends)
        states = model.states(input_ids, paddle.zeros_like(input_ids), lengths)
        return _Encoded(states, model.emissions(states, lengths), lengths)


@dataclass(frozen=True)
class _Encoded:
    """The model's states and emissions.

    Attributes:
        states: <float>[rows, length, width].
        emissions: <float32>[rows, length, tags].
        lengths: <int64>[rows], including [CLS] and [SEP].
    """

    states: Tensor
    emissions: Tensor
    lengths: Tensor


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


# ---- from tokens to characters


def _token_spans(review: ReviewFeatures, names: OpinionNames) -> Iterator[tuple[Span, TokenSpan]]:
    """Yield the annotated spans that the model can represent, with their token ranges after [CLS]."""
    for span in review.spans:
        start, end = token_range(span.start, span.end, review.offsets)
        if start < end and span.label in names.labels:
            yield span, TokenSpan(start + 1, end + 1, names.labels.index(span.label))


def _in_characters(span: TokenSpan, offsets: Offsets, names: OpinionNames) -> Span:
    start, end = int(offsets[span.start - 1, 0]), int(offsets[span.end - 2, 1])
    return Span(start, end, names.labels[span.label])
