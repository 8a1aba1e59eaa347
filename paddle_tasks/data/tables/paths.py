"""Files that data is read from: regular files, and copies of pipes, which can be read only once."""

from __future__ import annotations

import atexit
import re
import shutil
import stat
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from paddle_tasks.data.tables.archives import MAX_MEMBER_BYTES
from paddle_tasks.errors import DataError, nearest_path
from paddle_tasks.files import exists, list_siblings, short_name
from paddle_tasks.language import _

_STDIN = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/")
_CHUNK = 2**20
_lock = threading.Lock()
_copies: dict[tuple[Any, ...], tuple[Any, Path]] = {}
"""The copy of each pipe. The stream is kept, so that no other stream gets its identity."""


def readable_file(path: Path) -> Path | None:
    """Return a regular file that holds the data of ``path``, or None if there is no such file.

    A pipe (``-``, ``/dev/stdin``, a process substitution, a FIFO) can be read only once. It is copied to a temporary
    file, which is removed when the process ends; later calls return the same copy.

    Raises:
        DataError: the pipe holds more than 1 GiB, or there is no standard input.
    """
    name = str(path)
    if name in _STDIN:
        stream = getattr(sys.stdin, "buffer", None)
        if stream is None:
            raise DataError(_("{file}: there is no standard input to read").format(file=name))
        return _copied(("stdin", id(stream)), stream, "stdin")
    if not exists(path):
        return None
    status = path.stat()
    if name.startswith(_DESCRIPTORS) or stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):
        return _copied((name, status.st_dev, status.st_ino), path, re.sub(r"[^\w.]+", "-", name).strip("-"))
    return path if stat.S_ISREG(status.st_mode) else None


def _copied(key: tuple[Any, ...], source: Path | IO[bytes], name: str) -> Path:
    with _lock:
        if key not in _copies:
            folder = Path(tempfile.mkdtemp(prefix="paddle-tasks-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            copy = folder / name
            if isinstance(source, Path):
                with source.open("rb") as stream:
                    _copy(stream, copy, str(source))
            else:
                _copy(source, copy, name)
            _copies[key] = (source, copy)
        return _copies[key][1]


def _copy(stream: IO[bytes], copy: Path, name: str) -> None:
    n_bytes = 0
    with copy.open("wb") as target:
        while chunk := stream.read(_CHUNK):
            n_bytes += len(chunk)
            if n_bytes > MAX_MEMBER_BYTES:
                message = _("{file}: holds more than {max_bytes:,} bytes; write it to a file first")
                raise DataError(message.format(file=name, max_bytes=MAX_MEMBER_BYTES))
            target.write(chunk)


def no_such_file(path: Path) -> str:
    """Return the message that there is no such file: the start of its name, and the nearest name beside it."""
    hint = nearest_path(path, list_siblings(path))
    return _("{file}: no such file{hint}").format(file=short_name(path), hint=hint)
