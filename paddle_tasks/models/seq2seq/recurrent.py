"""Recurrent encoder-decoders, without and with attention."""

from __future__ import annotations

from typing import Literal, NamedTuple

import paddle
from paddle import Tensor, nn

from paddle_tasks.models import cpu
from paddle_tasks.models.seq2seq.attention import KINDS
from paddle_tasks.models.seq2seq.base import EncoderDecoder, Memory, Source, Target, Vocabulary
from paddle_tasks.models.seq2seq.blocks import padding_offsets

_LAYERS = {"gru": nn.GRU, "lstm": nn.LSTM}


class RecurrentSizes(NamedTuple):
    """The sizes of a recurrent encoder-decoder.

    Attributes:
        width: of the word vectors.
        hidden: of each direction of the encoder, and of the decoder.
        n_layers: of the encoder.
        n_decoder_layers: of the decoder.
        cell: of all layers.
        attention: ``none``, ``additive`` or ``multiplicative``.
    """

    width: int
    hidden: int
    n_layers: int = 1
    n_decoder_layers: int = 1
    cell: Literal["gru", "lstm"] = "gru"
    attention: Literal["none", "additive", "multiplicative"] = "additive"


class RecurrentModel(EncoderDecoder):
    """A bidirectional encoder, and a decoder that begins with the encoder's last states.

    Without attention this is all that it knows of the source (Sutskever et al., 2014, https://arxiv.org/abs/1409.3215).
    With attention, the states of the decoder's first layer are the queries, as in Wu et al. (2016),
    https://arxiv.org/abs/1609.08144: no recurrent layer below needs the contexts, so that each layer reads all
    positions in one call, which takes a fraction of the time of a loop over positions. The layers above the first read
    its states and the contexts, and with them what was attended to before.

    Attributes:
        sizes: the sizes.
    """

    def __init__(self, vocabulary: Vocabulary, sizes: RecurrentSizes, dropout: float = 0.0) -> None:
        super().__init__(vocabulary, sizes.width)
        self.sizes, hidden, layers = sizes, sizes.hidden, _LAYERS[sizes.cell]
        self.has_attention = sizes.attention != "none"
        self.dropout = nn.Dropout(dropout)
        options = {"num_layers": sizes.n_layers, "dropout": dropout}
        self.encoder = layers(sizes.width, hidden, direction="bidirect", **options)
        self.starts = nn.LayerList([nn.Linear(2 * hidden, hidden) for _ in range(sizes.n_decoder_layers)])
        n_read = hidden + 2 * hidden * self.has_attention
        n_inputs = [sizes.width, n_read, *[hidden] * sizes.n_decoder_layers]
        self.decoder = nn.LayerList([layers(n, hidden) for n in n_inputs[: sizes.n_decoder_layers]])
        self.attend = KINDS[sizes.attention](hidden, 2 * hidden) if self.has_attention else None
        self.combine = nn.Linear(n_read, sizes.width)

    def encode(self, source: Source) -> Memory:
        """See `EncoderDecoder.encode`."""
        states, last = cpu.run_recurrent(self.encoder, self.dropout(self.words(source.ids)), source.lengths)
        joined = paddle.concat([last[-2], last[-1]], axis=1)
        return Memory(self.dropout(states), padding_offsets(source.is_real), joined)

    def decode(self, memory: Memory, target: Target) -> Tensor:
        """See `EncoderDecoder.decode`."""
        states = self._run(0, self.dropout(self.words(target.input_ids)), memory, target)
        contexts = [] if self.attend is None else [self.attend(states, memory)[0]]
        read = paddle.concat([states, *contexts], axis=-1)
        for number in range(1, len(self.decoder)):
            states = self._run(number, self.dropout(read), memory, target)
            read = states
        if len(self.decoder) > 1:
            read = paddle.concat([states, *contexts], axis=-1)
        return self.dropout(paddle.tanh(self.combine(read)))

    def attention(self, source: Source, target: Target) -> Tensor:
        """See `EncoderDecoder.attention`.

        Raises:
            ValueError: the model has none.
        """
        if self.attend is None:
            raise ValueError("attention: this model has none")
        memory = self.encode(source)
        states = self._run(0, self.dropout(self.words(target.input_ids)), memory, target)
        weights: Tensor = self.attend(states, memory)[1]
        return weights

    def _run(self, number: int, inputs: Tensor, memory: Memory, target: Target) -> Tensor:
        """Return the states <float32>[batch, length, hidden] of a layer of the decoder."""
        start = paddle.tanh(self.starts[number](memory.last))
        states, _ = cpu.run_recurrent(self.decoder[number], inputs, target.lengths, start)
        return states
