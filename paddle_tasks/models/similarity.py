"""The Layer for pairs of texts, which are encoded together or separately."""

from __future__ import annotations

from typing import Any, Literal

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models.classifier import TextClassifier
from paddle_tasks.models.encoders.base import Encoder, real_positions
from paddle_tasks.models.heads import CosineHead, two_class_logits
from paddle_tasks.models.pair_ngrams import NgramEvidence
from paddle_tasks.models.pooling import Pooling, zero_padding

PairKind = Literal["cross", "aligned", "bi"]


class Alignment(nn.Layer):  # type: ignore[misc]
    """Compares each token with the tokens of the other text that it attends to.

    A token with state h attends to the other text by scaled dot products, which gives a weighted mean m of its states.
    Their comparison is relu(W [h; m; |h - m|; h * m] + b). Attend and compare are from Parikh et al. (2016,
    https://arxiv.org/abs/1606.01933), the four terms of the comparison from ESIM (Chen et al. 2017,
    https://arxiv.org/abs/1609.06038).
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.compare = nn.Linear(4 * width, width)

    def forward(self, states: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the comparisons <float>[batch, length, width] of states of that shape; padding may hold anything."""
        h = zero_padding(states, lengths)  # 0 x NaN is NaN
        m = paddle.bmm(self._weights(h, token_type_ids, lengths).astype(h.dtype), h)
        return functional.relu(self.compare(self.dropout(paddle.concat([h, m, (h - m).abs(), h * m], -1))))

    def _weights(self, states: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return attention weights <float32>[batch, length, length]; each row sums to 1 over the other text."""
        scores = paddle.bmm(states, states.transpose([0, 2, 1])).astype("float32") / states.shape[-1] ** 0.5
        real = real_positions(lengths, states.shape[1]).unsqueeze(1)
        other = real & (token_type_ids.unsqueeze(1) != token_type_ids.unsqueeze(2))
        return functional.softmax(paddle.where(other, scores, paddle.full_like(scores, -1e9)), axis=-1)


class PairClassifier(TextClassifier):
    """Predicts whether two texts mean the same.

    ``cross`` encodes them as one input with segment ids: [CLS] a [SEP] b [SEP] -> encoder -> pooling -> head, as BERT
    does (Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 3). ``aligned`` adds an `Alignment` between
    encoder and pooling, because a small encoder with little pretraining is slow to learn what to compare. ``bi``
    encodes each text separately with the same encoder, and compares their vectors only by their cosine (Reimers &
    Gurevych 2019, https://arxiv.org/abs/1908.10084): the vector of a text can be stored and compared with many others.

    With ``ngrams`` a prediction is the mean of the network's log-odds and those of an `NgramEvidence`. In training the
    network predicts alone, so that it does not rely on the n-grams for what it could learn itself.
    """

    def __init__(
        self, encoder: Encoder, *, kind: PairKind, ngrams: bool = False, pooling: Pooling, dropout: float, **parts: Any
    ) -> None:
        """Build it; ``parts`` are the ``head`` and ``output`` of `TextClassifier`."""
        if kind == "bi":
            parts["output"] = "sigmoid"
        if kind == "aligned" and pooling == "cls":
            raise ConfigError(_("model.pooling: aligned tokens are pooled by mean, max or attention, not by cls"))
        super().__init__(encoder, n_classes=2, pooling=pooling, dropout=dropout, **parts)
        self.kind = kind
        if kind == "bi":
            self.head = CosineHead()
        if kind == "aligned":
            self.align = Alignment(encoder.width, dropout)
        self.ngrams = NgramEvidence() if ngrams else None

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits <float32>[batch, 2]; see `text_vectors` for the arguments."""
        logits = super().forward(input_ids, token_type_ids, lengths)
        if self.ngrams is None or self.training:
            return logits
        return (logits + two_class_logits(self.ngrams(input_ids, token_type_ids, lengths))) / 2

    def text_vectors(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the input of the head for each pair: <float32>[batch, width], for ``bi`` [batch, 2 * width].

        Args:
            input_ids: <int64>[batch, length], [CLS] a [SEP] b [SEP], for ``bi`` [CLS] a [SEP] [CLS] b [SEP].
            token_type_ids: <int64>[batch, length], 0 in the first text and 1 in the second.
            lengths: <int64>[batch].
        """
        if self.kind == "cross":
            return super().text_vectors(input_ids, token_type_ids, lengths)
        if self.kind == "aligned":
            states, vectors = self.encoder(input_ids, token_type_ids, lengths)
            return self.pool(self.align(states, token_type_ids, lengths), vectors, lengths)
        ids, text_lengths = split_pairs(input_ids, token_type_ids, lengths)
        vectors = super().text_vectors(ids, paddle.zeros_like(ids), text_lengths)
        return paddle.concat(paddle.chunk(vectors, 2), axis=1)


def split_pairs(input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Split pairs of texts by their segment ids.

    Args:
        input_ids: <int64>[batch, length], the second text directly after the first.
        token_type_ids: <int64>[batch, length], 0 in the first text and 1 in the second.
        lengths: <int64>[batch], real tokens of both texts together.

    Returns:
        The first texts followed by the second texts <int64>[2 * batch, max_length], and their lengths
        <int64>[2 * batch].
    """
    length = input_ids.shape[1]
    is_second = (token_type_ids == 1) & real_positions(lengths, length)
    second = is_second.astype("int64").sum(axis=1)
    first = lengths - second
    text_lengths = paddle.concat([first, second])
    offsets = paddle.arange(int(text_lengths.max()), dtype="int64")
    positions = (first.unsqueeze(1) + offsets).clip(max=length - 1)  # beyond the end of a text any token will do
    second_ids = paddle.take_along_axis(input_ids, positions, axis=1)
    return paddle.concat([input_ids[:, : len(offsets)], second_ids]), text_lengths
