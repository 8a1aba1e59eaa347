"""A trained encoder-decoder on numpy arrays: reads sources and writes outputs one entry after another."""

from __future__ import annotations

from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.paddle_free import recurrent_encoder, transformer_encoder
from paddle_tasks.models.paddle_free.operations import Arrays
from paddle_tasks.models.paddle_free.recurrent_decoder import RecurrentShape, RecurrentWriter
from paddle_tasks.models.paddle_free.transformer_decoder import DecoderShape, TransformerWriter

Writer = RecurrentWriter | TransformerWriter


class SourceTranslator:
    """Makes the decoder for batches of sources; an instance is immutable, so threads may share it.

    Attributes:
        has_attention: whether `attention` returns weights.
    """

    def __init__(self, arrays: Arrays, shape: RecurrentShape | DecoderShape) -> None:
        """Take the tensors of a model of `paddle_tasks.models.seq2seq` by name, and what they do not tell."""
        self._parts = {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
        self._shape = shape
        self.has_attention = isinstance(shape, DecoderShape) or shape.attention != "none"

    def writer(self, ids: Array, lengths: Array) -> Writer:
        """Return the decoder for padded sources, a `NextTokenModel` whose prompts are empty.

        Args:
            ids: <int64>[sources, length].
            lengths: <int64>[sources], the ids of each without padding, at least 1.
        """
        parts, shape = self._parts, self._shape
        if isinstance(shape, RecurrentShape):
            sources = recurrent_encoder.read_sources(parts, shape.cell, ids, lengths)
            return RecurrentWriter(parts, shape, sources)
        sources = transformer_encoder.read_sources(parts, shape.n_heads, shape.activation, ids, lengths)
        return TransformerWriter(parts, shape, sources)

    def attention(self, source: Array, target: Array) -> Array:
        """Return the attention <float32>[target length and 1, source length] with which each next entry is predicted.

        The weights of several heads and layers are averaged; those of a position sum to 1.

        Args:
            source: <int64>[source length].
            target: <int64>[target length], without its end.

        Raises:
            ValueError: the model has no attention.
        """
        if not self.has_attention:
            raise ValueError("attention: this model has none")
        writer: Any = self.writer(source[None], np.array([len(source)]))
        state, _ = writer.start([[]])
        found = [state.weights[0]]
        for token in target.tolist():
            state, _ = writer.advance(state, [token])
            found.append(state.weights[0])
        return np.stack(found)
