"""Shared by the peers that batch texts themselves: texts of similar lengths together, so that little is padded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from peer import measure_prediction

Classify = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Takes input ids and attention mask, <int64>[batch, length]; returns logits <float>[batch, classes]."""


def measure_batch_sizes(
    way: str, predict: Callable[[list[str], int], list[str]], settings: dict[str, Any]
) -> list[dict[str, Any]]:
    """Measure the prediction with each batch size.

    Args:
        way: how the model computes, for the name of the variant.
        predict: returns the labels of texts; its second argument is ``batch_size``.
        settings: those of `measure_prediction`, and ``batch_sizes``.
    """
    return [
        {"variant": f"{way}, batches of {size}", **measure_prediction(partial(predict, batch_size=size), settings)}
        for size in settings["batch_sizes"]
    ]


def predict_sorted(texts: list[str], tokenizer: Any, classify: Classify, batch_size: int, max_length: int) -> list[int]:
    """Return the class of each text; the texts are tokenised at once and batched from long to short.

    Args:
        texts: the texts.
        tokenizer: a fast tokenizer of transformers.
        classify: the model.
        batch_size: texts of a batch.
        max_length: tokens of a text, at most.
    """
    encoded = tokenizer(
        texts, truncation=True, max_length=max_length, return_token_type_ids=False, return_attention_mask=False
    )["input_ids"]
    batches = batch_rows([len(ids) for ids in encoded], batch_size)
    padded = [pad([encoded[row] for row in rows], tokenizer.pad_token_id) for rows in batches]
    classes = np.empty(len(texts), np.int64)
    for rows, batch in zip(batches, padded, strict=True):
        classes[rows] = classify(*batch).argmax(axis=1)
    return classes.tolist()


def batch_rows(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Return the rows of each batch, from long to short: `batch_rows([5, 9, 7], 2)` → `[[1, 2], [0]]`."""
    order = sorted(range(len(lengths)), key=lambda row: -lengths[row])
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def pad(encoded: Sequence[Sequence[int]], pad_id: int) -> tuple[np.ndarray, np.ndarray]:
    """Return input ids and attention mask, <int64>[batch, length], as long as the longest text."""
    lengths = np.array([len(ids) for ids in encoded])
    mask = np.arange(lengths.max()) < lengths[:, None]
    padded = np.full(mask.shape, pad_id, np.int64)
    padded[mask] = np.concatenate(encoded)
    return padded, mask.astype(np.int64)
