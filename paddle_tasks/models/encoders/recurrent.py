"""Recurrent networks over token embeddings, trained from scratch: `rnn`, `gru`, `lstm` and `bilstm`."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.base import ScratchEncoder, token_embedding
from paddle_tasks.models.encoders.section import EncoderSection

CELLS = {
    "rnn": ("rnn", nn.SimpleRNN),  # Elman, 1990; two bias vectors: (inputs + hidden) * hidden + 2 * hidden parameters
    "gru": ("gru", nn.GRU),  # Cho et al., 2014, https://aclanthology.org/D14-1179
    "lstm": ("lstm", nn.LSTM),  # Hochreiter & Schmidhuber, 1997; with forget gates (Gers et al., 2000)
    "bilstm": ("lstm", nn.LSTM),  # Graves & Schmidhuber, 2005
}
"""For each kind, the name of its sublayer in the state dict, and Paddle's Layer."""


class Recurrent(ScratchEncoder):
    """Embedding, dropout, and ``n_layers`` recurrent layers with dropout between them.

    They stop at the length of each text, so padding changes nothing. The text vector is the last state of the top
    layer. A `bilstm` has half the hidden size in each direction; its text vector joins the forward state at the last
    token and the backward state at the first.
    """

    def __init__(self, section: EncoderSection, vocabulary_size: int, pad_id: int) -> None:
        super().__init__(section, vocabulary_size, pad_id, width=section.hidden_size)
        self.both_directions = section.encoder == "bilstm"
        self.embedding = token_embedding(vocabulary_size, section.embedding_size, pad_id)
        self.dropout = nn.Dropout(section.dropout)
        self._part, network = CELLS[section.encoder]
        layers = network(
            section.embedding_size,
            direction_size(section.hidden_size) if self.both_directions else section.hidden_size,
            num_layers=section.n_layers,
            direction="bidirect" if self.both_directions else "forward",
            dropout=section.dropout,
        )
        self.add_sublayer(self._part, layers)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Encoder.forward`; token types are not used."""
        del token_type_ids
        embedded = self.dropout(self.embedding(input_ids))
        states, last = cpu.run_recurrent(getattr(self, self._part), embedded, lengths)
        # The top layer is last.
        return states, paddle.concat([last[-2], last[-1]], axis=1) if self.both_directions else last[-1]


def direction_size(hidden_size: int) -> int:
    """Return the hidden size of each direction of a bilstm.

    Raises:
        ConfigError: the hidden size is odd.
    """
    if hidden_size % 2:
        raise ConfigError(
            _("model.hidden_size: {size} is odd; the two directions of a bilstm take half of it each").format(
                size=hidden_size
            )
        )
    return hidden_size // 2
