"""A disk cache for arrays that take longer to compute than to read, keyed by a digest of their inputs."""

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

FOLDER_VARIABLE = "PADDLE_TASKS_CACHE"
"""The environment variable that names the cache folder."""

MAX_BYTES = 2 << 30
"""The size of the cache, and of the largest entry."""
_TEXTS_PER_UPDATE = 1000
_FILE_PATTERN = "*-" + "[0-9a-f]" * 64 + ".npz"


def load_or_compute(kind: str, key: str, compute: Callable[[], Arrays], is_valid: Callable[[Arrays], bool]) -> Arrays:
    """Return the cached result of ``compute``, or compute it and cache it.

    A folder that cannot be written or an entry that cannot be read is not an error: the arrays are computed instead.

    Args:
        kind: the kind of arrays, a word for the file name.
        key: the `compute_digest` of everything that the arrays depend on.
        compute: returns the arrays.
        is_valid: returns whether arrays that were read can be a result of ``compute``.
    """
    path = cache_folder() / f"{kind}-{key}.npz"
    arrays = _read(path)
    if arrays is None or not is_valid(arrays):
        arrays = compute()
        _write(path, arrays)
    return arrays


def cache_folder() -> Path:
    """Return ``$PADDLE_TASKS_CACHE``, else ``paddle_tasks`` in ``$XDG_CACHE_HOME`` or ``~/.cache``."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    # The XDG specification says to ignore relative paths.
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path("~/.cache").expanduser()) / "paddle_tasks"


def compute_digest(settings: Sequence[object], *parts: Sequence[str] | Array) -> str:
    """Return the SHA-256 of settings and of lists of texts or arrays, including the length of each text."""
    digest = hashlib.sha256(json.dumps([*settings, *map(len, parts)]).encode())
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(f"{part.dtype}{part.shape}".encode())
            digest.update(np.ascontiguousarray(part).data)
            continue
        digest.update(np.fromiter(map(len, part), np.int64, len(part)).tobytes())
        for start in range(0, len(part), _TEXTS_PER_UPDATE):
            # Texts may contain lone surrogates.
            digest.update("".join(part[start : start + _TEXTS_PER_UPDATE]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _read(path: Path) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as file:  # a zip file, whose checksums reveal damage
            arrays = {name: file[name] for name in file.files}
        os.utime(path)  # marks the entry as used
    except Exception:  # no such file, or any error of zipfile, zlib or numpy in a damaged one
        return None
    return arrays


def _write(path: Path, arrays: Arrays) -> None:
    if sum(array.nbytes for array in arrays.values()) > MAX_BYTES:
        return
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)
        _delete_oldest(path.parent)


def _delete_oldest(folder: Path) -> None:
    """Delete the least recently used entries until the rest is within `MAX_BYTES`."""
    total = 0
    for _, size, path in sorted(_entries(folder), reverse=True):
        total += size
        if total > MAX_BYTES:
            path.unlink(missing_ok=True)


def _entries(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for path in folder.glob(_FILE_PATTERN):
        with contextlib.suppress(FileNotFoundError):  # another process has deleted it
            status = path.stat()
            yield status.st_mtime, status.st_size, path
