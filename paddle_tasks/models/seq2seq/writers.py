"""Trained models on numpy arrays, for decoding strategies."""

from __future__ import annotations

from paddle_tasks.models.paddle_free.encoder_decoder import SourceTranslator
from paddle_tasks.models.paddle_free.recurrent_decoder import RecurrentShape
from paddle_tasks.models.paddle_free.transformer_decoder import DecoderShape
from paddle_tasks.models.seq2seq.base import EncoderDecoder
from paddle_tasks.models.seq2seq.recurrent import RecurrentModel
from paddle_tasks.models.seq2seq.transformer import TransformerModel


def source_translator(model: EncoderDecoder, start_id: int) -> SourceTranslator:
    """Return a model with a copy of its weights on numpy arrays, which writes faster than Paddle's operations.

    Args:
        model: the model.
        start_id: the entry before each output.
    """
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    return SourceTranslator(arrays, _shape(model, start_id))


def _shape(model: EncoderDecoder, start_id: int) -> RecurrentShape | DecoderShape:
    n_frequent = model.output.n_frequent
    if isinstance(model, RecurrentModel):
        return RecurrentShape(model.sizes.cell, model.sizes.attention, n_frequent, start_id)
    if isinstance(model, TransformerModel):
        return DecoderShape(model.sizes.n_heads, n_frequent, model.sizes.activation, start_id)
    raise TypeError(f"expected an encoder-decoder of this package, found {type(model).__name__}")
