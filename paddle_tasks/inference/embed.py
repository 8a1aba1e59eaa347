"""Sentence vectors: what an encoder says of a text as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import paddle

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.models.encoders.base import Encoder
from paddle_tasks.models.pooling import pool
from paddle_tasks.text.packing import PackedIds
from paddle_tasks.text.tokenizer import Tokenizer

_BATCH_SIZE = 64
_MAX_LENGTH = 512


class Embedder:
    """Computes a vector for each text: the mean of the last states of its tokens, of length 1.

    The product of two vectors is their cosine. Texts that say similar things have a larger one than others; see
    Reimers and Gurevych, 2019, https://arxiv.org/abs/1908.10084.
    """

    def __init__(self, encoder: Encoder, tokenizer: Tokenizer) -> None:
        """Take an encoder, which is put into evaluation mode, and its tokenizer."""
        self._encoder, self._tokenizer = encoder, tokenizer
        self._encoder.eval()

    def __call__(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Return ``{"input", "vector"}`` for each text, with ``"truncated": True`` if only a part of it was read.

        Args:
            texts: the texts; an empty one is embedded as an empty text.
        """
        max_length = min(_MAX_LENGTH, self._encoder.max_length or _MAX_LENGTH)
        packed = self._tokenizer.encode_packed(list(texts), max_length=max_length)
        cut = [count + 2 > max_length for count in self._tokenizer.count_tokens(list(texts))]
        vectors = self._vectors(packed)
        return [
            {"input": text, "vector": vector.tolist(), **({"truncated": True} if is_cut else {})}
            for text, vector, is_cut in zip(texts, vectors, cut, strict=True)
        ]

    def _vectors(self, packed: PackedIds) -> Array:
        """Return <float32>[texts, width]."""
        vectors = np.zeros((len(packed.lengths), self._encoder.width), np.float32)
        with paddle.no_grad():
            for rows in LengthGroupedBatchSampler(packed.lengths, _BATCH_SIZE).batches():
                vectors[rows] = self._batch(packed, np.asarray(rows)).numpy()
        norms: Array = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors /= np.maximum(norms, np.finfo(np.float32).tiny)
        return vectors

    def _batch(self, packed: PackedIds, rows: Array) -> paddle.Tensor:
        lengths = packed.lengths[rows]
        ids = np.full((len(rows), int(lengths.max())), self._tokenizer.pad_id, np.int64)
        for place, row in enumerate(rows):
            ids[place, : lengths[place]] = packed.input_ids[packed.offsets[row] : packed.offsets[row + 1]]
        tensors = paddle.to_tensor(ids), paddle.zeros(ids.shape, "int64"), paddle.to_tensor(lengths.astype(np.int64))
        states, first = self._encoder(*tensors)
        return pool("mean", states, first, tensors[2])
