"""Open the files of a folder or an archive one after another, without unpacking them to disk."""

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
from paddle_tasks.data.tables.text_lines import MARK, ends_lines_with_cr, marked_encoding
from paddle_tasks.errors import DataError
from paddle_tasks.language import _

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_TAR = (".tar", ".tar.gz", ".tgz")
MAX_MEMBER_BYTES = 2**30
"""A larger member of an archive, or content of a .gz file, is a mistake, or an attempt to exhaust the memory."""

_CHUNK = 2**20
_PEEKED_BYTES = 2**16
_SURROGATE = re.compile("[\ud800-\udfff]")

Line = tuple[int, str]
"""A line's number, from 1, and its text without the line feed."""


class _ForwardOnly(RawIOBase):
    """A stream without seeking; the stream of a tar member raises an error when asked whether it can seek.

    Reading more than ``max_bytes`` raises a DataError that names the file ``where``.
    """

    def __init__(self, stream: IO[bytes], where: str = "", max_bytes: int | None = None) -> None:
        super().__init__()
        self._stream, self._where, self._max_bytes = stream, where, max_bytes
        self._n_read = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer and return the number of bytes read."""
        view = memoryview(buffer)
        content = self._stream.read(len(view))
        self._n_read += len(content)
        if self._max_bytes is not None and self._n_read > self._max_bytes:
            message = _("{file}: holds more than {max_bytes:,} bytes; unpack it to read it all")
            raise DataError(message.format(file=self._where, max_bytes=self._max_bytes))
        view[: len(content)] = content
        return len(content)


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file, readable until the next one is requested.

    Attributes:
        where: the file's path, or the archive's path and the member's, for messages.
        path: the same path, starting at the name of the file, folder or archive, without ``.gz``.
        stream: the content.
    """

    where: str
    path: PurePosixPath
    stream: IO[bytes]

    def lines(self, encoding: str) -> Iterator[Line | BadRow]:
        """Yield the lines without line ends; a line that does not decode becomes a `BadRow`.

        A byte-order mark at the start of the file decides the encoding. Marks at the start of any line are dropped;
        anywhere else U+FEFF is part of the text. Lines end with line feeds, or throughout with carriage returns.
        """
        # Bytes that do not decode become lone surrogates, so that each broken line can be reported.
        content = BufferedReader(_ForwardOnly(self.stream), _PEEKED_BYTES)
        start = content.peek(_PEEKED_BYTES)
        encoding = marked_encoding(start, encoding)
        newline = "\r" if ends_lines_with_cr(start.decode(encoding, errors="ignore")) else "\n"
        text = TextIOWrapper(content, encoding, errors="surrogateescape", newline=newline)
        number = 0
        try:
            for number, line in enumerate(text, start=1):
                if _SURROGATE.search(line):
                    reason = _("not valid {encoding}; set encoding to another, such as gb18030")
                    yield BadRow(self.where, number, reason.format(encoding=encoding))
                else:
                    yield number, line.lstrip(MARK).removesuffix("\n").removesuffix("\r")
        except UnicodeError:  # in some encodings the rest cannot be decoded either
            reason = _("not valid {encoding} from here on").format(encoding=encoding)
            yield BadRow(self.where, number + 1, reason)


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """Selects the members that match one of the ``members`` patterns and none of the ``exclude`` patterns.

    Patterns follow `fnmatch` and apply to the member's whole path; ``*`` also matches slashes.
    """

    members: Sequence[str] = ("*",)
    exclude: Sequence[str] = ()

    def accepts(self, path: str) -> bool:
        """Return whether a member is read; hidden files and ``__MACOSX`` folders never are."""
        if any(name.startswith((".", "__MACOSX")) for name in path.split("/")):
            return False
        return any(fnmatchcase(path, pattern) for pattern in self.members) and not any(
            fnmatchcase(path, pattern) for pattern in self.exclude
        )


def has_members(path: Path) -> bool:
    """Return whether a path is a folder or an archive."""
    return path.is_dir() or path.name.lower().endswith((*_TAR, ".zip"))


def open_files(path: Path, member_filter: MemberFilter) -> Iterator[OpenFile | BadRow]:
    """Open a file, or each regular file of a folder or an archive; ``.gz`` files are decompressed.

    The members of a folder come in the order of their paths, those of an archive in the archive's order. Links
    in archives, devices and the like are skipped; a link that leads out of a folder is a `BadRow`.

    Args:
        path: a file, a folder, or a .zip, .tar, .tar.gz or .tgz.
        member_filter: selects members of a folder or archive; a single file is always read.

    Yields:
        The files, and a `BadRow` for each member larger than 1 GiB. Reading more than that from a ``.gz`` file raises a
        DataError.
    """
    if path.is_dir():
        yield from _folder(path, member_filter)
    elif path.name.lower().endswith(_TAR):
        yield from _tar(path, member_filter)
    elif path.name.lower().endswith(".zip"):
        yield from _zip(path, member_filter)
    else:
        yield from _single(path, str(path), PurePosixPath(path.name))


def _open_decompressed(path: Path) -> IO[bytes]:
    is_gzip = path.name.lower().endswith((".gz", ".tgz"))
    return cast(IO[bytes], gzip.open(path)) if is_gzip else path.open("rb")


def _single(file: Path, where: str, path: PurePosixPath) -> Iterator[OpenFile]:
    is_gzip = path.suffix.lower() == ".gz"
    with _open_decompressed(file) as stream:
        limited = cast(IO[bytes], _ForwardOnly(stream, where, MAX_MEMBER_BYTES)) if is_gzip else stream
        yield OpenFile(where, path.with_suffix("") if is_gzip else path, limited)


def _folder(folder: Path, member_filter: MemberFilter) -> Iterator[OpenFile | BadRow]:
    root = folder.resolve()
    for file in sorted(folder.rglob("*")):
        member = file.relative_to(folder).as_posix()
        if not file.is_file() or not member_filter.accepts(member):
            continue
        if outside := link_row(file, root):
            yield outside
        else:
            yield from _single(file, str(file), PurePosixPath(root.name, member))


def link_row(file: Path, root: Path) -> BadRow | None:
    """Return the bad row of a member that is, or stands behind, a link to a place outside of its folder; else None.

    A folder of data may come from somebody else, and whoever reads it must not publish files of this machine with it.

    Args:
        file: the member.
        root: the folder, without links.
    """
    if file.resolve().is_relative_to(root):
        return None
    return BadRow(str(file), 1, _("is a link to a file outside of {folder}; copy the file into it").format(folder=root))


def _tar(path: Path, member_filter: MemberFilter) -> Iterator[OpenFile | BadRow]:
    with _open_decompressed(path) as content:
        with tarfile.open(fileobj=content, mode="r|") as archive:
            for info in archive:
                member = info.name.removeprefix("./")
                stream = archive.extractfile(info) if info.isreg() and member_filter.accepts(member) else None
                if stream is not None:
                    yield _member(path, member, info.size, stream)
        read_to_end(content)


def _zip(path: Path, member_filter: MemberFilter) -> Iterator[OpenFile | BadRow]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.is_dir() or kind not in (0, stat.S_IFREG) or not member_filter.accepts(info.filename):
                continue
            if info.flag_bits & 1:
                raise DataError(_("{file}: is encrypted").format(file=f"{path}/{info.filename}"))
            with archive.open(info) as stream:
                yield _member(path, info.filename, info.file_size, stream)


def _member(archive: Path, member: str, size: int, stream: IO[bytes]) -> OpenFile | BadRow:
    too_large = oversize_row(archive, member, size)
    return too_large or OpenFile(f"{archive}/{member}", PurePosixPath(archive.name, member), stream)


def oversize_row(archive: Path, member: str | int, size: int) -> BadRow | None:
    """Return the bad row of a member that is larger than `MAX_MEMBER_BYTES`, or None if it is not.

    Args:
        archive: the path of the archive, or of a file.
        member: the member's path in the archive, or the number of a line.
        size: the number of bytes.
    """
    if size <= MAX_MEMBER_BYTES:
        return None
    reason = _("has {size:,} bytes, expected at most {max_size:,}").format(size=size, max_size=MAX_MEMBER_BYTES)
    return BadRow(str(archive), member, reason)


def read_to_end(stream: IO[bytes]) -> None:
    """Read the rest of a stream in chunks and drop it; gzip verifies its checksum at the end."""
    while stream.read(_CHUNK):
        pass
