"""The opinion Layer: tags mark aspects and opinion words, and a second head pairs them and rates their polarity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.arrays import Array
from paddle_tasks.models import cpu
from paddle_tasks.models.chain import NEVER, OUTSIDE, Chain
from paddle_tasks.models.crf import CRF, float32_array
from paddle_tasks.models.encoders.base import Encoder, real_positions
from paddle_tasks.models.encoders.recurrent import direction_size
from paddle_tasks.models.extraction import IGNORED, Extraction, Extractor
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.span_pairs import SpanPairs
from paddle_tasks.onednn.precision import products_in

TagHead = Literal["linear", "crf", "bilstm_crf"]


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
        extractor = Extractor(self.chain(), self.n_polarities, min_prob, max_extent)

        def pair_probs(rows: slice, positions: slice, aspects: Array, opinions: Array) -> Array:
            sides = paddle.to_tensor(aspects), paddle.to_tensor(opinions)
            probs: Array = functional.softmax(self.pairs(states[rows, positions], *sides), axis=3).numpy()
            return probs

        return extractor.extract(float32_array(emissions), lengths.numpy(), pair_probs)
