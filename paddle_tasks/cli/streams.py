"""Standard streams that are closed, are no longer read, or cannot represent a character."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any

_STDERR = 2


class _UnfailingFile(io.FileIO):
    """The file of stderr; what cannot be written, because its reader has ended or the disk is full, is dropped.

    Messages and progress are not worth a failed command: training goes on when the terminal is gone.
    """

    def write(self, content: Any) -> int:
        """Write the content, and return its length even if that failed."""
        try:
            return super().write(content)
        except OSError:
            return len(content)


def prepare_streams() -> None:
    """Open closed output streams to the null device, let stderr never fail, and escape what cannot be represented."""
    _occupy_descriptors()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the shell, as in ``paddle-tasks list >&-``
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__ and not _is_windows_console():
        unfailing = io.BufferedWriter(_UnfailingFile(_STDERR, "w", closefd=False))
        sys.stderr = io.TextIOWrapper(unfailing, encoding=sys.stderr.encoding, line_buffering=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _is_windows_console() -> bool:
    """Return whether stderr is a console of Windows, which Python writes to by other means than a file."""
    return os.name == "nt" and sys.stderr.isatty()


def _occupy_descriptors() -> None:
    """Open the null device under the descriptors 0 to 2 that are closed.

    A file that is opened later would get such a number, and whatever writes to the standard streams would damage it.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        if not _is_open(descriptor):
            os.dup2(null, descriptor)
    if null > _STDERR:
        os.close(null)
    else:
        os.set_inheritable(null, True)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def flush_or_drop() -> OSError | None:
    """Write what is still buffered for stdout; drop it and return the error if that fails.

    Python would fail when it exits, with an exit code of its own.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        drop_stdout()
        return error
    return None


def drop_stdout() -> None:
    """Send stdout to the null device from now on."""
    null = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):
        os.dup2(null, sys.stdout.fileno())
    os.close(null)
