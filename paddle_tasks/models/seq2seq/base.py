"""What every encoder-decoder has: shared word vectors, a tied output layer, and one pass over all target positions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

import paddle
from paddle import Tensor, nn

from paddle_tasks.arrays import Array
from paddle_tasks.models import cpu
from paddle_tasks.models.tied_output import TiedOutput


class Vocabulary(NamedTuple):
    """The sizes of the vocabulary that both sides share.

    Attributes:
        n_entries: all entries.
        n_outputs: the entries that can be predicted, the first ones.
        n_frequent: see `paddle_tasks.models.tied_output.TiedOutput`.
    """

    n_entries: int
    n_outputs: int
    n_frequent: int | None = None


class Source(NamedTuple):
    """Padded sources.

    Attributes:
        ids: <int64>[batch, length].
        lengths: <int64>[batch], the ids of each without padding, at least 1.
    """

    ids: Tensor
    lengths: Tensor

    @property
    def is_real(self) -> Tensor:
        """<bool>[batch, length], true where an id is not padding."""
        return paddle.arange(self.ids.shape[1], dtype=self.lengths.dtype) < self.lengths.unsqueeze(1)


class Target(NamedTuple):
    """Padded targets, as the decoder reads and predicts them.

    Attributes:
        input_ids: <int64>[batch, length], the start entry and the target.
        lengths: <int64>[batch], the inputs of each without padding.
        positions: <int64>[n], the real positions as indices into the flattened [batch * length].
        ids: <int64>[n], the entry that follows each of them; the last one of a target is its end.
    """

    input_ids: Tensor
    lengths: Tensor
    positions: Tensor
    ids: Tensor


class Memory(NamedTuple):
    """What an encoder leaves of a batch of sources.

    Attributes:
        states: <float32>[batch, length, width of the encoder].
        offsets: <float32>[batch, 1, 1, length], added to attention scores: 0 at real positions.
        last: <float32>[batch, width of the encoder], the last states of a recurrent encoder.
    """

    states: Tensor
    offsets: Tensor
    last: Tensor | None = None


class EncoderDecoder(nn.Layer, ABC):  # type: ignore[misc]
    """Rates the next entry of a target at every position at once, from the source and the entries before it.

    Attributes:
        words: the vectors of the entries, which both sides and the output layer share.
        output: the output layer.
        has_attention: whether `attention` returns weights.
    """

    has_attention = True

    def __init__(self, vocabulary: Vocabulary, width: int) -> None:
        super().__init__()
        initial = paddle.ParamAttr(initializer=nn.initializer.Normal(std=width**-0.5))
        self.words = nn.Embedding(vocabulary.n_entries, width, weight_attr=initial)
        self.output = TiedOutput(vocabulary.n_outputs, width, vocabulary.n_frequent)

    @abstractmethod
    def encode(self, source: Source) -> Memory:
        """Read sources; padding changes nothing at the real positions."""

    @abstractmethod
    def decode(self, memory: Memory, target: Target) -> Tensor:
        """Return the state <float32>[batch, length, width] before each next entry, which the output layer reads."""

    @abstractmethod
    def attention(self, source: Source, target: Target) -> Tensor:
        """Return the attention <float32>[batch, target length, source length] with which each next entry is predicted.

        The weights of several heads and layers are averaged; those of a position sum to 1.
        """

    def forward(self, source: Source, target: Target) -> Tensor:
        """Return the state <float32>[n, width] before each entry of the targets."""
        states = self.decode(self.encode(source), target)
        return paddle.gather(states.reshape([-1, states.shape[-1]]), target.positions)

    def loss(self, source: Source, target: Target, smoothing: float = 0.0) -> Tensor:
        """Return the summed cross-entropy <float32>[] of the targets.

        Args:
            source: the sources.
            target: the targets.
            smoothing: the share of each target entry that is spread evenly over others; see `TiedOutput.loss`.
        """
        return self.output.loss(self(source, target), self.words.weight, target.ids, smoothing)

    def score(self, source: Source, target: Target) -> cpu.Scores:
        """Return loss and prediction of each entry of the targets."""
        return self.output.score(self(source, target), self.words.weight, target.ids)

    def predicted(self, source: Source, target: Target) -> Array:
        """Return the most probable next entries <int64>[n] at the positions of the targets."""
        return self.score(source, target).predicted
