"""The opinion Layer: tags mark aspects and opinion words, and a second head pairs them and rates their polarity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.arrays import Array
from paddle_tasks.models import cpu
from paddle_tasks.models.chain import NEVER, OUTSIDE, Chain, PathSums, TokenSpan, spans_from_tags
from paddle_tasks.models.crf import CRF, float32_array
from paddle_tasks.models.encoders.base import Encoder, real_positions
from paddle_tasks.models.encoders.recurrent import direction_size
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.span_pairs import SpanPairs
from paddle_tasks.onednn.precision import products_in

TagHead = Literal["linear", "crf", "bilstm_crf"]
ASPECT_INDEX, OPINION_INDEX = 0, 1  # indices of the two labels
NO_PAIR = 0  # the class of spans that do not belong together; the polarities follow
IGNORED = -1  # the class of a pair without a loss, such as one with a padded span
ScoredSpan = tuple[TokenSpan, float]
"""A span and its probability."""
_MIN_SPANS_KEPT = 8
OPINIONS_AT_ONCE = 64


@dataclass(frozen=True)
class OpinionGold:
    """The gold tags and pairs of a batch.

    Attributes:
        tags: <int64>[batch, length], legal, and O at [CLS] and [SEP]; the padding may hold anything.
        aspects: <int64>[batch, n_aspects, 2], half-open token ranges padded by `pad_spans`: the gold aspects and, as
            hard negatives, other spans that the tagger might find.
        opinions: <int64>[batch, n_opinions, 2], likewise.
        pairs: <int64>[batch, 1 + n_aspects, n_opinions], the class of each pair: `NO_PAIR`, 1 + the index of its
            polarity, or `IGNORED` where one of its spans is padding. The first aspect is the implicit one.
    """

    tags: Tensor
    aspects: Tensor
    opinions: Tensor
    pairs: Tensor


class OpinionLosses(NamedTuple):
    """The losses of each row in nats, <float32>[batch]: summed over its tags, and summed over its pairs.

    Their sum is the negative log-likelihood of the row's tags and pairs; `pairs` is 0 for a model without pairs.
    """

    tags: Tensor
    pairs: Tensor


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


class OpinionTagger(nn.Layer):  # type: ignore[misc]
    """Tags spans and classifies pairs: encoder -> dropout -> tag head -> emissions; encoder -> span pairs -> classes.

    ``head`` is ``linear`` (independent tags: Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 5.3),
    ``crf``, or ``bilstm_crf`` (Huang et al. 2015, https://arxiv.org/abs/1508.01991), a bidirectional LSTM as wide as
    the encoder with a CRF on top. No head decodes an illegal transition. The first and last token of a row are [CLS]
    and [SEP], whose tag is always O.

    Attributes:
        n_polarities: classes of pairs that belong together; 0: the model has no head for pairs.
    """

    def __init__(
        self, encoder: Encoder, *, n_labels: int, head: TagHead, dropout: float, n_polarities: int, pair_size: int = 128
    ) -> None:
        super().__init__()
        self.encoder, self.n_labels, self.n_polarities = encoder, n_labels, n_polarities
        encoder.freeze_pooler()
        self.dropout = nn.Dropout(dropout)
        if head == "bilstm_crf":
            # Not `lstm`, the name of an encoder's part: the model's file holds both.
            self.tag_lstm = nn.LSTM(encoder.width, direction_size(encoder.width), direction="bidirect")
        self.output = nn.Linear(encoder.width, 2 * n_labels + 1)
        if head != "linear":
            self.crf = CRF(n_labels)
            self.crf.freeze_ends()  # [CLS] and [SEP] are always O
        if n_polarities:
            self.pairs = SpanPairs(encoder.width, n_classes=1 + n_polarities, size=pair_size, dropout=dropout)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the emissions of the tags.

        Args:
            input_ids: <int64>[batch, length], [CLS] text [SEP].
            token_type_ids: <int64>[batch, length].
            lengths: <int64>[batch], real tokens of each row, at least 1.

        Returns:
            <float32>[batch, length, 2 * n_labels + 1]; the padding may hold anything.
        """
        return self.emissions(self.states(input_ids, token_type_ids, lengths), lengths)

    def states(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the encoder's states <float>[batch, length, width], which both heads share."""
        states: Tensor = self.encoder(input_ids, token_type_ids, lengths)[0]
        return states

    def emissions(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Return the emissions <float32>[batch, length, tags] of states <float>[batch, length, width]."""
        hidden = self.dropout(states)
        if hasattr(self, "tag_lstm"):
            hidden = self.dropout(cpu.run_recurrent(self.tag_lstm, hidden, lengths)[0])
        scores = self.output(hidden).astype("float32")
        positions = paddle.arange(states.shape[1], dtype=lengths.dtype)
        is_special = (positions == 0) | (positions == lengths.unsqueeze(1) - 1)
        is_tag = paddle.arange(scores.shape[2]) != OUTSIDE
        return paddle.where(is_special.unsqueeze(2) & is_tag, paddle.full_like(scores, NEVER), scores)

    # ---- training

    def losses(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor, gold: OpinionGold) -> OpinionLosses:
        """Return the losses of each row; see `forward` for the other arguments.

        Raises:
            ValueError: the model has a CRF and the gold tags make an illegal transition.
        """
        states = self.states(input_ids, token_type_ids, lengths)
        tag_losses = self.tag_losses(self.emissions(states, lengths), gold.tags, lengths)
        return OpinionLosses(tag_losses, self.pair_losses(states, gold) if self.n_polarities else tag_losses * 0)

    def tag_losses(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Return the negative log-likelihood of each row's tags <int64>[batch, length], <float32>[batch]."""
        if hasattr(self, "crf"):
            return self.crf(emissions, tags, lengths)
        real = real_positions(lengths, tags.shape[1])
        tags = paddle.where(real, tags, paddle.full_like(tags, IGNORED))
        return functional.cross_entropy(emissions, tags, reduction="none", ignore_index=IGNORED).sum(axis=1)

    def pair_losses(self, states: Tensor, gold: OpinionGold) -> Tensor:
        """Return the cross-entropy summed over the pairs of each row, <float32>[batch]."""
        with products_in("float32"):  # in bfloat16, triplet F1 was lower by 0.56 ± 0.21 points (docs/performance.md)
            logits = self.pairs(states, gold.aspects, gold.opinions)
        losses = functional.cross_entropy(logits, gold.pairs, reduction="none", ignore_index=IGNORED)
        return losses.sum(axis=[1, 2])

    # ---- prediction

    def chain(self) -> Chain:
        """Return the chain that decodes the emissions; without a CRF its scores are 0."""
        return self.crf.chain() if hasattr(self, "crf") else Chain.without_scores(self.n_labels)

    @without_gradients
    def extract(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> list[Extraction]:
        """Predict the spans and pairs of each row; see `forward` for the arguments. It does not switch dropout off."""
        states = self.states(input_ids, token_type_ids, lengths)
        extractions: list[Extraction] = self.extract_from(states, self.emissions(states, lengths), lengths)
        return extractions

    @without_gradients
    def extract_from(
        self,
        states: Tensor,
        emissions: Tensor,
        lengths: Tensor,
        *,
        min_prob: float | None = None,
        max_extent: int | None = None,
    ) -> list[Extraction]:
        """Predict spans and pairs from known states and emissions, such as those of a text read in several windows.

        Args:
            states: <float>[batch, length, width]; finite in the padding.
            emissions: <float32>[batch, length, 2 * n_labels + 1], including [CLS] and [SEP].
            lengths: <int64>[batch].
            min_prob: take every span of at least this probability, even if spans overlap; None takes the spans of the
                best path, whatever their probability.
            max_extent: tokens from the first to the last token of a pair, at most; None: no limit.
        """
        scores, ends, chain = float32_array(emissions), lengths.numpy(), self.chain()
        sums = chain.sum_paths(scores, ends)
        if min_prob is None:
            scored = _score_best_path(chain.decode(scores, ends), sums)
        else:
            scored = list(map(most_probable, sums.likely_spans(min_prob), ends.tolist()))
        spans = [[span for span, _ in row] for row in scored]
        probs = [[prob for _, prob in row] for row in scored]
        pairs = self._pair_probs(states, spans, max_extent)
        return [Extraction(tuple(s), tuple(p), q) for s, p, q in zip(spans, probs, pairs, strict=True)]

    def _pair_probs(self, states: Tensor, rows: Sequence[Sequence[TokenSpan]], max_extent: int | None) -> list[Array]:
        labels = (ASPECT_INDEX, OPINION_INDEX)
        labelled = [[[span for span in spans if span.label == label] for spans in rows] for label in labels]
        sizes = [(1 + len(aspects), len(opinions)) for aspects, opinions in zip(*labelled, strict=True)]
        if not self.n_polarities:
            return [np.zeros((*size, 0), dtype=np.float32) for size in sizes]
        if max_extent is not None and states.shape[1] > max_extent + 2:  # [CLS] and [SEP]
            return [
                self._near_pair_probs(states[row : row + 1], aspects, opinions, max_extent)
                for row, (aspects, opinions) in enumerate(zip(*labelled, strict=True))
            ]
        probs = self._all_pair_probs(states, *labelled)
        return [row[:n_aspects, :n_opinions] for row, (n_aspects, n_opinions) in zip(probs, sizes, strict=True)]

    def _all_pair_probs(
        self, states: Tensor, aspects: Sequence[Sequence[TokenSpan]], opinions: Sequence[Sequence[TokenSpan]]
    ) -> Array:
        sides = (paddle.to_tensor(pad_spans(spans)) for spans in (aspects, opinions))
        probs: Array = functional.softmax(self.pairs(states, *sides), axis=3).numpy()
        return probs

    def _near_pair_probs(
        self, states: Tensor, aspects: Sequence[TokenSpan], opinions: Sequence[TokenSpan], max_extent: int
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
            near_probs = self._all_pair_probs(states[:, low:high], *shifted)[0]
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
