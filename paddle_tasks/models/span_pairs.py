"""Which opinion says what of which aspect: a score for every pair of spans, with an aspect that is not written."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

# Numbers of tokens between two spans from which a distance counts as the next one (Lee et al. 2017, section 4.1).
_DISTANCES = (1, 2, 3, 4, 5, 8, 16, 32, 64)
_OVERLAP = 2 * (len(_DISTANCES) + 1)
_IMPLICIT = _OVERLAP + 1


class SpanPairs(nn.Layer):  # type: ignore[misc]
    """Scores every aspect with every opinion, from the states of an encoder.

    A span is its first state, its last and the mean of all (Lee et al. 2017, https://arxiv.org/abs/1707.07045; as
    SpanMlt and Span-ASTE do for aspects and opinions: Xu et al. 2021, https://arxiv.org/abs/2107.12214), mapped to
    ``size`` units, for aspects and for opinions by themselves. A learnt vector stands for the aspect that is meant and
    not written. A pair's scores are those of a hidden layer over both and their distance, plus a bilinear form
    (Dozat & Manning 2017, https://arxiv.org/abs/1611.01734), which starts at 0 as theirs.
    """

    def __init__(self, width: int, *, n_classes: int, size: int = 128, dropout: float = 0.1) -> None:
        super().__init__()
        self.n_classes = n_classes
        self.aspect, self.opinion = (nn.Linear(3 * width, size) for _ in range(2))
        self.implicit = self.create_parameter([size], default_initializer=nn.initializer.Normal(std=0.5))
        self.of_aspect, self.of_opinion = (nn.Linear(size, size) for _ in range(2))
        self.distance = nn.Embedding(_IMPLICIT + 1, size)
        self.output = nn.Linear(size, n_classes)
        zero = paddle.ParamAttr(initializer=nn.initializer.Constant(0.0))
        self.bilinear = nn.Linear(size, n_classes * size, weight_attr=zero, bias_attr=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, aspects: Tensor, opinions: Tensor) -> Tensor:
        """Return the logits of every pair; those of padded spans are finite and mean nothing.

        Args:
            states: <float>[batch, length, width]; finite in the padding.
            aspects: <int64>[batch, n_aspects, 2], half-open token ranges, n_aspects at least 1; (0, 0) as padding.
            opinions: <int64>[batch, n_opinions, 2], likewise.

        Returns:
            <float32>[batch, 1 + n_aspects, n_opinions, n_classes]; the first aspect is the implicit one.
        """
        found = self._mapped(self.opinion, states, opinions)
        written = self._mapped(self.aspect, states, aspects)
        implicit = self.implicit.astype(written.dtype).expand([written.shape[0], 1, self.implicit.shape[0]])
        meant = paddle.concat([implicit, written], axis=1)
        together = self.of_aspect(meant).unsqueeze(2) + self.of_opinion(found).unsqueeze(1)
        hidden = functional.gelu(together + self.distance(_distances(aspects, opinions)))
        logits = self.output(self.dropout(hidden)).astype("float32")
        return logits + self._forms(meant, found).astype("float32")

    def _mapped(self, layer: nn.Linear, states: Tensor, spans: Tensor) -> Tensor:
        vectors = span_vectors(states, spans)
        return self.dropout(functional.gelu(layer(self.dropout(vectors))))

    def _forms(self, aspects: Tensor, opinions: Tensor) -> Tensor:
        batch, n_aspects, size = aspects.shape
        turned = self.bilinear(aspects).reshape([batch, n_aspects * self.n_classes, size])
        forms = paddle.bmm(turned, opinions.transpose([0, 2, 1]))
        return forms.reshape([batch, n_aspects, self.n_classes, -1]).transpose([0, 1, 3, 2])


def span_vectors(states: Tensor, spans: Tensor) -> Tensor:
    """Return the first, the last and the mean state of each span, side by side.

    They are products with matrices of shares: on a CPU the gradient of a gather takes longer than three products.

    Args:
        states: <float>[batch, length, width].
        spans: <int64>[batch, n_spans, 2], half-open token ranges; (0, 0) as padding has the vectors of (0, 1).

    Returns:
        <float>[batch, n_spans, 3 * width].
    """
    starts = spans[:, :, :1]
    ends = paddle.maximum(spans[:, :, 1:], starts + 1)
    places = paddle.arange(states.shape[1], dtype=spans.dtype)
    inside = ((places >= starts) & (places < ends)).astype("float32")
    shares = [(places == starts).astype("float32"), (places == ends - 1).astype("float32")]
    shares.append(inside / (ends - starts).astype("float32"))
    vectors = [paddle.bmm(share.astype(states.dtype), states) for share in shares]
    return paddle.concat(vectors, axis=2)


def _distances(aspects: Tensor, opinions: Tensor) -> Tensor:
    """Return the kind of distance of each pair, <int64>[batch, 1 + n_aspects, n_opinions].

    Even kinds are an opinion behind its aspect, odd ones an opinion before it, further apart the larger they are.
    """
    start, end = aspects[:, :, :1], aspects[:, :, 1:]
    first, last = (opinions[:, :, side].unsqueeze(1) for side in (0, 1))
    behind, before = first - end, start - last
    apart = paddle.maximum(behind, before)
    far = (apart.unsqueeze(3) >= paddle.to_tensor(_DISTANCES, dtype=apart.dtype)).astype("int64").sum(axis=3)
    kinds = paddle.where(apart < 0, paddle.full_like(far, _OVERLAP), 2 * far + (before > behind).astype("int64"))
    return functional.pad(kinds, [0, 0, 1, 0, 0, 0], value=_IMPLICIT)
