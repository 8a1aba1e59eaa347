"""Encoded texts kept on disk, by what they depend on: a second run over much text need not tokenise it again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

from paddle_tasks.files import whole_file
from paddle_tasks.text.packing import PackedIds
from paddle_tasks.text.tokenizer import Tokenizer

FOLDER = "PADDLE_TASKS_CACHE"
"""The environment variable that names the folder."""

# Higher whenever the entries' form or what makes the ids changes.
_VERSION = 1
# Characters. Reading two million takes 15 ms, hashing included, and tokenising them 70 to 300 ms (two cores of an AMD
# Zen 4); below, nobody would notice, and every small experiment would leave a file.
_PAYS_FROM = 2_000_000
_MOST_BYTES = 2 << 30
_HASHED_AT_ONCE = 1000
_NAME = "tokens-{}.npz"


def encoded(
    tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int
) -> PackedIds:
    """Return what ``tokenizer.encode_packed`` returns, from disk when these very texts have been encoded before.

    A folder that cannot be written and an entry that cannot be read are no errors: the texts are encoded then.
    """
    if sum(map(len, texts)) + sum(map(len, pairs or ())) < _PAYS_FROM:
        return tokenizer.encode_packed(texts, pairs, max_length=max_length)
    path = cache_folder() / _NAME.format(_key(tokenizer, texts, pairs, max_length))
    found = _read(path)
    if found is None or not _is_sound(found, texts, pairs, len(tokenizer)):
        found = tokenizer.encode_packed(texts, pairs, max_length=max_length)
        _write(path, found)
    return found


def cache_folder() -> Path:
    """Return ``$PADDLE_TASKS_CACHE``, else ``paddle_tasks`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if chosen := os.environ.get(FOLDER):
        return Path(chosen)
    # As the XDG specification has it, a relative path is no setting.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path("~/.cache").expanduser()) / "paddle_tasks"


def _key(tokenizer: Tokenizer, texts: Sequence[str], pairs: Sequence[str] | None, max_length: int) -> str:
    """Return a digest of all that the ids depend on.

    Of the texts themselves and not of their file: which rows and columns a file gives depends on settings and readers.
    """
    # Which characters are punctuation is a matter of the library's version.
    settings = [_VERSION, tokenizers.__version__, tokenizer.fingerprint, max_length, len(texts), pairs is not None]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for part in (texts, pairs or ()):
        digest.update(np.fromiter(map(len, part), np.int64, len(part)).tobytes())
        for start in range(0, len(part), _HASHED_AT_ONCE):
            # Half an emoji (a lone surrogate) is part of a text too.
            digest.update("".join(part[start : start + _HASHED_AT_ONCE]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _read(path: Path) -> PackedIds | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:  # a zip file, whose checksums tell what was damaged
            found = PackedIds(arrays["input_ids"], arrays["offsets"], arrays.get("token_type_ids"))
        os.utime(path)  # used last now
    except Exception:  # no such file, or whatever a damaged one makes zipfile, zlib and numpy raise
        return None
    return found


def _is_sound(found: PackedIds, texts: Sequence[str], pairs: Sequence[str] | None, n_ids: int) -> bool:
    ids, offsets, types = found.input_ids, found.offsets, found.token_type_ids
    return bool(
        (ids.dtype, offsets.dtype) == (np.dtype(np.int32), np.dtype(np.int64))
        and offsets.shape == (len(texts) + 1,)
        and (offsets[0], offsets[-1]) == (0, len(ids))
        and (np.diff(offsets) > 0).all()
        and ids.min() >= 0
        and ids.max() < n_ids
        and (types is None) == (pairs is None)
        and (types is None or (types.dtype, types.shape) == (np.dtype(np.int8), ids.shape))
    )


def _write(path: Path, packed: PackedIds) -> None:
    arrays: dict[str, np.ndarray[Any, Any]] = {"input_ids": packed.input_ids, "offsets": packed.offsets}
    if packed.token_type_ids is not None:
        arrays["token_type_ids"] = packed.token_type_ids
    if sum(array.nbytes for array in arrays.values()) > _MOST_BYTES:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)
        _forget_old(path.parent)


def _forget_old(folder: Path) -> None:
    """Delete the entries that were not used for the longest, until the rest is within the bound."""
    total = 0
    for _, size, path in sorted(_entries(folder), reverse=True):
        total += size
        if total > _MOST_BYTES:
            path.unlink(missing_ok=True)


def _entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for path in folder.glob(_NAME.format("*")):
        with contextlib.suppress(FileNotFoundError):  # another process has deleted it
            status = path.stat()
            yield status.st_mtime, status.st_size, path
