"""Layers from the configuration, and batches as the tensors that they read."""

from __future__ import annotations

import paddle

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.parallel_batches import ParallelBatch
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.models.seq2seq.base import EncoderDecoder, Source, Target, Vocabulary
from paddle_tasks.models.seq2seq.recurrent import RecurrentModel, RecurrentSizes
from paddle_tasks.models.seq2seq.transformer import TransformerModel, TransformerSizes
from paddle_tasks.tasks.translate.section import TranslateModel


def build(section: TranslateModel, vocabulary: CharacterVocabulary) -> EncoderDecoder:
    """Return the model that training starts from."""
    entries = Vocabulary(len(vocabulary), vocabulary.n_outputs, section.n_frequent)
    if section.architecture == "rnn":
        return RecurrentModel(entries, _recurrent_sizes(section), section.dropout)
    inner = section.intermediate_size or 4 * section.hidden_size
    sizes = TransformerSizes(
        section.hidden_size, section.n_layers, section.n_decoder_layers, section.n_heads, inner, section.activation
    )
    return TransformerModel(entries, sizes, section.dropout)


def _recurrent_sizes(section: TranslateModel) -> RecurrentSizes:
    return RecurrentSizes(
        section.embedding_size,
        section.hidden_size,
        section.n_layers,
        section.n_decoder_layers,
        section.cell,
        section.attention,
    )


def source_of(ids: Array, lengths: Array) -> Source:
    """Return padded sources <int64>[batch, length] with their lengths as a model reads them."""
    return Source(paddle.to_tensor(ids), paddle.to_tensor(lengths))


def tensors(batch: ParallelBatch) -> tuple[Source, Target]:
    """Return a batch as a model reads it."""
    arrays = batch.input_ids, batch.input_lengths, batch.positions, batch.targets
    return source_of(batch.source_ids, batch.source_lengths), Target(*map(paddle.to_tensor, arrays))
