"""Give the weights of a pretrained encoder to models with another vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import paddle
from paddle import nn

from paddle_tasks.arrays import Array
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder

_INITIAL_STD = 0.02


def use_entries(encoder: PretrainedEncoder, old: Sequence[str], new: Sequence[str], pad_id: int) -> None:
    """Let an encoder read another vocabulary: entries of both keep their vectors, the others get random ones.

    Args:
        encoder: the encoder, which is changed.
        old: the entry of each of its ids.
        new: the entry of each id from now on.
        pad_id: the id of padding among the new ones.
    """
    embeddings, config = encoder.model.embeddings, encoder.model.config
    vectors = transferred_vectors(embeddings.word_embeddings.weight.numpy(), old, new)
    embeddings.word_embeddings = nn.Embedding(*vectors.shape, padding_idx=pad_id)
    vectors[pad_id] = 0
    embeddings.word_embeddings.weight.set_value(vectors)
    config.vocab_size, config.pad_token_id = len(new), pad_id


def transferred_vectors(vectors: Array, old: Sequence[str], new: Sequence[str]) -> Array:
    """Return the vectors <float32>[new, width] of the new entries, from those of the old ones <float32>[old, width].

    Entries that are only among the new ones get random vectors from Paddle's generator.
    """
    ids = {entry: number for number, entry in enumerate(old)}
    found: Array = paddle.normal(std=_INITIAL_STD, shape=[len(new), vectors.shape[1]]).numpy()
    known = [number for number, entry in enumerate(new) if entry in ids]
    found[known] = vectors[[ids[new[number]] for number in known]]
    return np.ascontiguousarray(found, np.float32)
