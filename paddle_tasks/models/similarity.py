"""The Layer for pairs of texts, read together or each by itself."""

from __future__ import annotations

from typing import Any, Literal

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.errors import ConfigError
from paddle_tasks.models.classifier import TextClassifier
from paddle_tasks.models.encoders.base import Encoder, real_positions
from paddle_tasks.models.heads import CosineHead, two_class_logits
from paddle_tasks.models.pair_ngrams import NgramEvidence
from paddle_tasks.models.pooling import Pooling, zeroed

PairKind = Literal["cross", "aligned", "bi"]


class Alignment(nn.Layer):  # type: ignore[misc]
    """Compares each token with what it finds in the other text.

    A token attends to the other text by scaled dot products; the comparison of its state h with the mean m that it
    finds there is relu(W [h; m; |h - m|; h * m] + b). Attending and comparing are Parikh et al.'s (2016,
    https://arxiv.org/abs/1606.01933), the four ways to compare ESIM's (Chen et al. 2017,
    https://arxiv.org/abs/1609.06038).
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.compare = nn.Linear(4 * width, width)

    def forward(self, states: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the comparisons <float>[batch, length, width] of states of that shape; padding may hold anything."""
        own = zeroed(states, lengths)  # 0 x NaN is NaN
        met = paddle.bmm(self._weights(own, token_type_ids, lengths).astype(own.dtype), own)
        return functional.relu(self.compare(self.dropout(paddle.concat([own, met, (own - met).abs(), own * met], -1))))

    def _weights(self, states: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return <float32>[batch, length, length], by rows: 1 together over the other text, 0 elsewhere."""
        scores = paddle.bmm(states, states.transpose([0, 2, 1])).astype("float32") / states.shape[-1] ** 0.5
        real = real_positions(lengths, states.shape[1]).unsqueeze(1)
        other = real & (token_type_ids.unsqueeze(1) != token_type_ids.unsqueeze(2))
        return functional.softmax(paddle.where(other, scores, paddle.full_like(scores, -1e9)), axis=-1)


class PairClassifier(TextClassifier):
    """Tells whether two texts mean the same.

    ``cross`` reads them as one input with segment ids: [CLS] a [SEP] b [SEP] -> encoder -> pooling -> head, as BERT
    does (Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 3). ``aligned`` puts an
    `Alignment` between encoder and pooling, since a small encoder that has read little is slow to find out what there
    is to compare. ``bi`` reads each by itself, with the same encoder, and compares their vectors by their cosine alone
    (Reimers & Gurevych 2019, https://arxiv.org/abs/1908.10084): a text's vector can be kept and compared with many.

    With ``ngrams`` an answer is the mean of the network's log-odds and those of an `NgramEvidence`. In training the
    network answers alone, so that it does not leave to the n-grams what it could learn itself.
    """

    def __init__(
        self, encoder: Encoder, *, kind: PairKind, ngrams: bool = False, pooling: Pooling, dropout: float, **parts: Any
    ) -> None:
        """Build it; ``parts`` are the ``head`` and ``output`` of `TextClassifier`."""
        if kind == "bi":
            parts["output"] = "sigmoid"
        if kind == "aligned" and pooling == "cls":
            raise ConfigError("model.pooling: aligned tokens are pooled by mean, max or attention, not by cls")
        super().__init__(encoder, n_classes=2, pooling=pooling, dropout=dropout, **parts)
        self.kind = kind
        if kind == "bi":
            self.head = CosineHead()
        if kind == "aligned":
            self.align = Alignment(encoder.width, dropout)
        self.ngrams = NgramEvidence() if ngrams else None

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the logits <float32>[batch, 2]; the arguments are those of `text_vectors`."""
        logits = super().forward(input_ids, token_type_ids, lengths)
        if self.ngrams is None or self.training:
            return logits
        return (logits + two_class_logits(self.ngrams(input_ids, token_type_ids, lengths))) / 2

    def text_vectors(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return what the head sees of each pair: <float32>[batch, width], of ``bi`` [batch, 2 * width].

        Args:
            input_ids: <int64>[batch, length], [CLS] a [SEP] b [SEP], for ``bi`` [CLS] a [SEP] [CLS] b [SEP].
            token_type_ids: <int64>[batch, length], 0 in the first text and 1 in the second.
            lengths: <int64>[batch].
        """
        if self.kind == "cross":
            return super().text_vectors(input_ids, token_type_ids, lengths)
        if self.kind == "aligned":
            states, first = self.encoder(input_ids, token_type_ids, lengths)
            return self.pool(self.align(states, token_type_ids, lengths), first, lengths)
        ids, own = parted(input_ids, token_type_ids, lengths)
        vectors = super().text_vectors(ids, paddle.zeros_like(ids), own)
        return paddle.concat(paddle.chunk(vectors, 2), axis=1)


def parted(input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Part pairs by their segment ids.

    Args:
        input_ids: <int64>[batch, length], the second text right behind the first.
        token_type_ids: <int64>[batch, length], 0 in the first text and 1 in the second.
        lengths: <int64>[batch], of both together.

    Returns:
        The first texts and below them the second ones <int64>[2 * batch, longest], and their lengths
        <int64>[2 * batch].
    """
    length = input_ids.shape[1]
    is_second = (token_type_ids == 1) & real_positions(lengths, length)
    second = is_second.astype("int64").sum(axis=1)
    first = lengths - second
    own = paddle.concat([first, second])
    places = paddle.arange(int(own.max()), dtype="int64")
    behind = (first.unsqueeze(1) + places).clip(max=length - 1)  # beyond a text's end anything may stand
    return paddle.concat([input_ids[:, : len(places)], paddle.take_along_axis(input_ids, behind, axis=1)]), own
