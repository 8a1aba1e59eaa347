"""Encoded texts and their words kept on disk: a second run over much text need neither tokenise nor cut it again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tokenizers

from paddle_tasks.arrays import Array
from paddle_tasks.data.array_cache import Arrays, digest, kept
from paddle_tasks.text.packing import PackedIds
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.units import word_units
from paddle_tasks.text.word_vectors import WordVectors, learn_word_vectors
from paddle_tasks.text.words import dictionary_version

# Higher whenever the entries' form or what makes them changes.
_VERSION = 2
# Characters. Reading two million takes 15 ms, hashing included, and tokenising them 70 to 300 ms (two cores of an AMD
# Zen 4), cutting them into words 7 s; below, nobody would notice, and every small experiment would leave a file.
_PAYS_FROM = 2_000_000


def encoded(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int
) -> PackedIds:
    """Return what ``tokenizer.encode_packed`` returns, from disk when these very texts have been encoded before."""
    if not _pays(texts, pairs or ()):
        return tokenizer.encode_packed(texts, pairs, max_length=max_length)
    # Which characters are punctuation is a matter of the library's version.
    settings = [_VERSION, tokenizers.__version__, tokenizer.fingerprint, max_length, pairs is not None]
    found = kept(
        "tokens",
        # Of the texts and not of their file: which rows and columns that gives depends on settings and readers.
        digest(settings, texts, pairs or ()),
        lambda: _arrays(tokenizer.encode_packed(texts, pairs, max_length=max_length)),
        lambda arrays: _is_sound(arrays, texts, pairs, len(tokenizer)),
    )
    return PackedIds(found["input_ids"], found["offsets"], found.get("token_type_ids"))


def word_starts(tokenizer: Tokenizer, texts: Sequence[str], ids: Array, counts: Array) -> Array:
    """Return what `word_units` returns for texts and their ids, from disk when they have been cut before."""

    def compute() -> Array:
        return word_units(texts, ids, counts, tokenizer.vocabulary)

    if not _pays(texts):
        return compute()
    settings = [_VERSION, dictionary_version(), tokenizer.fingerprint]
    found = kept(
        "words",
        digest(settings, texts, ids),
        lambda: {"starts": compute()},
        lambda arrays: _is_like(arrays.get("starts"), bool, ids.shape),
    )
    return found["starts"]


def word_meanings(ids: Array, starts: Array, lines: Array, n_entries: int, *, size: int, seed: int) -> WordVectors:
    """Return what `learn_word_vectors` returns, from disk when these very words have been counted before."""

    def compute() -> WordVectors:
        return learn_word_vectors(ids, starts, lines, n_entries, size=size, seed=seed)

    if len(ids) < _PAYS_FROM:
        return compute()
    found = kept(
        "vectors",
        digest([_VERSION, n_entries, size, seed], ids, starts, lines),
        lambda: vars(compute()),
        lambda arrays: _is_like(arrays.get("words"), np.int32, ids.shape) and "vectors" in arrays,
    )
    return WordVectors(found["words"], found["vectors"])


def _pays(*parts: Sequence[str]) -> bool:
    return sum(sum(map(len, part)) for part in parts) >= _PAYS_FROM


def _arrays(packed: PackedIds) -> Arrays:
    types = {} if packed.token_type_ids is None else {"token_type_ids": packed.token_type_ids}
    return {"input_ids": packed.input_ids, "offsets": packed.offsets, **types}


def _is_sound(found: Arrays, texts: Sequence[str], pairs: Sequence[str] | None, n_ids: int) -> bool:
    if not {"input_ids", "offsets"} <= set(found):
        return False
    ids, offsets, types = found["input_ids"], found["offsets"], found.get("token_type_ids")
    return bool(
        (ids.dtype, offsets.dtype) == (np.dtype(np.int32), np.dtype(np.int64))
        and offsets.shape == (len(texts) + 1,)
        and (offsets[0], offsets[-1]) == (0, len(ids))
        and (np.diff(offsets) > 0).all()
        and ids.min() >= 0
        and ids.max() < n_ids
        and (types is None) == (pairs is None)
        and (types is None or _is_like(types, np.int8, ids.shape))
    )


def _is_like(array: Array | None, dtype: type, shape: tuple[int, ...]) -> bool:
    return array is not None and (array.dtype, array.shape) == (np.dtype(dtype), shape)
