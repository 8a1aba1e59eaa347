"""Decoders of trained models for decoding strategies."""

from __future__ import annotations

from typing import Any

from paddle_tasks.arrays import Array
from paddle_tasks.models.encoders.transformer import sinusoids
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.paddle_free.recurrent_decoder import RecurrentShape, RecurrentWriter
from paddle_tasks.models.paddle_free.sources import SourceStates
from paddle_tasks.models.paddle_free.transformer_decoder import DecoderShape, TransformerWriter
from paddle_tasks.models.seq2seq.base import EncoderDecoder, Source
from paddle_tasks.models.seq2seq.recurrent import RecurrentModel
from paddle_tasks.models.seq2seq.transformer import TransformerModel


class WriterMaker:
    """Makes the decoder for batches of sources; it copies the weights once."""

    def __init__(self, model: EncoderDecoder, start_id: int) -> None:
        """Take a model, and the entry before each output."""
        self._model, self._start_id = model, start_id
        self._arrays: dict[str, Array] = {name: tensor.numpy() for name, tensor in model.state_dict().items()}

    def __call__(self, source: Source, max_length: int) -> Any:
        """Return the decoder for these sources, a `NextTokenModel` whose prompts are empty.

        Args:
            source: the sources.
            max_length: the maximum number of entries of an output.
        """
        sources, n_frequent, model = self._encode(source), self._model.output.n_frequent, self._model
        if isinstance(model, RecurrentModel):
            recurrent = RecurrentShape(model.sizes.cell, model.sizes.attention, n_frequent, self._start_id)
            return RecurrentWriter(self._arrays, recurrent, sources)
        if not isinstance(model, TransformerModel):
            raise TypeError(f"expected an encoder-decoder of this package, found {type(model).__name__}")
        shape = DecoderShape(model.sizes.n_heads, n_frequent, model.sizes.activation, self._start_id)
        positions = sinusoids(max_length + 1, model.sizes.width).numpy()
        return TransformerWriter(self._arrays, shape, sources, positions)

    @without_gradients
    def _encode(self, source: Source) -> SourceStates:
        self._model.eval()
        memory = self._model.encode(source)
        states, offsets = (tensor.astype("float32").numpy() for tensor in (memory.states, memory.offsets))
        return SourceStates(states, offsets, None if memory.last is None else memory.last.astype("float32").numpy())
