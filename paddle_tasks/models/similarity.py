"""The Layer for pairs of texts, read together or each by itself."""

from __future__ import annotations

from typing import Literal

import paddle
from paddle import Tensor

from paddle_tasks.models.base import Encoder, real_positions
from paddle_tasks.models.classifier import Output, TextClassifier
from paddle_tasks.models.heads import CosineHead, Head
from paddle_tasks.models.pooling import Pooling

PairKind = Literal["cross", "bi"]


class PairClassifier(TextClassifier):
    """Tells whether two texts mean the same.

    ``cross`` reads them as one input with segment ids: [CLS] a [SEP] b [SEP] -> encoder -> pooling -> head, as BERT
    does (Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 3). ``bi`` reads each by itself, with the same
    encoder, and compares their vectors by their cosine alone (Reimers & Gurevych 2019,
    https://arxiv.org/abs/1908.10084): a text's vector can be kept and compared with many others.
    """

    def __init__(
        self, encoder: Encoder, *, kind: PairKind, pooling: Pooling, head: Head, output: Output, dropout: float
    ) -> None:
        output = "sigmoid" if kind == "bi" else output
        super().__init__(encoder, n_classes=2, pooling=pooling, head=head, output=output, dropout=dropout)
        self.kind = kind
        if kind == "bi":
            self.head = CosineHead()

    def text_vectors(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> Tensor:
        """Return what the head sees of each pair: <float32>[batch, width], of ``bi`` [batch, 2 * width].

        Args:
            input_ids: <int64>[batch, length], [CLS] a [SEP] b [SEP], for ``bi`` [CLS] a [SEP] [CLS] b [SEP].
            token_type_ids: <int64>[batch, length], 0 in the first text and 1 in the second.
            lengths: <int64>[batch].
        """
        if self.kind == "cross":
            return super().text_vectors(input_ids, token_type_ids, lengths)
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
