"""The Transformer encoder-decoder with pre-norm layers."""

from __future__ import annotations

import math
from typing import NamedTuple

import paddle
from paddle import Tensor, nn

from paddle_tasks.models.encoders.transformer import sinusoids
from paddle_tasks.models.seq2seq.base import EncoderDecoder, Memory, Source, Target, Vocabulary
from paddle_tasks.models.seq2seq.blocks import AttentionBlock, FeedForwardBlock, padding_offsets

_N_POSITIONS = 512


class TransformerSizes(NamedTuple):
    """The sizes of a Transformer encoder-decoder.

    Attributes:
        width: of the states; even.
        n_layers: of the encoder.
        n_decoder_layers: of the decoder.
        n_heads: a divisor of the width.
        inner_width: of the feed-forward parts.
        activation: of the feed-forward parts.
    """

    width: int
    n_layers: int
    n_decoder_layers: int
    n_heads: int
    inner_width: int
    activation: str = "relu"


class TransformerModel(EncoderDecoder):
    """Vaswani et al. (2017), https://arxiv.org/abs/1706.03762, with layers as of Xiong et al. (2020).

    Each layer normalises the inputs of its blocks, https://arxiv.org/abs/2002.04745, so that it learns without a long
    warm-up. Positions are sinusoidal; the three uses of the word vectors share one table.

    Attributes:
        sizes: the sizes.
    """

    def __init__(self, vocabulary: Vocabulary, sizes: TransformerSizes, dropout: float = 0.0) -> None:
        super().__init__(vocabulary, sizes.width)
        self.sizes = sizes
        self.dropout = nn.Dropout(dropout)
        self.encoder = nn.LayerList([_EncoderLayer(sizes, dropout) for _ in range(sizes.n_layers)])
        self.decoder = nn.LayerList([_DecoderLayer(sizes, dropout) for _ in range(sizes.n_decoder_layers)])
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(sizes.width), nn.LayerNorm(sizes.width)
        self.register_buffer("table", sinusoids(_N_POSITIONS, sizes.width), persistable=False)

    def encode(self, source: Source) -> Memory:
        """See `EncoderDecoder.encode`."""
        offsets, states = padding_offsets(source.is_real), self.embed(source.ids)
        for layer in self.encoder:
            states = layer(states, offsets)
        return Memory(self.encoder_norm(states), offsets)

    def decode(self, memory: Memory, target: Target) -> Tensor:
        """See `EncoderDecoder.decode`."""
        states = self.embed(target.input_ids)
        for layer in self.decoder:
            states = layer(states, memory)
        return self.decoder_norm(states)

    def attention(self, source: Source, target: Target) -> Tensor:
        """See `EncoderDecoder.attention`; the mean over heads and layers."""
        memory, states, found = self.encode(source), self.embed(target.input_ids), []
        for layer in self.decoder:
            found.append(layer.weights(states, memory).mean(axis=1))
            states = layer(states, memory)
        return paddle.stack(found).mean(axis=0)

    def embed(self, ids: Tensor) -> Tensor:
        """Return the vectors <float32>[batch, length, width] that the first layer reads."""
        length = ids.shape[1]
        table = self.table if length <= _N_POSITIONS else sinusoids(length, self.sizes.width)
        return self.dropout(self.words(ids) * math.sqrt(self.sizes.width) + table[:length])


class _EncoderLayer(nn.Layer):  # type: ignore[misc]
    def __init__(self, sizes: TransformerSizes, dropout: float) -> None:
        super().__init__()
        self.attention = AttentionBlock(sizes.width, sizes.n_heads, dropout)
        self.feed_forward = FeedForwardBlock(sizes.width, sizes.inner_width, dropout, sizes.activation)

    def forward(self, states: Tensor, offsets: Tensor) -> Tensor:
        return self.feed_forward(self.attention(states, None, offsets))


class _DecoderLayer(nn.Layer):  # type: ignore[misc]
    def __init__(self, sizes: TransformerSizes, dropout: float) -> None:
        super().__init__()
        self.attention = AttentionBlock(sizes.width, sizes.n_heads, dropout, causal=True)
        self.source_attention = AttentionBlock(sizes.width, sizes.n_heads, dropout, reads_other=True)
        self.feed_forward = FeedForwardBlock(sizes.width, sizes.inner_width, dropout, sizes.activation)

    def forward(self, states: Tensor, memory: Memory) -> Tensor:
        return self.feed_forward(self.source_attention(self.attention(states), memory.states, memory.offsets))

    def weights(self, states: Tensor, memory: Memory) -> Tensor:
        return self.source_attention.weights(self.attention(states), memory.states, memory.offsets)
