"""How much memory is left, and one message instead of an attempt to take more."""

from __future__ import annotations

import re
from pathlib import Path

from paddle_tasks.errors import SetupError
from paddle_tasks.language import _
from paddle_tasks.operating_system import address_space_limit, free_memory_bytes

_MEMINFO, _STATUS = Path("/proc/meminfo"), Path("/proc/self/status")
_CGROUP = Path("/sys/fs/cgroup")


def require_memory(n_bytes: int, what: str, available: int | None = None) -> None:
    """Check that an amount of memory is available, before any of it is taken.

    Args:
        n_bytes: the amount.
        what: what needs it, for the message.
        available: what `available_bytes` returned before; None: ask again.

    Raises:
        SetupError: less is available.
    """
    available = available_bytes() if available is None else available
    if available is not None and n_bytes > available:
        message = _("{what}: needs {needed} GB of memory, {available} GB are available")
        raise SetupError(message.format(what=what, needed=_gigabytes(n_bytes), available=_gigabytes(available)))


def available_bytes() -> int | None:
    """Return the memory that this process can still take: of the machine, its container and its own limit.

    None if the operating system does not tell.
    """
    limits = [_left_of_machine(), _left_in_container(), _left_of_address_space()]
    known = [limit for limit in limits if limit is not None]
    return max(min(known), 0) if known else None


def _left_of_machine() -> int | None:
    return _kilobytes(_MEMINFO, "MemAvailable") if _MEMINFO.exists() else free_memory_bytes()


def _left_in_container() -> int | None:
    """Return what the control group has left; files in its cache count as used, but are given up when needed."""
    limit, used = _number(_CGROUP / "memory.max"), _number(_CGROUP / "memory.current")
    if limit is None or used is None:
        return None
    cached = re.findall(r"^(?:in)?active_file (\d+)$", _read(_CGROUP / "memory.stat"), re.MULTILINE)
    return limit - used + sum(map(int, cached))


def _left_of_address_space() -> int | None:
    """Return what `ulimit -v` has left."""
    limit, used = address_space_limit(), _kilobytes(_STATUS, "VmSize")
    return None if limit is None or used is None else limit - used


def _kilobytes(path: Path, field: str) -> int | None:
    found = re.search(rf"^{field}:\s*(\d+) kB$", _read(path), re.MULTILINE)
    return 1024 * int(found[1]) if found else None


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _gigabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:,.1f}"
