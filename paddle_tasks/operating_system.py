"""What operating systems do differently: memory, cores, forks, signals, libraries, files that others have open.

No other module uses what Windows lacks, such as ``resource``, ``os.fork`` or ``signal.SIGHUP``. mypy knows it of each
name: ``mypy --platform win32``. Locks of files are those of filelock, which has them for each system.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PAUSES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Seconds between the attempts to rename a file that somebody has open."""


def can_fork() -> bool:
    """Return whether processes can be forked safely: on macOS, libraries of the system may crash in the child."""
    return sys.platform == "linux"


def after_fork(function: Callable[[], object]) -> None:
    """Call a function in each forked child of this process, if there can be one."""
    if sys.platform != "win32":
        os.register_at_fork(after_in_child=function)


def affine_cores() -> int:
    """Return how many cores this process may run on, as ``taskset`` has set it; all of the machine elsewhere."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory_bytes() -> int:
    """Return the largest resident memory of this process so far."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def free_memory_bytes() -> int:
    """Return the memory of the machine that is free or can be freed."""
    import psutil

    return int(psutil.virtual_memory().available)


def address_space_limit() -> int | None:
    """Return the limit of ``ulimit -v`` in bytes; None without one."""
    if sys.platform == "win32":
        return None
    import resource

    limit, _hard = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return the signals that ask a process to end: Ctrl-C, SIGTERM, and that of a terminal that was closed."""
    if sys.platform == "win32":
        return signal.SIGINT, signal.SIGTERM, signal.SIGBREAK
    return signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def descriptors_of(listener: socket.socket) -> tuple[int, ...]:
    """Return what ``subprocess.Popen`` takes as ``pass_fds``, so that `hand_over` can give the child the socket."""
    return () if sys.platform == "win32" else (listener.fileno(),)


def hand_over(listener: socket.socket, child: subprocess.Popen[bytes]) -> None:
    """Write a line to the stdin of a child; `take_over` makes the same socket of it there.

    POSIX children inherit the descriptor of `descriptors_of`; on Windows the socket is made for the child's id.
    """
    if sys.platform == "win32":
        line = base64.b64encode(listener.share(child.pid))
    else:
        line = str(listener.fileno()).encode()
    with contextlib.suppress(OSError):  # a child that has ended already is noticed elsewhere
        assert child.stdin is not None
        child.stdin.write(line + b"\n")
        child.stdin.flush()


def take_over(line: str) -> socket.socket:
    """Return the socket that the parent has written as a line with `hand_over`."""
    if sys.platform == "win32":
        return socket.fromshare(base64.b64decode(line))
    return socket.socket(fileno=int(line))


def load_for_all(path: Path) -> None:
    """Load a shared library whose functions later ones find.

    Raises:
        OSError: it cannot be loaded.
    """
    ctypes.CDLL(str(path), mode=_flag("RTLD_NOW") | _flag("RTLD_GLOBAL"))


def loaded(name: str | None) -> ctypes.CDLL:
    """Return a shared library that is loaded already; None stands for the program.

    Raises:
        OSError: it is not loaded, or the system cannot tell.
    """
    if sys.platform == "win32":
        raise OSError(f"{name}: not known to be loaded")
    return ctypes.CDLL(name, mode=os.RTLD_NOW | _flag("RTLD_NOLOAD"))


def _flag(name: str) -> int:
    return int(getattr(os, name, 0))


def sync(path: Path) -> None:
    """Wait until a file or the names in a folder are on disk.

    Windows syncs only what may be written, which a folder cannot be; its file system keeps a journal of the names.
    """
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def patiently(rename: Callable[[Path], object], target: Path) -> None:
    """Call a method that renames, such as ``path.replace``, with its target.

    Windows refuses it while a virus scanner, an indexer or a reader has a file open. Mostly this takes an instant, so
    it is tried again there for about a second.

    Raises:
        OSError: the last attempt failed too.
    """
    for seconds in _PAUSES if sys.platform == "win32" else ():
        try:
            rename(target)
        except PermissionError:
            time.sleep(seconds)
        else:
            return
    rename(target)
