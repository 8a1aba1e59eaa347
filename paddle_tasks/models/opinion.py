"""The Layer for opinions: tags that mark aspects and opinion words, and what is said of which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.arrays import Array
from paddle_tasks.models.chain import OUTSIDE, Chain, Paths, TokenSpan, spans_of
from paddle_tasks.models.crf import CRF, numbers
from paddle_tasks.models.encoders.base import Encoder, real_positions
from paddle_tasks.models.encoders.recurrent import half
from paddle_tasks.models.span_pairs import SpanPairs

TagHead = Literal["linear", "crf", "bilstm_crf"]
ASPECT, OPINION = 0, 1  # the labels' numbers
NO_PAIR = 0  # the class of pairs that do not belong together; polarities follow
IGNORED = -1  # stands for the class of a pair with a padded span
Found = tuple[TokenSpan, float]
_NEVER = -1e4  # as an emission; its exponential is 0
_LEAST_SPANS = 8
_OPINIONS_AT_ONCE = 64


@dataclass(frozen=True)
class OpinionGold:
    """What is to be found in a batch.

    Attributes:
        tags: <int64>[batch, length], legal, and O at [CLS] and [SEP]; in the padding anything may stand.
        aspects: <int64>[batch, n_aspects, 2], half-open ranges of tokens, as `padded_spans` pads them: the gold ones
            and, as hard negatives, others that the tagger could find.
        opinions: <int64>[batch, n_opinions, 2], likewise.
        pairs: <int64>[batch, 1 + n_aspects, n_opinions], the class of each pair, which is 0 for none, or `IGNORED`
            where one of the two is padding; the first aspect is the implicit one.
    """

    tags: Tensor
    aspects: Tensor
    opinions: Tensor
    pairs: Tensor


class OpinionLosses(NamedTuple):
    """Each row's losses in nats, <float32>[batch]: of all its tags together, and of all its pairs.

    Their sum is the negative log-likelihood of the row's tags and pairs; `pairs` is 0 where no pairs are learnt.
    """

    tags: Tensor
    pairs: Tensor


class Triplet(NamedTuple):
    """An aspect, or None for one that is meant and not written, an opinion, the polarity's number and probability."""

    aspect: TokenSpan | None
    opinion: TokenSpan
    polarity: int
    prob: float


@dataclass(frozen=True, eq=False)
class Extraction:
    """What was found in one row.

    Attributes:
        spans: from left to right; of those of the best path none overlap.
        probs: of each span, the probability that it stands there exactly so.
        pairs: <float32>[1 + n_aspects, n_opinions, 1 + n_polarities], the probabilities of each pair's classes, of the
            aspects and opinions among the spans; the first aspect is the implicit one. Without polarities the last
            axis is empty.
    """

    spans: tuple[TokenSpan, ...]
    probs: tuple[float, ...]
    pairs: Array

    def of(self, label: int) -> list[TokenSpan]:
        """Return the spans with a label."""
        return [span for span in self.spans if span.label == label]

    def triplets(self) -> list[Triplet]:
        """Return the pairs for which a polarity is more probable than none, opinion by opinion."""
        return self._paired(self.pairs.argmax(axis=2) != NO_PAIR) if self.pairs.size else []

    def possible_triplets(self, least: float) -> list[Triplet]:
        """Return the pairs that with their spans and most probable polarity are right with at least a probability."""
        if not self.pairs.size:
            return []
        aspects, opinions = (
            [prob for span, prob in zip(self.spans, self.probs, strict=True) if span.label == label]
            for label in (ASPECT, OPINION)
        )
        return self._paired(np.outer([1.0, *aspects], opinions) * self.pairs[:, :, 1 + NO_PAIR :].max(axis=2) >= least)

    def _paired(self, is_taken: Array) -> list[Triplet]:
        aspects, polarities = [None, *self.of(ASPECT)], self.pairs[:, :, 1 + NO_PAIR :]
        best, probs = polarities.argmax(axis=2), polarities.max(axis=2)
        return [
            Triplet(aspects[row], opinion, int(best[row, column]), float(probs[row, column]))
            for column, opinion in enumerate(self.of(OPINION))
            for row in np.flatnonzero(is_taken[:, column])
        ]


class OpinionTagger(nn.Layer):  # type: ignore[misc]
    """Finds spans and pairs: encoder -> dropout -> tag head -> emissions, and encoder -> span pairs -> classes.

    ``head`` is ``linear`` (each tag by itself: Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 5.3),
    ``crf``, or ``bilstm_crf`` (Huang et al. 2015, https://arxiv.org/abs/1508.01991), a bidirectional LSTM as wide as
    the encoder below the CRF. None of them decodes an illegal move. A row's first and last token are [CLS] and [SEP],
    whose tag is O for certain.

    Attributes:
        n_polarities: classes of pairs that belong together; with 0 there is no head for pairs.
    """

    def __init__(
        self, encoder: Encoder, *, n_labels: int, head: TagHead, dropout: float, n_polarities: int, pair_size: int = 128
    ) -> None:
        super().__init__()
        self.encoder, self.n_labels, self.n_polarities = encoder, n_labels, n_polarities
        encoder.freeze_first()
        self.dropout = nn.Dropout(dropout)
        if head == "bilstm_crf":
            # Not `lstm`, which is a part of an encoder: the model's file holds the names of both.
            self.tag_lstm = nn.LSTM(encoder.width, half(encoder.width), direction="bidirect")
        self.output = nn.Linear(encoder.width, 2 * n_labels + 1)
        if head != "linear":
            self.crf = CRF(n_labels)
            self.crf.freeze_ends()  # those of [CLS] and [SEP]
        if n_polarities:
            self.pairs = SpanPairs(encoder.width, n_classes=1 + n_polarities, size=pair_size, dropout=dropout)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the tags' emissions.

        Args:
            input_ids: <int64>[batch, length], [CLS] text [SEP].
            token_type_ids: <int64>[batch, length].
            lengths: <int64>[batch], real tokens of each row, at least 1.

        Returns:
            <float32>[batch, length, 2 * n_labels + 1]; in the padding anything may stand.
        """
        return self.emissions(self.states(input_ids, token_type_ids, lengths), lengths)

    def states(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the encoder's states <float>[batch, length, width], which tags and pairs share."""
        states: Tensor = self.encoder(input_ids, token_type_ids, lengths)[0]
        return states

    def emissions(self, states: Tensor, lengths: Tensor) -> Tensor:
        """Return the emissions <float32>[batch, length, tags] of states <float>[batch, length, width]."""
        hidden = self.dropout(states)
        if hasattr(self, "tag_lstm"):
            hidden = self.dropout(self.tag_lstm(hidden, sequence_length=lengths)[0])
        scores = self.output(hidden).astype("float32")
        places = paddle.arange(states.shape[1], dtype=lengths.dtype)
        is_special = (places == 0) | (places == lengths.unsqueeze(1) - 1)
        is_tag = paddle.arange(scores.shape[2]) != OUTSIDE
        return paddle.where(is_special.unsqueeze(2) & is_tag, paddle.full_like(scores, _NEVER), scores)

    # ---- training

    def losses(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor, gold: OpinionGold) -> OpinionLosses:
        """Return the losses of a batch, each row's by itself; the arguments are those of `forward`.

        Raises:
            ValueError: the gold tags make an illegal move, where there is a CRF.
        """
        states = self.states(input_ids, token_type_ids, lengths)
        of_tags = self.tag_losses(self.emissions(states, lengths), gold.tags, lengths)
        return OpinionLosses(of_tags, self.pair_losses(states, gold) if self.n_polarities else of_tags * 0)

    def tag_losses(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Return the negative log-likelihood of each row's tags <int64>[batch, length], <float32>[batch]."""
        if hasattr(self, "crf"):
            return self.crf(emissions, tags, lengths)
        real = real_positions(lengths, tags.shape[1])
        tags = paddle.where(real, tags, paddle.full_like(tags, IGNORED))
        return functional.cross_entropy(emissions, tags, reduction="none", ignore_index=IGNORED).sum(axis=1)

    def pair_losses(self, states: Tensor, gold: OpinionGold) -> Tensor:
        """Return the cross-entropy of each row's pairs, summed over them, <float32>[batch]."""
        logits = self.pairs(states, gold.aspects, gold.opinions)
        losses = functional.cross_entropy(logits, gold.pairs, reduction="none", ignore_index=IGNORED)
        return losses.sum(axis=[1, 2])

    # ---- prediction

    def chain(self) -> Chain:
        """Return the chain that decodes the emissions; a head without a CRF has one without scores."""
        return self.crf.chain() if hasattr(self, "crf") else Chain.without_scores(self.n_labels)

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def extract(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> list[Extraction]:
        """Return what is found in each row; the arguments are those of `forward`, and dropout is as `eval` sets it."""
        states = self.states(input_ids, token_type_ids, lengths)
        found: list[Extraction] = self.extract_from(states, self.emissions(states, lengths), lengths)
        return found

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def extract_from(
        self,
        states: Tensor,
        emissions: Tensor,
        lengths: Tensor,
        *,
        least: float | None = None,
        reach: int | None = None,
    ) -> list[Extraction]:
        """Return what is found in rows whose states and emissions are known, as those of a text in several windows.

        Args:
            states: <float>[batch, length, width]; finite in the padding.
            emissions: <float32>[batch, length, 2 * n_labels + 1], those of [CLS] and [SEP] included.
            lengths: <int64>[batch].
            least: take the spans whose probability is at least so much, also such that overlap; None takes those of
                the best path, however probable they are.
            reach: most tokens from where one span of a pair begins to where the other ends; None does not ask.
        """
        scores, ends, chain = numbers(emissions), lengths.numpy(), self.chain()
        paths = chain.paths(scores, ends)
        if least is None:
            found = _of_best_path(chain.decode(scores, ends), paths)
        else:
            found = list(map(most_probable, paths.spans(least), ends.tolist()))
        spans = [[span for span, _ in row] for row in found]
        probs = [[prob for _, prob in row] for row in found]
        pairs = self._pair_probs(states, spans, reach)
        return [Extraction(tuple(s), tuple(p), q) for s, p, q in zip(spans, probs, pairs, strict=True)]

    def _pair_probs(self, states: Tensor, found: Sequence[Sequence[TokenSpan]], reach: int | None) -> list[Array]:
        labelled = [[[span for span in spans if span.label == label] for spans in found] for label in (ASPECT, OPINION)]
        sizes = [(1 + len(aspects), len(opinions)) for aspects, opinions in zip(*labelled, strict=True)]
        if not self.n_polarities:
            return [np.zeros((*size, 0), dtype=np.float32) for size in sizes]
        if reach is not None and states.shape[1] > reach + 2:  # [CLS] and [SEP]
            return [
                self._near_pair_probs(states[row : row + 1], aspects, opinions, reach)
                for row, (aspects, opinions) in enumerate(zip(*labelled, strict=True))
            ]
        probs = self._all_pair_probs(states, *labelled)
        return [row[:n_aspects, :n_opinions] for row, (n_aspects, n_opinions) in zip(probs, sizes, strict=True)]

    def _all_pair_probs(
        self, states: Tensor, aspects: Sequence[Sequence[TokenSpan]], opinions: Sequence[Sequence[TokenSpan]]
    ) -> Array:
        sides = (paddle.to_tensor(padded_spans(spans)) for spans in (aspects, opinions))
        probs: Array = functional.softmax(self.pairs(states, *sides), axis=3).numpy()
        return probs

    def _near_pair_probs(
        self, states: Tensor, aspects: Sequence[TokenSpan], opinions: Sequence[TokenSpan], reach: int
    ) -> Array:
        """Return the probabilities of one row's pairs, some opinions at a time; those out of reach are none."""
        none = np.eye(1 + self.n_polarities, dtype=np.float32)[NO_PAIR]
        probs = np.tile(none, (1 + len(aspects), len(opinions), 1))
        for first in range(0, len(opinions), _OPINIONS_AT_ONCE):
            some = slice(first, first + _OPINIONS_AT_ONCE)
            low, high = _surroundings(opinions[some], reach)
            near = [place for place, span in enumerate(aspects) if low <= span.start and span.end <= high]
            sides = [aspects[place] for place in near], opinions[some]
            moved = [[[TokenSpan(start - low, end - low, label) for start, end, label in side]] for side in sides]
            found = self._all_pair_probs(states[:, low:high], *moved)[0]
            probs[[0, *(1 + place for place in near)], some] = found[: 1 + len(near), : len(sides[1])]
        probs[1:][_extents(aspects, opinions) > reach] = none
        return probs


def _surroundings(opinions: Sequence[TokenSpan], reach: int) -> tuple[int, int]:
    """Return the tokens in which some opinions stand and all that is in reach of one of them."""
    low = min(min(span.start, span.end - reach) for span in opinions)
    return max(0, low), max(max(span.end, span.start + reach) for span in opinions)


def _extents(aspects: Sequence[TokenSpan], opinions: Sequence[TokenSpan]) -> Array:
    """Return how many tokens each pair reaches over <int64>[n_aspects, n_opinions], what lies between included."""
    first, second = (np.array(spans, dtype=np.int64).reshape(-1, 3) for spans in (aspects, opinions))
    ends = np.maximum(first[:, None, 1], second[:, 1])
    extents: Array = ends - np.minimum(first[:, None, 0], second[:, 0])
    return extents


def _of_best_path(tags: Array, paths: Paths) -> list[list[Found]]:
    return [[(span, paths.span_prob(row, span)) for span in spans_of(own)] for row, own in enumerate(tags)]


def most_probable(spans: Sequence[Found], n_tokens: int) -> list[Found]:
    """Return the most probable spans of a row with their probabilities, from left to right.

    There are no more than half as many as tokens, or than eight, those that overlap others included: a model that has
    learnt nothing yet holds any token for a span, and each of them would be paired with each.
    """
    ordered = sorted(spans, key=lambda found: -found[1])
    return sorted(ordered[: max(_LEAST_SPANS, n_tokens // 2)])


def padded_spans(rows: Sequence[Sequence[Sequence[int]]]) -> Array:
    """Return the ranges of each row's spans <int64>[rows, n_spans, 2], padded with (0, 0) to at least one.

    Args:
        rows: the spans of each row, which begin with start and end.
    """
    spans = np.zeros((len(rows), max([1, *map(len, rows)]), 2), dtype=np.int64)
    for row, found in enumerate(rows):
        if found:
            spans[row, : len(found)] = [span[:2] for span in found]
    return spans


def padded_pairs(rows: Sequence[Array]) -> Array:
    """Return the classes of each row's pairs <int64>[rows, 1 + n_aspects, n_opinions], padded with `IGNORED`.

    Args:
        rows: <int64>[1 + the row's aspects, the row's opinions] each, in the order of the spans.
    """
    shape = (max([2, *map(len, rows)]), max([1, *(row.shape[1] for row in rows)]))
    classes = np.full((len(rows), *shape), IGNORED, dtype=np.int64)
    for row, found in enumerate(rows):
        classes[row, : found.shape[0], : found.shape[1]] = found
    return classes
