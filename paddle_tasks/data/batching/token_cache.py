"""Disk-cached encodings, word boundaries and word vectors, so that a second run on a large corpus skips that work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tokenizers

from paddle_tasks.arrays import Array
from paddle_tasks.data.array_cache import Arrays, compute_digest, load_or_compute
from paddle_tasks.text.packing import PackedIds
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.text.units import word_units
from paddle_tasks.text.word_vectors import WordVectors, learn_word_vectors
from paddle_tasks.text.words import dictionary_version

CACHE_VERSION = 2
"""Increase this whenever the content of entries or the code that computes them changes."""

MIN_CACHED_CHARACTERS = 2_000_000
"""Smaller inputs are not cached.

Reading two million characters takes 15 ms, hashing included; tokenising them takes 70 to 300 ms (two cores of an AMD
Zen 4), and cutting them into words 7 s. Below that nobody would notice, and every small experiment would leave a file.
"""


def cached_encodings(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int
) -> PackedIds:
    """Return ``tokenizer.encode_packed`` of the texts, from the cache if the same texts were encoded before."""
    if not _is_worth_caching(texts, pairs or ()):
        return tokenizer.encode_packed(texts, pairs, max_length=max_length)
    # The library's version determines which characters are punctuation.
    settings = [CACHE_VERSION, tokenizers.__version__, tokenizer.fingerprint, max_length, pairs is not None]
    arrays = load_or_compute(
        "tokens",
        # A digest of the texts, not of their file, because settings and readers select rows and columns.
        compute_digest(settings, texts, pairs or ()),
        lambda: _to_arrays(tokenizer.encode_packed(texts, pairs, max_length=max_length)),
        lambda arrays: _is_valid(arrays, texts, pairs, len(tokenizer)),
    )
    return PackedIds(arrays["input_ids"], arrays["offsets"], arrays.get("token_type_ids"))


def cached_word_starts(tokenizer: Tokenizer, texts: Sequence[str], ids: Array, counts: Array) -> Array:
    """Return `word_units` of texts and their ids, from the cache if the same texts were cut into words before."""

    def compute() -> Array:
        return word_units(texts, ids, counts, tokenizer.vocabulary)

    if not _is_worth_caching(texts):
        return compute()
    settings = [CACHE_VERSION, dictionary_version(), tokenizer.fingerprint]
    arrays = load_or_compute(
        "words",
        compute_digest(settings, texts, ids),
        lambda: {"starts": compute()},
        lambda arrays: _has_type(arrays.get("starts"), bool, ids.shape),
    )
    return arrays["starts"]


def cached_word_vectors(
    ids: Array, starts: Array, lines: Array, n_entries: int, *, size: int, seed: int
) -> WordVectors:
    """Return `learn_word_vectors` of the arguments, from the cache if the same words were counted before."""

    def compute() -> WordVectors:
        return learn_word_vectors(ids, starts, lines, n_entries, size=size, seed=seed)

    if len(ids) < MIN_CACHED_CHARACTERS:
        return compute()
    arrays = load_or_compute(
        "vectors",
        compute_digest([CACHE_VERSION, n_entries, size, seed], ids, starts, lines),
        lambda: vars(compute()),
        lambda arrays: _has_type(arrays.get("words"), np.int32, ids.shape) and "vectors" in arrays,
    )
    return WordVectors(arrays["words"], arrays["vectors"])


def _is_worth_caching(*parts: Sequence[str]) -> bool:
    return sum(sum(map(len, part)) for part in parts) >= MIN_CACHED_CHARACTERS


def _to_arrays(packed: PackedIds) -> Arrays:
    types = {} if packed.token_type_ids is None else {"token_type_ids": packed.token_type_ids}
    return {"input_ids": packed.input_ids, "offsets": packed.offsets, **types}


def _is_valid(arrays: Arrays, texts: Sequence[str], pairs: Sequence[str] | None, n_ids: int) -> bool:
    if not {"input_ids", "offsets"} <= set(arrays):
        return False
    ids, offsets, types = arrays["input_ids"], arrays["offsets"], arrays.get("token_type_ids")
    return bool(
        (ids.dtype, offsets.dtype) == (np.dtype(np.int32), np.dtype(np.int64))
        and offsets.shape == (len(texts) + 1,)
        and (offsets[0], offsets[-1]) == (0, len(ids))
        and (np.diff(offsets) > 0).all()
        and ids.min() >= 0
        and ids.max() < n_ids
        and (types is None) == (pairs is None)
        and (types is None or _has_type(types, np.int8, ids.shape))
    )


def _has_type(array: Array | None, dtype: type, shape: tuple[int, ...]) -> bool:
    return array is not None and (array.dtype, array.shape) == (np.dtype(dtype), shape)
