"""Exported translation models: a Layer that computes with their networks."""

from __future__ import annotations

import numpy as np
from paddle import nn

from paddle_tasks.models.cpu import Scores
from paddle_tasks.models.graphs.writers import NetworkTranslator
from paddle_tasks.models.seq2seq.base import Source, Target


class ExportedTranslator(nn.Layer):  # type: ignore[misc]
    """Rates targets with an encoder and a decoder; see `paddle_tasks.models.seq2seq.base.EncoderDecoder`.

    Attributes:
        translator: makes decoders.
    """

    def __init__(self, translator: NetworkTranslator) -> None:
        super().__init__()
        self.translator = translator

    def score(self, source: Source, target: Target) -> Scores:
        """Return loss and prediction of each entry of the targets."""
        writer = self.translator.writer(source.ids.numpy(), source.lengths.numpy())
        log_probs = writer.extend(writer.outputs(), target.input_ids.numpy().astype(np.int64))
        rows, ids = log_probs.reshape(-1, log_probs.shape[-1])[target.positions.numpy()], target.ids.numpy()
        return Scores(-rows[np.arange(len(ids)), ids], rows.argmax(axis=1))
