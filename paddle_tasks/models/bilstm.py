"""A bidirectional LSTM over token embeddings, trained from scratch."""

from __future__ import annotations

import paddle
from paddle import Tensor, nn

from paddle_tasks.errors import ConfigError
from paddle_tasks.models.base import ScratchEncoder, token_embedding
from paddle_tasks.models.section import EncoderSection


class BiLSTM(ScratchEncoder):
    """Embedding, dropout, and LSTMs in both directions, each of half the hidden size (Graves & Schmidhuber, 2005).

    Both directions stop at the text's own length, so padding changes nothing. A text's own vector is the last state
    of each direction: the forward one's at the last token, the backward one's at the first.
    """

    def __init__(self, section: EncoderSection, vocabulary_size: int, pad_id: int) -> None:
        super().__init__(section, vocabulary_size, pad_id, width=section.hidden_size)
        if section.hidden_size % 2:
            raise ConfigError(f"model.hidden_size: {section.hidden_size} is odd, a bilstm's two directions halve it")
        self.embedding = token_embedding(vocabulary_size, section.embedding_size, pad_id)
        self.dropout = nn.Dropout(section.dropout)
        self.lstm = nn.LSTM(
            section.embedding_size,
            section.hidden_size // 2,
            num_layers=section.n_layers,
            direction="bidirect",
            dropout=section.dropout,
        )

    def forward(self, input_ids: Tensor, token_type_ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """See `Encoder.forward`; token types are not used."""
        del token_type_ids
        states, (last, _) = self.lstm(self.dropout(self.embedding(input_ids)), sequence_length=lengths)
        return states, paddle.concat([last[-2], last[-1]], axis=1)  # of the top layer; earlier ones stand before it
