"""Exported language models: Layers that compute with their networks."""

from __future__ import annotations

import numpy as np
import paddle
from paddle import Tensor, nn

from paddle_tasks.arrays import Array
from paddle_tasks.generation.next_token import NextTokenModel
from paddle_tasks.models.cpu import Scores
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.graphs.writers import CausalNetworkWriter
from paddle_tasks.tasks.novel.exported_writers import run_windows

_ROWS_AT_ONCE = 8
"""Rows that are rated together: each position has a probability for every character."""


class ExportedCausalModel(nn.Layer):  # type: ignore[misc]
    """Rates characters with a step network; see `paddle_tasks.models.causal_lm.CausalLanguageModel`."""

    def __init__(self, writer: CausalNetworkWriter) -> None:
        super().__init__()
        self._writer = writer

    def score(self, input_ids: Tensor, positions: Tensor, targets: Tensor) -> Scores:
        """Return loss and prediction at some positions of [batch * length]."""
        ids, places = input_ids.numpy(), positions.numpy()
        found = [self._rate(ids, places, start) for start in range(0, len(ids), _ROWS_AT_ONCE)]
        return score_targets(np.concatenate(found), targets.numpy())

    def _rate(self, ids: Array, places: Array, start: int) -> Array:
        """Return the log-probabilities <float32>[n, characters] at the places in some rows."""
        rows, length = ids[start : start + _ROWS_AT_ONCE], ids.shape[1]
        own = places[(places >= start * length) & (places < (start + len(rows)) * length)] - start * length
        log_probs = self._writer.rate_rows(rows)
        chosen: Array = log_probs.reshape(-1, log_probs.shape[-1])[own]
        return chosen

    def writer(self, start_id: int) -> NextTokenModel:
        """Return the model for decoding."""
        del start_id  # known to the writer
        return self._writer


class ExportedWindowModel(nn.Layer):  # type: ignore[misc]
    """Rates the character after each window; see `paddle_tasks.models.window_lm.WindowModel`."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self._networks = networks

    def log_probs(self, input_ids: Tensor, lengths: Tensor, positions: Tensor) -> Tensor:
        """Return the log-probability of each character, <float32>[batch, characters]."""
        return paddle.to_tensor(run_windows(self._networks, input_ids.numpy(), lengths.numpy(), positions.numpy()))

    def score(self, input_ids: Tensor, lengths: Tensor, positions: Tensor, targets: Tensor) -> Scores:
        """Return loss and prediction of each window."""
        return score_targets(self.log_probs(input_ids, lengths, positions).numpy(), targets.numpy())


def score_targets(log_probs: Array, targets: Array) -> Scores:
    """Return loss and prediction of rows of log-probabilities <float32>[n, characters] for targets <int64>[n]."""
    return Scores(-log_probs[np.arange(len(targets)), targets], log_probs.argmax(axis=1))
