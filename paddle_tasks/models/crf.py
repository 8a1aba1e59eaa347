"""The linear-chain CRF over IOB2 tags: a Layer with the chain's scores, whose sums and gradients numpy computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer

from paddle_tasks.arrays import Array
from paddle_tasks.models.chain import Chain, Statistics
from paddle_tasks.models.cpu.arrays import once, wanted


class CRF(nn.Layer):  # type: ignore[misc]
    """A conditional random field (Lafferty et al., 2001) that cannot make an illegal move; see `chain`.

    Paddle's small operations cost more than the work in them: a loop of these over 32 texts of 110 tokens and 5 tags
    takes 21 ms with its gradient, numpy's forward-backward 3.6 ms (the best of 20 each, on a busy machine), for which
    a GPU's emissions travel once. So the Layer computes in float64 whatever the precision of the emissions is,
    gradients of gradients are refused (what else holds for a PyLayer stands in `cpu`), and a static graph ends at the
    emissions.

    Its scores start at 0, where a path's probability is the product of its tags'.
    """

    def __init__(self, n_labels: int) -> None:
        super().__init__()
        n_tags = 2 * n_labels + 1
        zero = nn.initializer.Constant(0.0)
        self.start = self.create_parameter([n_tags], default_initializer=zero)
        self.transitions = self.create_parameter([n_tags, n_tags], default_initializer=zero)
        self.end = self.create_parameter([n_tags], default_initializer=zero)

    def freeze_ends(self) -> None:
        """Keep the scores of first and last tags as they are, where these tags are certain and teach them nothing."""
        self.start.stop_gradient = self.end.stop_gradient = True

    def forward(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Return the negative log-likelihood of paths in nats, at least 0.

        Args:
            emissions: <float>[batch, length, tags]; in the padding anything may stand.
            tags: <int64>[batch, length], legal; in the padding anything may stand.
            lengths: <int64>[batch], real tokens of each row, at least 1.

        Returns:
            <float32>[batch].

        Raises:
            ValueError: a path makes an illegal move.
        """
        chain, scores, ends = self.chain(), numbers(emissions), lengths.numpy()
        gold = chain.of_path(scores, tags.numpy(), ends)
        return self._known(emissions, chain.paths(scores, ends).statistics() - gold)

    def log_partition(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Return the logarithm of the sum over all legal paths, <float32>[batch]."""
        return self._known(emissions, self.chain().paths(numbers(emissions), lengths.numpy()).statistics())

    def score(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Return the scores <float32>[batch] of paths <int64>[batch, length]; an illegal one is a ValueError."""
        return self._known(emissions, self.chain().of_path(numbers(emissions), tags.numpy(), lengths.numpy()))

    def marginals(self, emissions: Tensor, lengths: Tensor) -> Array:
        """Return the probability of each tag of each token, <float64>[batch, length, tags], 0 in the padding."""
        return self.chain().paths(numbers(emissions), lengths.numpy()).marginals

    def decode(self, emissions: Tensor, lengths: Tensor) -> Array:
        """Return each row's best legal path, <int64>[batch, length], O in the padding."""
        return self.chain().decode(numbers(emissions), lengths.numpy())

    def chain(self) -> Chain:
        """Return the scores as they are now, for numpy."""
        return Chain(*(numbers(part) for part in (self.start, self.transitions, self.end)))

    def _known(self, emissions: Tensor, statistics: Statistics) -> Tensor:
        return _Known.apply(emissions, self.start, self.transitions, self.end, statistics)


def numbers(tensor: Tensor) -> Array:
    """Return a tensor's values as <float32>, whatever its precision is."""
    values: Array = tensor.detach().astype("float32").numpy()
    return values


class _Known(PyLayer):  # type: ignore[misc]
    """Numbers whose derivatives are known."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        *scores, statistics = inputs
        ctx.statistics, ctx.wanted, ctx.dtypes = statistics, wanted(*scores), [part.dtype for part in scores]
        return paddle.to_tensor(statistics.values.astype(np.float32))

    @staticmethod
    @once
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        own, weights = ctx.statistics, numbers(gradient).astype(np.float64)
        parts = [own.emissions * weights[:, None, None]]
        parts += [np.tensordot(weights, part, axes=1) for part in (own.start, own.transitions, own.end)]
        return tuple(
            paddle.to_tensor(part.astype(np.float32)).astype(dtype) if wants else None
            for part, wants, dtype in zip(parts, ctx.wanted, ctx.dtypes, strict=True)
        )
