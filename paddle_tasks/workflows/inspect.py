"""Show what an encoder reads and computes for a text or a pair of texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.models.encoders.inspection import Inside, look_inside
from paddle_tasks.models.pretrained.loading import load_pretrained, resolve, tokenizer_folder
from paddle_tasks.text.tokenizer import Tokenizer


@dataclass(frozen=True)
class Inspection:
    """What an encoder reads and computes for a text.

    Attributes:
        tokens: the entries of the vocabulary that it reads, with [CLS] and [SEP].
        input_ids: <int64>[length].
        token_type_ids: <int64>[length], 1 in a second text.
        attention_mask: <int64>[length], 1 for real tokens; all are, because one text needs no padding.
        inside: what it computes.
    """

    tokens: list[str]
    input_ids: Array
    token_type_ids: Array
    attention_mask: Array
    inside: Inside


def inspect(model: str, text: str, pair: str | None = None) -> Inspection:
    """Return what an encoder reads and computes for a text or a pair of texts.

    >>> from paddle_tasks import inspect
    >>> inspect("builtin/bert-mini-zh", "今天天气真好").tokens
    ['[CLS]', '今', '天', '天', '气', '真', '好', '[SEP]']

    Args:
        model: the encoder's name; see `paddle_tasks.models.pretrained.loading.resolve`.
        text: the text; its end is cut off if it is longer than the encoder can read.
        pair: a second text.

    Raises:
        UserError: there is no such encoder, or it cannot be inspected.
    """
    encoder = load_pretrained(model)
    encoder.eval()
    tokenizer = Tokenizer.load(tokenizer_folder(resolve(model)))
    encoded = tokenizer.encode([text], None if pair is None else [pair], max_length=encoder.max_length or 512)[0]
    ids, types = (array.astype(np.int64) for array in (encoded.input_ids, encoded.token_type_ids))
    tokens = [tokenizer.vocabulary[number] for number in ids]
    return Inspection(tokens, ids, types, np.ones_like(ids), look_inside(encoder, ids, types))
