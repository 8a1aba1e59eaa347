"""Scores for every pair of an aspect and an opinion, including an implicit aspect that the text does not mention."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.models.span_distances import DISTANCES, IMPLICIT, OVERLAP


class SpanPairs(nn.Layer):  # type: ignore[misc]
    """Scores every aspect with every opinion, from the states of an encoder.

    A span is represented by its first state, its last state and the mean of its states (Lee et al. 2017,
    https://arxiv.org/abs/1707.07045; SpanMlt and Span-ASTE do so for aspects and opinions: Xu et al. 2021,
    https://arxiv.org/abs/2107.12214). Two linear maps, one for aspects and one for opinions, reduce it to ``size``
    units. A learnt vector represents the implicit aspect. The logits of a pair are the output of a hidden layer over
    both spans and their distance, plus a bilinear form (Dozat & Manning 2017, https://arxiv.org/abs/1611.01734),
    which starts at 0 as in their paper.
    """

    def __init__(self, width: int, *, n_classes: int, size: int = 128, dropout: float = 0.1) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.aspect, self.opinion = (nn.Linear(3 * width, size) for _ in range(2))
        self.implicit = self.create_parameter([size], default_initializer=nn.initializer.Normal(std=0.5))
        self.of_aspect, self.of_opinion = (nn.Linear(size, size) for _ in range(2))
        self.distance = nn.Embedding(IMPLICIT + 1, size)
        self.output = nn.Linear(size, n_classes)
        zero = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0))
        self.bilinear = nn.Linear(size, n_classes * size, weight_attr=zero, bias_attr=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, aspects: Tensor, opinions: Tensor) -> Tensor:
        """Return the logits of every pair; the logits of padded spans are finite and meaningless.

        Args:
            states: <float>[batch, length, width]; finite in the padding.
            aspects: <int64>[batch, n_aspects, 2], half-open token ranges, n_aspects at least 1; (0, 0) as padding.
            opinions: <int64>[batch, n_opinions, 2], likewise.

        Returns:
            <float32>[batch, 1 + n_aspects, n_opinions, n_classes]; the first aspect is the implicit one.
        """
        opinion = self._represent(self.opinion, states, opinions)
        explicit = self._represent(self.aspect, states, aspects)
        implicit = self.implicit.astype(explicit.dtype).expand([explicit.shape[0], 1, self.implicit.shape[0]])
        aspect = paddle.concat([implicit, explicit], axis=1)
        both = self.of_aspect(aspect).unsqueeze(2) + self.of_opinion(opinion).unsqueeze(1)
        hidden = functional.gelu(both + self.distance(distance_classes(aspects, opinions)))
        logits = self.output(self.dropout(hidden)).astype("float32")
        return logits + self._bilinear_forms(aspect, opinion).astype("float32")

    def _represent(self, layer: nn.Linear, states: Tensor, spans: Tensor) -> Tensor:
        vectors = span_vectors(states, spans)
        return self.dropout(functional.gelu(layer(self.dropout(vectors))))

    def _bilinear_forms(self, aspects: Tensor, opinions: Tensor) -> Tensor:
        batch, n_aspects, size = aspects.shape
        mapped = self.bilinear(aspects).reshape([batch, n_aspects * self.n_classes, size])
        forms = paddle.bmm(mapped, opinions.transpose([0, 2, 1]))
        return forms.reshape([batch, n_aspects, self.n_classes, -1]).transpose([0, 1, 3, 2])


def span_vectors(states: Tensor, spans: Tensor) -> Tensor:
    """Return the first, the last and the mean state of each span, side by side.

    Each is a product of a weight matrix with the states: on a CPU the gradient of a gather takes longer than three
    products.

    Args:
        states: <float>[batch, length, width].
        spans: <int64>[batch, n_spans, 2], half-open token ranges; the padding (0, 0) is treated as (0, 1).

    Returns:
        <float>[batch, n_spans, 3 * width].
    """
    starts = spans[:, :, :1]
    ends = paddle.maximum(spans[:, :, 1:], starts + 1)
    positions = paddle.arange(states.shape[1], dtype=spans.dtype)
    inside = ((positions >= starts) & (positions < ends)).astype("float32")
    weights = [(positions == starts).astype("float32"), (positions == ends - 1).astype("float32")]
    weights.append(inside / (ends - starts).astype("float32"))
    vectors = [paddle.bmm(weight.astype(states.dtype), states) for weight in weights]
    return paddle.concat(vectors, axis=2)


def distance_classes(aspects: Tensor, opinions: Tensor) -> Tensor:
    """Return the distance class of each pair, <int64>[batch, 1 + n_aspects, n_opinions].

    Even classes: the opinion follows its aspect; odd classes: it precedes it; the larger, the further apart. Aspect
    (3, 5) with opinion (5, 6) -> 0, with (1, 2) -> 3. Overlapping spans and the implicit aspect have their own class.
    """
    aspect_start, aspect_end = aspects[:, :, :1], aspects[:, :, 1:]
    opinion_start, opinion_end = (opinions[:, :, side].unsqueeze(1) for side in (0, 1))
    after, before = opinion_start - aspect_end, aspect_start - opinion_end
    gap = paddle.maximum(after, before)
    n_passed = (gap.unsqueeze(3) >= paddle.to_tensor(DISTANCES, dtype=gap.dtype)).astype("int64").sum(axis=3)
    apart = 2 * n_passed + (before > after).astype("int64")
    classes = paddle.where(gap < 0, paddle.full_like(n_passed, OVERLAP), apart)
    return functional.pad(classes, [0, 0, 1, 0, 0, 0], value=IMPLICIT)
