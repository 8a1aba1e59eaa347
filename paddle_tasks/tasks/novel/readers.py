"""How each architecture reads chapters: its rows, batches and Layer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import paddle
from paddle import nn

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.character_batches import CharacterBatch, segment_batch
from paddle_tasks.data.corpus.character_rows import EncodedTexts, Rows, scored_segments, training_segments
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.errors import ConfigError
from paddle_tasks.generation.next_token import NextTokenModel
from paddle_tasks.language import _
from paddle_tasks.models.causal_lm import CausalLanguageModel, CausalSizes
from paddle_tasks.models.cpu import Scores
from paddle_tasks.models.encoders.entries import transferred_vectors
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.pretrained.loading import load_pretrained, resolve, tokenizer_folder
from paddle_tasks.tasks.novel.section import SCRATCH, NovelConfig
from paddle_tasks.tasks.novel.writers import Contexts, RecomputingWriter
from paddle_tasks.text.tokenizer import Tokenizer


class Reader(Protocol):
    """What depends on the architecture of a model."""

    def training_rows(self, texts: EncodedTexts) -> Rows:
        """Return the rows of an epoch."""

    def epoch(self, rows: Rows, seed: Sequence[int]) -> Rows:
        """Return the rows of another epoch."""

    def scored_rows(self, texts: EncodedTexts) -> Rows:
        """Return rows that have every character once as a target."""

    def batch(self, rows: Rows, chosen: Sequence[int], *, training: bool = False) -> CharacterBatch:
        """Return rows as a batch."""

    def build(self, folder: Path | None = None) -> nn.Layer:
        """Return the Layer that training starts from, or that of a model folder, whose weights are still to load."""

    def loss(self, model: Any, batch: CharacterBatch) -> paddle.Tensor:
        """Return the summed cross-entropy <float32>[] of the targets."""

    def score(self, model: Any, batch: CharacterBatch) -> Scores:
        """Return loss and prediction of each target."""

    def writer(self, model: Any, *, cached: bool = True) -> NextTokenModel:
        """Return the model for decoding; without a cache it reads each context anew."""


class CausalReader:
    """Reads chapters for a causal Transformer."""

    def __init__(self, config: NovelConfig, vocabulary: CharacterVocabulary) -> None:
        self._config, self._vocabulary = config, vocabulary
        self._window = config.data.window

    def training_rows(self, texts: EncodedTexts) -> Rows:
        """Return windows one after another, in which every character is a target."""
        return training_segments(texts, self._window)

    def epoch(self, rows: Rows, seed: Sequence[int]) -> Rows:
        """Return the rows moved at random."""
        return rows.moved(seed)

    def scored_rows(self, texts: EncodedTexts) -> Rows:
        """Return overlapping windows."""
        return scored_segments(texts, self._window, self._config.evaluation.stride or max(1, self._window // 2))

    def batch(self, rows: Rows, chosen: Sequence[int], *, training: bool = False) -> CharacterBatch:
        """Return rows as a batch."""
        del training
        return segment_batch(rows, chosen, self._vocabulary.pad_id)

    def build(self, folder: Path | None = None) -> nn.Layer:
        """Return the Layer that training starts from, or that of a model folder without its weights."""
        name = self._config.model.encoder
        model = CausalLanguageModel(self._sizes(), self._config.model.dropout)
        if folder is None and name != SCRATCH:
            encoder, entries = load_encoder_with_entries(name)
            check_sizes(self._config, encoder)
            vectors = encoder.model.embeddings.word_embeddings.weight.numpy()
            model.start_from(encoder, transferred_vectors(vectors, entries, self._vocabulary.entries))
        return model

    def _sizes(self) -> CausalSizes:
        section, vocabulary = self._config.model, self._vocabulary
        return CausalSizes(
            n_entries=len(vocabulary),
            n_outputs=vocabulary.n_outputs,
            width=section.hidden_size,
            n_layers=section.n_layers,
            n_heads=section.n_heads,
            inner_width=section.intermediate_size or 4 * section.hidden_size,
            max_positions=self._window,
            n_frequent=section.n_frequent,
            pre_norm=section.encoder == SCRATCH,
        )

    def loss(self, model: CausalLanguageModel, batch: CharacterBatch) -> paddle.Tensor:
        """Return the summed cross-entropy <float32>[] of the targets."""
        return model.loss(*_tensors(batch))

    def score(self, model: CausalLanguageModel, batch: CharacterBatch) -> Scores:
        """Return loss and prediction of each target."""
        return model.score(*_tensors(batch))

    def writer(self, model: CausalLanguageModel, *, cached: bool = True) -> NextTokenModel:
        """Return the model for decoding."""
        if cached:
            writer: NextTokenModel = model.writer(self._vocabulary.start_id)
            return writer
        first = [self._vocabulary.start_id]
        return RecomputingWriter(partial(self._log_probs, model), first, self._window)

    @without_gradients
    def _log_probs(self, model: CausalLanguageModel, contexts: Contexts) -> Array:
        lengths = np.array([len(context) for context in contexts])
        ids = np.full((len(contexts), lengths.max(initial=1)), self._vocabulary.pad_id, np.int64)
        for row, context in enumerate(contexts):
            ids[row, : len(context)] = context
        positions = np.arange(len(contexts)) * ids.shape[1] + lengths - 1
        model.eval()
        log_probs: Array = model.log_probs(paddle.to_tensor(ids), paddle.to_tensor(positions)).numpy()
        return log_probs


def check_sizes(config: NovelConfig, encoder: PretrainedEncoder) -> None:
    """Refuse sizes of a gpt that are not those of the encoder whose weights it starts from.

    Raises:
        ConfigError: a size differs, or the window is longer than the encoder reads.
    """
    section, found = config.model, encoder.model.config
    expected = {
        "model.hidden_size": (section.hidden_size, found.hidden_size),
        "model.n_layers": (section.n_layers, found.num_hidden_layers),
        "model.n_heads": (section.n_heads, found.num_attention_heads),
        "model.intermediate_size": (section.intermediate_size or 4 * section.hidden_size, found.intermediate_size),
    }
    for key, (own, other) in expected.items():
        if own != other:
            message = _("{key}: expected {expected}, that of {encoder}, whose weights are the start; found {found}")
            raise ConfigError(message.format(key=key, expected=other, encoder=section.encoder, found=own))
    if config.data.window > found.max_position_embeddings:
        message = _("data.window: {window} is more than the {limit} positions of {encoder}")
        limit = found.max_position_embeddings
        raise ConfigError(message.format(window=config.data.window, limit=limit, encoder=section.encoder))


def load_encoder_with_entries(name: str) -> tuple[PretrainedEncoder, list[str]]:
    """Return a pretrained encoder and the entry of each of its ids."""
    entries = Tokenizer.load(tokenizer_folder(resolve(name))).vocabulary
    return load_pretrained(name), list(entries)


def _tensors(batch: CharacterBatch) -> list[paddle.Tensor]:
    return [paddle.to_tensor(array) for array in (batch.input_ids, batch.positions, batch.targets)]
