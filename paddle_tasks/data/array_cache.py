"""Arrays kept on disk by what they depend on, where computing them takes longer than reading them."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.files import atomic_file

Arrays = Mapping[str, Array]

FOLDER = "PADDLE_TASKS_CACHE"
"""The environment variable that names the folder."""

_MOST_BYTES = 2 << 30
_HASHED_AT_ONCE = 1000
_NAMES = "*-" + "[0-9a-f]" * 64 + ".npz"


def kept(kind: str, key: str, compute: Callable[[], Arrays], is_sound: Callable[[Arrays], bool]) -> Arrays:
    """Return what ``compute`` returns, from disk when it is there.

    A folder that cannot be written and an entry that cannot be read are no errors: the arrays are computed then.

    Args:
        kind: what the arrays are, a word for the file's name.
        key: of `digest`, of all that they depend on.
        compute: makes them.
        is_sound: tells whether what was read can be what ``compute`` returns.
    """
    path = cache_folder() / f"{kind}-{key}.npz"
    found = _read(path)
    if found is None or not is_sound(found):
        found = compute()
        _write(path, found)
    return found


def cache_folder() -> Path:
    """Return ``$PADDLE_TASKS_CACHE``, else ``paddle_tasks`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if chosen := os.environ.get(FOLDER):
        return Path(chosen)
    # As the XDG specification has it, a relative path is no setting.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path("~/.cache").expanduser()) / "paddle_tasks"


def digest(settings: Sequence[object], *parts: Sequence[str] | Array) -> str:
    """Return a SHA-256 of settings and of texts or arrays, where each of them ends included."""
    found = hashlib.sha256(json.dumps([*settings, *map(len, parts)]).encode())
    for part in parts:
        if isinstance(part, np.ndarray):
            found.update(f"{part.dtype}{part.shape}".encode())
            found.update(np.ascontiguousarray(part).data)
            continue
        found.update(np.fromiter(map(len, part), np.int64, len(part)).tobytes())
        for start in range(0, len(part), _HASHED_AT_ONCE):
            # Half an emoji (a lone surrogate) is part of a text too.
            found.update("".join(part[start : start + _HASHED_AT_ONCE]).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _read(path: Path) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:  # a zip file, whose checksums tell what was damaged
            found = {name: arrays[name] for name in arrays.files}
        os.utime(path)  # used last now
    except Exception:  # no such file, or whatever a damaged one makes zipfile, zlib and numpy raise
        return None
    return found


def _write(path: Path, arrays: Arrays) -> None:
    if sum(array.nbytes for array in arrays.values()) > _MOST_BYTES:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary, temporary.open("wb") as file:
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
    for path in folder.glob(_NAMES):
        with contextlib.suppress(FileNotFoundError):  # another process has deleted it
            status = path.stat()
            yield status.st_mtime, status.st_size, path
