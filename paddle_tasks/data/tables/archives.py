"""The files of a folder or an archive, opened one after another; nothing is unpacked to disk."""

from __future__ import annotations

import gzip
import re
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from io import BufferedReader, RawIOBase, TextIOWrapper
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, cast

from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_TAR = (".tar", ".tar.gz", ".tgz")
_MAX_BYTES = 2**30
"""More than this in one member is a mistake, or an archive made to fill the memory."""

_CHUNK = 2**20
_SURROGATE = re.compile("[\ud800-\udfff]")
_UTF16_MARKS = ("\udcff\udcfe", "\udcfe\udcff")
"""How UTF-16's byte-order marks look when they are read as UTF-8."""

Line = tuple[int, str]
"""A line's number, from 1, and its text without line feed."""


class _Forward(RawIOBase):
    """A stream that is read once from its start; that of a tar member fails when asked whether it can seek."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer and return how many bytes were read."""
        view = memoryview(buffer)
        content = self._stream.read(len(view))
        view[: len(content)] = content
        return len(content)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file that can be read until the next one is asked for.

    Attributes:
        where: the file, or the folder or archive and the member's path, as messages name it.
        path: the same from the name of the file, folder or archive on; without ``.gz``.
        stream: its bytes.
    """

    where: str
    path: PurePosixPath
    stream: IO[bytes]

    def lines(self, encoding: str) -> Iterator[Line | BadRow]:
        """Yield the lines without their ends, those that do not decode as `BadRow`.

        A byte-order mark is dropped at the start of the file; anywhere else U+FEFF is a character of the text.

        Raises:
            DataError: the file is UTF-16, but the encoding UTF-8.
        """
        # Bytes that do not decode become lone surrogates, so that each broken line can be named.
        text = TextIOWrapper(BufferedReader(_Forward(self.stream)), encoding, errors="surrogateescape", newline="\n")
        number = 0
        try:
            for number, line in enumerate(text, start=1):
                if number == 1 and line.startswith(_UTF16_MARKS):
                    raise DataError(f"{self.where}: not {encoding} text but UTF-16; set encoding: utf-16")
                if _SURROGATE.search(line):
                    yield BadRow(self.where, number, f"not valid {encoding}; set encoding to another, such as gb18030")
                else:
                    mark = "\ufeff" if number == 1 else ""
                    yield number, line.removeprefix(mark).removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:  # in some encodings nothing after it can be told
            yield BadRow(self.where, number + 1, f"not valid {encoding} from here on")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which members are read: those that one of the ``members`` matches and none of ``exclude``.

    The patterns are those of `fnmatch`, over the member's whole path; ``*`` matches slashes too.
    """

    members: Sequence[str] = ("*",)
    exclude: Sequence[str] = ()

    def takes(self, path: str) -> bool:
        """Tell whether a member is read; the hidden files that systems leave behind never are."""
        if any(name.startswith((".", "__MACOSX")) for name in path.split("/")):
            return False
        return any(fnmatchcase(path, pattern) for pattern in self.members) and not any(
            fnmatchcase(path, pattern) for pattern in self.exclude
        )


def has_members(path: Path) -> bool:
    """Tell whether a path is a folder or an archive."""
    return path.is_dir() or path.name.lower().endswith((*_TAR, ".zip"))


def open_files(path: Path, choice: Choice) -> Iterator[OpenFile | BadRow]:
    """Open a file, or each regular file of a folder or an archive; a ``.gz`` is unpacked on the way.

    A folder is read in the order of its paths, an archive in its own. Links, devices and the like are skipped.

    Args:
        path: a file, a folder, or a .zip, .tar, .tar.gz or .tgz.
        choice: the members that are read; a single file is read in any case.

    Yields:
        The files; a member of more than 1 GiB as a `BadRow`.
    """
    if path.is_dir():
        yield from _folder(path, choice)
    elif path.name.lower().endswith(_TAR):
        yield from _tar(path, choice)
    elif path.name.lower().endswith(".zip"):
        yield from _zip(path, choice)
    else:
        yield from _single(path, str(path), PurePosixPath(path.name))


def _unpacked(path: Path) -> IO[bytes]:
    packed = path.name.lower().endswith((".gz", ".tgz"))
    return cast(IO[bytes], gzip.open(path)) if packed else path.open("rb")


def _single(file: Path, where: str, path: PurePosixPath) -> Iterator[OpenFile]:
    with _unpacked(file) as stream:
        yield OpenFile(where, path.with_suffix("") if path.suffix.lower() == ".gz" else path, stream)


def _folder(folder: Path, choice: Choice) -> Iterator[OpenFile]:
    for file in sorted(folder.rglob("*")):
        member = file.relative_to(folder).as_posix()
        if file.is_file() and choice.takes(member):
            yield from _single(file, str(file), PurePosixPath(folder.resolve().name, member))


def _tar(path: Path, choice: Choice) -> Iterator[OpenFile | BadRow]:
    with _unpacked(path) as packed:
        with tarfile.open(fileobj=packed, mode="r|") as archive:
            for info in archive:
                member = info.name.removeprefix("./")
                stream = archive.extractfile(info) if info.isreg() and choice.takes(member) else None
                if stream is not None:
                    yield _member(path, member, info.size, stream)
        while packed.read(_CHUNK):  # what is left holds the checksum
            pass


def _zip(path: Path, choice: Choice) -> Iterator[OpenFile | BadRow]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir() or kind not in (0, stat.S_IFREG) or not choice.takes(info.filename):
                continue
            if info.flag_bits & 1:
                raise DataError(f"{path}/{info.filename}: is encrypted")
            with archive.open(info) as stream:
                yield _member(path, info.filename, info.file_size, stream)


def _member(archive: Path, member: str, size: int, stream: IO[bytes]) -> OpenFile | BadRow:
    if size > _MAX_BYTES:
        return BadRow(f"{archive}", member, f"is of {size:,} bytes, expected at most {_MAX_BYTES:,}")
    return OpenFile(f"{archive}/{member}", PurePosixPath(archive.name, member), stream)
