"""Models that read a window of characters with a pretrained encoder and predict the one after it."""

from __future__ import annotations

import math

import paddle
from paddle import Tensor, nn
from paddle.nn import functional

from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.base import real_positions
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.tied_output import TiedOutput


class WindowModel(nn.Layer):  # type: ignore[misc]
    """An encoder, a head that turns its states into one vector for each window, and an output layer.

    Attributes:
        encoder: the encoder.
        head: the head; `FullyConnectedHead` or `RecurrentHead`.
        vectors: the vectors of the characters <float32>[characters, size], the weight of the last linear map.
    """

    def __init__(self, encoder: PretrainedEncoder, head: nn.Layer, n_outputs: int, n_frequent: int | None) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head
        encoder.freeze_pooler()
        initial = paddle.ParamAttr(initializer=nn.initializer.Normal(std=0.02))
        self.vectors = self.create_parameter([n_outputs, head.size], attr=initial)
        self.output = TiedOutput(n_outputs, head.size, n_frequent)
        if head.size == encoder.width:  # characters that are read alike are written alike
            self.vectors.set_value(encoder.model.embeddings.word_embeddings.weight[:n_outputs])

    def forward(self, input_ids: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """Return a vector for each window, <float32>[batch, size].

        Args:
            input_ids: <int64>[batch, length], with [CLS] and [SEP].
            lengths: <int64>[batch], real entries of each row.
            positions: <int64>[batch], where each row's character is predicted, indices into [batch * length].
        """
        vectors: Tensor = self.head(self.encoder, input_ids, lengths, positions)
        return vectors

    def loss(self, input_ids: Tensor, lengths: Tensor, positions: Tensor, targets: Tensor) -> Tensor:
        """Return the summed cross-entropy <float32>[] of targets <int64>[batch]; see `forward`."""
        return self.output.loss(self(input_ids, lengths, positions), self.vectors, targets)

    def score(self, input_ids: Tensor, lengths: Tensor, positions: Tensor, targets: Tensor) -> cpu.Scores:
        """Return loss and prediction of each window; the arguments are those of `loss`."""
        return self.output.score(self(input_ids, lengths, positions), self.vectors, targets)

    def log_probs(self, input_ids: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """Return the log-probability of each character, <float32>[batch, characters]; see `forward`."""
        return self.output.log_probs(self(input_ids, lengths, positions), self.vectors)


class FullyConnectedHead(nn.Layer):  # type: ignore[misc]
    """The first of two fully connected layers, over the state at the place of the next character."""

    def __init__(self, width: int, size: int, dropout: float) -> None:
        super().__init__()
        self.size = size
        self.linear, self.norm, self.dropout = nn.Linear(width, size), nn.LayerNorm(size), nn.Dropout(dropout)

    def forward(self, encoder: PretrainedEncoder, input_ids: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """Return <float32>[batch, size]; see `WindowModel.forward`."""
        states, _ = encoder.states_at(input_ids, paddle.zeros_like(input_ids), lengths, positions)
        return self.dropout(self.norm(functional.gelu(self.linear(states))))


class RecurrentHead(nn.Layer):  # type: ignore[misc]
    """An LSTM over the states between [CLS] and [SEP], whose last state predicts.

    With attention, the last state attends to all states of the LSTM by a scaled product (Luong et al., 2015,
    https://arxiv.org/abs/1508.04025, "general"), and both are joined by a linear map and tanh.
    """

    def __init__(self, width: int, size: int, dropout: float, *, attention: bool) -> None:
        super().__init__()
        self.size, self.has_attention = size, attention
        self.lstm, self.dropout = nn.LSTM(width, size), nn.Dropout(dropout)
        if attention:
            self.query, self.joined = nn.Linear(size, size), nn.Linear(2 * size, size)

    def forward(self, encoder: PretrainedEncoder, input_ids: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """Return <float32>[batch, size]; see `WindowModel.forward`."""
        states, _ = encoder(input_ids, paddle.zeros_like(input_ids), lengths)
        # Up to the first [MASK] or, if there is none, [SEP], which is left out; it stands for an empty window.
        n_read = paddle.minimum(positions % input_ids.shape[1], lengths - 2).clip(min=1)
        states, last = cpu.run_recurrent(self.lstm, states[:, 1:], n_read)
        vectors = self._attend(states, last[-1], n_read) if self.has_attention else last[-1]
        return self.dropout(vectors)

    def _attend(self, states: Tensor, last: Tensor, n_read: Tensor) -> Tensor:
        """Return the last states <float32>[batch, size] joined with what they attend to."""
        scores = paddle.bmm(states, self.query(last).unsqueeze(2)).squeeze(2) / math.sqrt(self.size)
        is_real = real_positions(n_read, states.shape[1])
        weights = functional.softmax(paddle.where(is_real, scores, paddle.full_like(scores, -1e9)), axis=1)
        context = paddle.bmm(weights.unsqueeze(1), states).squeeze(1)
        return paddle.tanh(self.joined(paddle.concat([context, last], axis=1)))
