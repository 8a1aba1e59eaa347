"""The linear-chain CRF over IOB2 tags as a Layer; numpy computes its sums and gradients (see `chain`)."""

from __future__ import annotations

from typing import Any

import numpy as np
import paddle
from paddle import Tensor, nn
from paddle.autograd import PyLayer

from paddle_tasks.arrays import Array
from paddle_tasks.models.chain import Chain, Statistics
from paddle_tasks.models.cpu.arrays import first_order_only, need_gradients


class CRF(nn.Layer):  # type: ignore[misc]
    """A conditional random field (Lafferty et al., 2001) that never makes an illegal transition; see `chain`.

    Starting Paddle's small operations costs more than the work they do: for 32 texts of 110 tokens and 5 tags, a loop
    of them with its gradient takes 21 ms, numpy's forward-backward 3.6 ms (the best of 20 runs each, on a busy
    machine). On a GPU the emissions are copied to the CPU once for it. The consequences: the Layer computes in float64
    whatever the precision of the emissions, refuses gradients of gradients (`cpu` lists the other limits of a PyLayer),
    and a static graph ends at the emissions.

    All scores start at 0, where the probability of a path is the product of the probabilities of its tags.
    """

    def __init__(self, n_labels: int) -> None:
        super().__init__()
        n_tags = 2 * n_labels + 1
        zero = nn.initializer.Constant(0.0)
        self.start = self.create_parameter([n_tags], default_initializer=zero)
        self.transitions = self.create_parameter([n_tags, n_tags], default_initializer=zero)
        self.end = self.create_parameter([n_tags], default_initializer=zero)

    def freeze_ends(self) -> None:
        """Freeze the start and end scores, for rows whose first and last tag are always the same."""
        self.start.stop_gradient = self.end.stop_gradient = True

    def forward(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Return the negative log-likelihood of paths in nats, at least 0.

        Args:
            emissions: <float>[batch, length, tags]; the padding may hold anything.
            tags: <int64>[batch, length], legal; the padding may hold anything.
            lengths: <int64>[batch], real tokens of each row, at least 1.

        Returns:
            <float32>[batch].

        Raises:
            ValueError: a path makes an illegal transition.
        """
        chain, scores, ends = self.chain(), float32_array(emissions), lengths.numpy()
        gold = chain.score_paths(scores, tags.numpy(), ends)
        return self._with_gradients(emissions, chain.sum_paths(scores, ends).statistics() - gold)

    def log_partition(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Return the logarithm of the sum over all legal paths, <float32>[batch]."""
        sums = self.chain().sum_paths(float32_array(emissions), lengths.numpy())
        return self._with_gradients(emissions, sums.statistics())

    def score(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Return the scores <float32>[batch] of paths <int64>[batch, length].

        Raises:
            ValueError: a path makes an illegal transition.
        """
        statistics = self.chain().score_paths(float32_array(emissions), tags.numpy(), lengths.numpy())
        return self._with_gradients(emissions, statistics)

    def marginals(self, emissions: Tensor, lengths: Tensor) -> Array:
        """Return the probability of each tag of each token, <float64>[batch, length, tags], 0 in the padding."""
        return self.chain().sum_paths(float32_array(emissions), lengths.numpy()).marginals

    def decode(self, emissions: Tensor, lengths: Tensor) -> Array:
        """Return the best legal path of each row, <int64>[batch, length], O in the padding."""
        return self.chain().decode(float32_array(emissions), lengths.numpy())

    def chain(self) -> Chain:
        """Return the current scores as numpy arrays."""
        return Chain(*(float32_array(part) for part in (self.start, self.transitions, self.end)))

    def _with_gradients(self, emissions: Tensor, statistics: Statistics) -> Tensor:
        return _WithGradients.apply(emissions, self.start, self.transitions, self.end, statistics)


def float32_array(tensor: Tensor) -> Array:
    """Return the values of a tensor of any precision as <float32>, without its graph."""
    values: Array = tensor.detach().astype("float32").numpy()
    return values


class _WithGradients(PyLayer):  # type: ignore[misc]
    """Puts values whose derivatives numpy has computed into Paddle's graph."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> Tensor:
        *scores, statistics = inputs
        ctx.statistics, ctx.need_gradients = statistics, need_gradients(*scores)
        ctx.dtypes = [part.dtype for part in scores]
        return paddle.to_tensor(statistics.values.astype(np.float32))

    @staticmethod
    @first_order_only
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        saved, weights = ctx.statistics, float32_array(gradient).astype(np.float64)
        parts = [saved.emissions * weights[:, None, None]]
        parts += [np.tensordot(weights, part, axes=1) for part in (saved.start, saved.transitions, saved.end)]
        return tuple(
            paddle.to_tensor(part.astype(np.float32)).astype(dtype) if needed else None
            for part, needed, dtype in zip(parts, ctx.need_gradients, ctx.dtypes, strict=True)
        )
