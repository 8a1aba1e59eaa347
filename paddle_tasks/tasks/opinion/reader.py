"""Reads reviews of any length with the tagger and returns what it predicts, in characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import paddle
from paddle import Tensor

from paddle_tasks.arrays import Array
from paddle_tasks.models.chain import TokenSpan
from paddle_tasks.models.crf import float32_array
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.opinion import OpinionTagger
from paddle_tasks.tasks.opinion.features import ReviewFeatures, gold_tensors
from paddle_tasks.tasks.opinion.prediction import (
    MinProbs,
    OpinionNames,
    Prediction,
    ReviewWindows,
    SpecialTokens,
    predicted_pairs,
    predicted_spans,
)
from paddle_tasks.text.spans import Span, token_range


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
    min_probs: MinProbs | None = None

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
                spans=tuple(predicted_spans(extraction, review.offsets, self.names).items()),
                pairs=tuple(predicted_pairs(extraction, review.offsets, self.names, self.min_probs).items()),
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

    # ---- windows

    def _encode(self, model: OpinionTagger, reviews: Sequence[ReviewFeatures]) -> _Encoded:
        """Return states and emissions of whole reviews, stitched together from their windows."""
        counts = [len(review.tokens) for review in reviews]
        windows = ReviewWindows.cut(counts, self.max_tokens, self.overlap)
        ids = windows.ids([review.tokens.ids for review in reviews])
        if len(ids) == len(reviews) <= self.batch_size:
            return self._encode_windows(model, ids)
        starts = range(0, len(ids), self.batch_size)
        parts = [self._encode_windows(model, ids[start : start + self.batch_size]) for start in starts]
        states = windows.stitch([row for part in parts for row in float32_array(part.states)])
        emissions = windows.stitch([row for part in parts for row in float32_array(part.emissions)])
        return _Encoded(*map(paddle.to_tensor, (states, emissions, windows.lengths)))

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


def _token_spans(review: ReviewFeatures, names: OpinionNames) -> Iterator[tuple[Span, TokenSpan]]:
    """Yield the annotated spans that the model can represent, with their token ranges after [CLS]."""
    for span in review.spans:
        start, end = token_range(span.start, span.end, review.offsets)
        if start < end and span.label in names.labels:
            yield span, TokenSpan(start + 1, end + 1, names.labels.index(span.label))
