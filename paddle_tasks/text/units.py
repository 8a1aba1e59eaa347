"""Where the words of a text start among its tokens: a word of jieba's is masked whole, as ERNIE's phrases are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.text.words import word_starts

# The blocks that BERT takes for Chinese characters, each of which is a token.
_BLOCKS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def word_units(texts: Sequence[str], ids: Array, counts: Array, vocabulary: Sequence[str]) -> Array:
    """Tell of each token whether a word starts with it.

    A token of letters or digits starts one unless it is a ``##`` piece; a Chinese character where jieba says so; any
    other token stands alone. Where the vocabulary does not hold all Chinese characters of a text, its tokens all do.

    Args:
        texts: [texts].
        ids: <int32>[tokens], the texts' tokens without special ones, one text after another.
        counts: <int64>[texts], the tokens of each text.
        vocabulary: the entries.

    Returns:
        <bool>[tokens].
    """
    n_texts = len(texts)
    text_of_character = np.repeat(np.arange(n_texts), np.fromiter(map(len, texts), np.int64, n_texts))
    text_of_token = np.repeat(np.arange(n_texts), counts)
    characters = _is_chinese(np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32))
    tokens = _is_chinese(np.array([ord(entry) if len(entry) == 1 else 0 for entry in vocabulary]))[ids]
    n_characters = np.bincount(text_of_character[characters], minlength=n_texts)
    agree = n_characters == np.bincount(text_of_token[tokens], minlength=n_texts)
    starts = np.array([not entry.startswith("##") for entry in vocabulary])[ids]
    starts[tokens & agree[text_of_token]] = word_starts(texts)[characters & agree[text_of_character]]
    return starts


def _is_chinese(codes: Array) -> Array:
    found = np.zeros(codes.shape, bool)
    for low, high in _BLOCKS:
        found |= (codes >= low) & (codes <= high)
    return found
