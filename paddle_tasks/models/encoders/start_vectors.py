"""Word vectors as the first embeddings of an encoder that is trained from scratch."""

from __future__ import annotations

from typing import Any

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.encoders.recurrent import CELLS

WITH_EMBEDDINGS = (*CELLS, "textcnn")
"""The encoders whose embeddings have a size of their own."""


def start_with_vectors(encoder: Any, ids: Array, vectors: Array) -> None:
    """Set the embeddings of some entries; the fresh ones of the others get the same deviation (Kim 2014).

    Args:
        encoder: one of `WITH_EMBEDDINGS`, with fresh weights.
        ids: <int64>[entries].
        vectors: <float32>[entries, size], not all 0.
    """
    weight = encoder.embedding.weight
    table = weight.numpy()
    fresh = np.delete(table, ids, axis=0)
    fresh = fresh[fresh.any(axis=1)]  # the padding stays 0
    if fresh.size:
        table *= vectors.std() / fresh.std()
    table[ids] = vectors
    weight.set_value(table)
