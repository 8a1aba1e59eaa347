"""How models over windows read chapters: a window of characters and, perhaps, [MASK] in the place of the next."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import paddle
from paddle import nn

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.character_batches import CharacterBatch, context_batch, window_batch
from paddle_tasks.data.corpus.character_rows import EncodedTexts, Rows, windows
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.errors import ConfigError
from paddle_tasks.generation.next_token import NextTokenModel
from paddle_tasks.language import _
from paddle_tasks.models.cpu import Scores
from paddle_tasks.models.encoders.entries import use_entries
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.pretrained.saving import load_encoder
from paddle_tasks.models.window_lm import FullyConnectedHead, RecurrentHead, WindowModel
from paddle_tasks.tasks.novel.readers import CausalReader, Reader, load_encoder_with_entries
from paddle_tasks.tasks.novel.section import NovelConfig
from paddle_tasks.tasks.novel.writers import Contexts, RecomputingWriter

_N_SPECIAL = 3
"""[CLS], [SEP] and one [MASK]."""


class WindowReader:
    """Reads chapters for an encoder over windows."""

    def __init__(self, config: NovelConfig, vocabulary: CharacterVocabulary) -> None:
        self._config, self._vocabulary = config, vocabulary
        self._window, self._masks = config.data.window, config.data.mask_at_end

    def training_rows(self, texts: EncodedTexts) -> Rows:
        """Return a window for each target, which are as far apart as the configuration says."""
        return windows(texts, self._window, self._config.data.stride or self._window)

    def epoch(self, rows: Rows, seed: Sequence[int]) -> Rows:
        """Return the rows with other targets and, if masks vary, other lengths."""
        moved = rows.moved(seed)
        return moved.shortened(seed) if self._masks == "varying" else moved

    def scored_rows(self, texts: EncodedTexts) -> Rows:
        """Return a window for every character."""
        return windows(texts, self._window)

    def batch(self, rows: Rows, chosen: Sequence[int], *, training: bool = False) -> CharacterBatch:
        """Return rows as a batch; only in training may there be several masks."""
        n_masks = np.full(len(chosen), int(self._masks != "none"), np.int64)
        if training and self._masks == "varying":
            n_masks += self._window - rows.lengths[np.asarray(chosen, np.int64)]
        return window_batch(rows, chosen, self._vocabulary, n_masks)

    def build(self, folder: Path | None = None) -> nn.Layer:
        """Return the Layer that training starts from, or that of a model folder, whose weights are still to load."""
        section, vocabulary = self._config.model, self._vocabulary
        encoder = self._load_encoder(section.encoder) if folder is None else load_encoder(folder)
        if encoder.max_length is not None and self._window + _N_SPECIAL > encoder.max_length:
            message = _(
                "data.window: {window} and special tokens are more than the {limit} tokens that {encoder} reads"
            )
            values = {"window": self._window, "limit": encoder.max_length, "encoder": section.encoder}
            raise ConfigError(message.format_map(values))
        if section.architecture == "bert-fc":
            head: nn.Layer = FullyConnectedHead(encoder.width, section.hidden_size, section.dropout)
        else:
            head = RecurrentHead(encoder.width, section.hidden_size, section.dropout, attention=section.attention)
        return WindowModel(encoder, head, vocabulary.n_outputs, section.n_frequent)

    def _load_encoder(self, name: str) -> PretrainedEncoder:
        encoder, entries = load_encoder_with_entries(name)
        use_entries(encoder, entries, self._vocabulary.entries, self._vocabulary.pad_id)
        return encoder

    def loss(self, model: WindowModel, batch: CharacterBatch) -> paddle.Tensor:
        """Return the summed cross-entropy <float32>[] of the targets."""
        return model.loss(*_tensors(batch, batch.targets))

    def score(self, model: WindowModel, batch: CharacterBatch) -> Scores:
        """Return loss and prediction of each target."""
        return model.score(*_tensors(batch, batch.targets))

    def writer(self, model: WindowModel, *, cached: bool = True) -> NextTokenModel:
        """Return the model for decoding; an encoder over a window has nothing to keep."""
        del cached
        return RecomputingWriter(partial(self._log_probs, model), (), self._window)

    @without_gradients
    def _log_probs(self, model: WindowModel, contexts: Contexts) -> Array:
        batch = context_batch(contexts, self._vocabulary, masked=self._masks != "none")
        model.eval()
        log_probs: Array = model.log_probs(*_tensors(batch)).numpy()
        return log_probs


def _tensors(batch: CharacterBatch, *others: Array) -> list[paddle.Tensor]:
    return [paddle.to_tensor(array) for array in (batch.input_ids, batch.lengths, batch.positions, *others)]


def make_reader(config: NovelConfig, vocabulary: CharacterVocabulary) -> Reader:
    """Return the reader of the configured architecture."""
    return (CausalReader if config.model.architecture == "gpt" else WindowReader)(config, vocabulary)
