"""The characters of both sides, and pairs as their ids."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.parallel_batches import EncodedPairs, SpecialIds
from paddle_tasks.data.corpus.characters import CharacterVocabulary
from paddle_tasks.data.parallel.pairs import Pair
from paddle_tasks.errors import DataError
from paddle_tasks.language import _
from paddle_tasks.text.packing import PackedIds

END = "\n"
"""The entry after each translation: a character that no text has, so that it is among the frequent outputs."""


def learn_vocabulary(pairs: Sequence[Pair], min_count: int) -> CharacterVocabulary:
    """Return the end entry and the characters of both sides that occur at least ``min_count`` times."""
    texts = (text for pair in pairs for text in (pair.source, pair.target))
    found = CharacterVocabulary.learn(texts, min_count).characters
    return CharacterVocabulary([END, *(character for character in found if character != END)])


def special_ids(vocabulary: CharacterVocabulary) -> SpecialIds:
    """Return the entries that begin, end and pad rows."""
    return SpecialIds(vocabulary.start_id, int(vocabulary.encode(END)[0]), vocabulary.pad_id)


def write_source(text: str) -> str:
    """Return a text as a model reads it: each run of white space is a space, and there is none at its ends."""
    return " ".join(text.split())


def encode_source(vocabulary: CharacterVocabulary, text: str) -> Array:
    """Return the ids <int32>[characters] of a text to translate.

    Raises:
        DataError: the text is blank.
    """
    written = write_source(text)
    if not written:
        raise DataError(_("expected a text to translate, found a blank one"))
    return vocabulary.encode(written)


def encode_pairs(vocabulary: CharacterVocabulary, pairs: Sequence[Pair]) -> EncodedPairs:
    """Return pairs as ids."""
    sources = _pack(vocabulary, [pair.source for pair in pairs])
    targets = _pack(vocabulary, [pair.target for pair in pairs])
    return EncodedPairs(sources, targets, _marks(vocabulary))


def _pack(vocabulary: CharacterVocabulary, texts: Sequence[str]) -> PackedIds:
    offsets = np.concatenate([[0], np.cumsum([len(text) for text in texts], dtype=np.int64)])
    return PackedIds(vocabulary.encode("".join(texts)), offsets)


def _marks(vocabulary: CharacterVocabulary) -> Array:
    """Return which entries are punctuation marks, <bool>[entries]."""
    return np.array([len(entry) == 1 and unicodedata.category(entry)[0] == "P" for entry in vocabulary.entries])
