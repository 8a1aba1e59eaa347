"""The lock of a run folder: one process at a time owns the name of the folder and its content."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import platform
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from paddle_tasks.errors import CheckpointError
from paddle_tasks.language import _

INSIDE = ".lock"
"""The lock file in a run folder."""
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}
_MAX_NAME_BYTES = 200
_ATTEMPTS = 100


class FolderLock:
    """Keeps other processes out of a run folder, which need not exist yet; a context manager.

    Two files are locked. ``.NAME.lock`` beside the folder exists while the lock is held and names its owner. It is
    found by every path that leads to the folder, since links are resolved, and outlives a renaming of the folder.
    ``NAME/.lock`` is locked as soon as there is a run. It keeps out processes that cannot write beside the folder,
    that reach it by another mount, or whose version locks this file alone. Both are locks of the operating system,
    which end with the process, however it ends.

    Args:
        folder: the folder; links on the way to it are followed.

    Attributes:
        folder: the folder without links.

    Raises:
        CheckpointError: on entering, if another process holds the lock, or a link leads nowhere.
    """

    def __init__(self, folder: Path) -> None:
        check_links(folder)
        self.folder = folder.resolve()
        self._beside: FileLock | None = None
        self._inside: FileLock | None = None
        self._new_parents: list[Path] = []

    def __enter__(self) -> FolderLock:
        self._new_parents = [parent for parent in self.folder.parents if not parent.exists()]
        self._beside = self._acquire(self._beside_path, or_none=True)
        if self._beside:
            _write_owner(self._beside_path)
        try:
            if (self.folder / INSIDE).is_file():  # making it would change a finished run
                self.lock_content(or_none=True)
        except CheckpointError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release_content()
        if self._beside:
            if os.name != "nt":  # Windows cannot delete an open file, and deleting it later could delete another's lock
                self._beside_path.unlink(missing_ok=True)
            self._beside.release()
        with contextlib.suppress(OSError):  # somebody else uses it by now
            for parent in self._new_parents:
                parent.rmdir()

    @property
    def _beside_path(self) -> Path:
        name = self.folder.name
        if len(os.fsencode(name)) > _MAX_NAME_BYTES:
            name = hashlib.sha256(os.fsencode(name)).hexdigest()
        return self.folder.with_name(f".{name}.lock")

    def lock_content(self, *, or_none: bool = False) -> None:
        """Lock the file in the folder, which exists.

        Args:
            or_none: do not lock a file that cannot be written, as in a finished run of somebody else.

        Raises:
            CheckpointError: another process holds it.
        """
        if self._inside is None:
            self._inside = self._acquire(self.folder / INSIDE, or_none=or_none)
            if self._inside and self._beside is None:
                _write_owner(self.folder / INSIDE)

    def release_content(self) -> None:
        """Release the file in the folder, so that the folder can be renamed."""
        if self._inside:
            self._inside.release()
        self._inside = None

    def _acquire(self, path: Path, *, or_none: bool = False) -> FileLock | None:
        """Lock a file.

        Args:
            path: the file.
            or_none: return None if the file cannot be written.

        Returns:
            The lock, or None if the file system has no locks.
        """
        for _attempt in range(_ATTEMPTS):
            lock = FileLock(path, thread_local=False)
            try:
                lock.acquire(blocking=False)
            except FileNotFoundError:  # another process has removed a parent folder that it had made
                continue
            except Timeout:
                if not path.exists():  # the owner has just removed it
                    continue
                raise CheckpointError(_refusal(self.folder, path)) from None
            except OSError as error:
                if error.errno in _NO_LOCKS or (or_none and error.errno in _NOT_WRITABLE):
                    return None
                raise
            return lock
        raise CheckpointError(_refusal(self.folder, path))


def check_links(path: Path) -> None:
    """Check that no link on the way to a path leads nowhere.

    Raises:
        CheckpointError: one does; the message names the link and its target.
    """
    for part in (path, *path.parents):
        if part.is_symlink() and not part.exists():
            raise CheckpointError(
                _(
                    "{path}: {link} is a link to {target}, which does not exist; make that folder, remove the link, or "
                    "choose another run_dir"
                ).format(path=path, link=part, target=part.readlink())
            )


def _write_owner(path: Path) -> None:
    """Write this process into its lock file, for the message to others; Windows lets nobody read the first byte."""
    with contextlib.suppress(OSError), path.open("r+b") as file:  # a full disk must not keep a run from its folder
        file.seek(1)
        file.write(f"pid {os.getpid()} on {platform.node()}\n".encode())
        file.truncate()


def _read_owner(path: Path) -> str:
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(1)
            return file.read(300).decode("utf-8", errors="replace").strip()
    except OSError:
        return ""


def _refusal(folder: Path, lock_file: Path) -> str:
    owner = _read_owner(lock_file)
    return _(
        "{folder}: another process is training in this folder{owner}; wait until it has ended, or choose another "
        "run_dir"
    ).format(folder=folder, owner=owner and _(" ({owner})").format(owner=owner))
