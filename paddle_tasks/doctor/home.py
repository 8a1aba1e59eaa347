"""Recognises errors of a home folder that cannot be written, as in a container that runs as another user."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from paddle_tasks.language import mark

HOME_FIX = mark("export HOME=FOLDER, with a folder that you can write to")

_FILE_ERROR = re.compile(r"\w*Error: \[Errno \d+\] .*?: '([^']+)'")


def home_folder() -> Path:
    """Return the home folder as libraries find it: ``~`` if HOME is not set and the user has no entry in passwd."""
    # Path.home and Path.expanduser raise an error for such a user.
    return Path(os.path.expanduser("~"))  # noqa: PTH111


def comes_from_home(error: str | None) -> bool:
    """Return whether an error, ``TYPE: [Errno N] REASON: 'PATH'``, is about a file that a library keeps in HOME.

    The path is the home folder, a folder above it that cannot be created, or in a hidden folder of it such as
    ``~/.cache``. Installed packages may be there too, but they are only read.
    """
    match = _FILE_ERROR.match(error or "")
    if not match:
        return False
    path, home = Path(match[1]), home_folder()
    if path == home or path in home.parents:
        return True
    if not path.is_relative_to(home) or _is_installed(path):
        return False
    return path.relative_to(home).parts[0].startswith(".")


def _is_installed(path: Path) -> bool:
    """Return whether a path belongs to Python or an installed package."""
    in_prefix = any(path.is_relative_to(prefix) for prefix in (sys.prefix, sys.base_prefix))
    return in_prefix or bool({"site-packages", "dist-packages"} & set(path.parts))


def can_write(folder: Path) -> bool:
    """Return whether a folder can be written, or created in the nearest folder that exists, by trying it.

    Permissions alone do not say it: a file system may be read-only or full, and root is not always allowed to.
    """
    try:
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        with tempfile.TemporaryDirectory(dir=nearest):
            return True
    except OSError:
        return False
