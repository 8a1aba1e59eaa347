"""Word boundaries among the tokens of a text, for masking whole jieba words as ERNIE masks phrases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.text.words import word_starts

# The Unicode blocks whose characters BERT treats as Chinese: each is a token.
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
    """Return whether a word starts at each token.

    A token of letters or digits starts a word unless it is a ``##`` piece; a Chinese character does if jieba says so;
    any other token is a word of its own. In a text with Chinese characters missing from the vocabulary, each Chinese
    token is a word, since tokens and characters cannot be aligned.

    Args:
        texts: the texts.
        ids: ``<int32>[tokens]``, the tokens of all texts, concatenated, without special tokens.
        counts: ``<int64>[texts]``, the number of tokens of each text.
        vocabulary: the entries.

    Returns:
        ``<bool>[tokens]``.
    """
    n_texts = len(texts)
    text_of_character = np.repeat(np.arange(n_texts), np.fromiter(map(len, texts), np.int64, n_texts))
    text_of_token = np.repeat(np.arange(n_texts), counts)
    chinese_characters = _is_chinese(np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32))
    chinese_tokens = _is_chinese(np.array([ord(entry) if len(entry) == 1 else 0 for entry in vocabulary]))[ids]
    n_chinese = np.bincount(text_of_character[chinese_characters], minlength=n_texts)
    aligned = n_chinese == np.bincount(text_of_token[chinese_tokens], minlength=n_texts)
    starts = np.array([not entry.startswith("##") for entry in vocabulary])[ids]
    starts[chinese_tokens & aligned[text_of_token]] = word_starts(texts)[
        chinese_characters & aligned[text_of_character]
    ]
    return starts


def _is_chinese(codes: Array) -> Array:
    is_chinese = np.zeros(codes.shape, bool)
    for low, high in _BLOCKS:
        is_chinese |= (codes >= low) & (codes <= high)
    return is_chinese
