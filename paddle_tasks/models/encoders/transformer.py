"""The course's Transformer encoder over token embeddings, trained from scratch."""

from __future__ import annotations

import math

import paddle
from paddle import Tensor, nn

from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.base import ScratchEncoder, check_heads, real_positions, token_embedding
from paddle_tasks.models.encoders.section import EncoderSection
from paddle_tasks.models.paddle_free import operations


class Transformer(ScratchEncoder):
    """``paddle.nn.TransformerEncoder`` (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762.

    With `sinusoidal` positions the token embeddings are drawn from N(0, 1 / hidden_size) and multiplied by the square
    root of the hidden size, as in the authors' code, so that both summands have the same scale. With `learned`
    positions both tables are drawn from the same distribution and added. The text vector is the first token's state.
    """

    def __init__(self, section: EncoderSection, vocabulary_size: int, pad_id: int) -> None:
        check_heads(section)
        size = section.hidden_size
        super().__init__(section, vocabulary_size, pad_id, width=size, max_length=section.max_positions)
        if section.positions == "sinusoidal":
            if size % 2:
                raise ConfigError(
                    _("model.hidden_size: {size} is odd, sinusoidal positions are pairs; use learned ones").format(
                        size=size
                    )
                )
            deviation = nn.initializer.Normal(std=size**-0.5)
            self.embedding = token_embedding(vocabulary_size, size, pad_id, deviation)
            self.scale, self.positions = math.sqrt(size), None
            self.register_buffer("table", sinusoids(section.max_positions, size), persistable=False)
        else:
            self.embedding = token_embedding(vocabulary_size, size, pad_id)
            self.scale, self.positions = 1.0, token_embedding(section.max_positions, size, pad_id=None)
        self.dropout = nn.Dropout(section.dropout)
        layer = nn.TransformerEncoderLayer(
            size,
            section.n_heads,
            section.intermediate_size or 4 * size,
            dropout=section.dropout,
            activation=section.activation,
            act_dropout=0.0,
        )
        self.layers = nn.TransformerEncoder(layer, section.n_layers)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Encoder.forward`; token types are not used."""
        del token_type_ids
        length = input_ids.shape[1]
        positions = self.table[:length] if self.positions is None else self.positions(paddle.arange(length))
        embedded = self.dropout(self.embedding(input_ids) * self.scale + positions)
        is_key = real_positions(lengths, length).unsqueeze([1, 2])  # <bool>[batch, 1, 1, length]
        states = self.layers(embedded, is_key)
        return states, states[:, 0]

    def keep_first_only(self) -> None:
        """Let the last layer compute its first position only, if the CPU kernels are in use."""
        cpu.keep_first_only(self.layers.layers[-1])


def sinusoids(n_positions: int, size: int) -> Tensor:
    """Return `paddle_tasks.models.paddle_free.operations.sinusoids` as a tensor."""
    return paddle.to_tensor(operations.sinusoids(n_positions, size))
