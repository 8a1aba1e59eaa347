"""Read data files as numbered lines: plain or gzip, in any encoding, with any line ends."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paddle_tasks.data.tables import archives
from paddle_tasks.data.tables.archives import Line
from paddle_tasks.data.tables.imdb import FILE_PATTERN
from paddle_tasks.data.tables.kinds import foreign_kind
from paddle_tasks.data.tables.paths import no_such_file, readable_file
from paddle_tasks.data.tables.records import has_lone_surrogate
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.text_lines import MARK, is_text_encoding, marked_encoding, split_lines
from paddle_tasks.errors import ConfigError, DataError, at
from paddle_tasks.files import is_dir
from paddle_tasks.language import _

_GZIP = b"\x1f\x8b"
_GZIP_SUFFIX = re.compile(r"\.gz$", re.IGNORECASE)


@dataclass(frozen=True)
class TextFile:
    """A decoded file.

    Attributes:
        path: the file.
        encoding: the encoding of its byte-order mark, or the configured one.
        lines: the numbered lines without line ends. Bytes that do not decode are lone surrogates, so that each broken
            record can be reported.
        n_marks: the number of byte-order marks that were dropped at the start of lines other than the first.
    """

    path: Path
    encoding: str
    lines: list[Line]
    n_marks: int

    def undecoded(self, number: int) -> BadRow:
        """Return the bad row for a record with bytes that do not decode."""
        reason = _("not valid {encoding} (set data.encoding to another, such as gb18030)")
        return BadRow(str(self.path), number, reason.format(encoding=self.encoding))

    def decoded_lines(self) -> Iterator[Line | BadRow]:
        """Yield the lines; a line that does not decode becomes a `BadRow`."""
        for line in self.lines:
            yield self.undecoded(line[0]) if has_lone_surrogate(line[1]) else line


def data_suffix(path: Path) -> str:
    """Return the lower-case suffix of a file's name, without ``.gz``: ``.csv`` for ``a.CSV.gz``."""
    return Path(_GZIP_SUFFIX.sub("", path.name)).suffix.lower()


def check_encoding(encoding: str) -> None:
    """Check that an encoding is one of text files.

    Raises:
        ConfigError: it is not.
    """
    if not is_text_encoding(encoding):
        raise ConfigError(_("data.encoding: {problem}").format(problem=no_text_encoding(encoding)))


def no_text_encoding(encoding: str) -> str:
    """Return a message about a name that is no encoding of text files."""
    message = _("{encoding!r} is not a known encoding, such as utf-8 or gb18030")
    return message.format(encoding=encoding)


def read_text_file(path: Path, encoding: str) -> TextFile:
    """Return the lines of a text file; gzip is decompressed, and a pipe is read as `readable_file` does.

    A byte-order mark decides the encoding. Marks at the start of any line are dropped, as ``cat a.csv b.csv`` leaves
    them; anywhere else U+FEFF is part of the text.

    Raises:
        DataError: the file is missing, damaged, or no text.
        ConfigError: the encoding is unknown.
    """
    content = _read_content(path)
    check_encoding(encoding)
    actual = marked_encoding(content, encoding)
    if kind := foreign_kind(content, actual):
        raise DataError(at(path, kind))
    try:
        text = content.decode(actual, errors="surrogateescape")
    except UnicodeError as error:
        message = _("{file}: not {encoding} text at byte {byte}")
        byte = getattr(error, "start", 0)  # some codecs do not tell
        raise DataError(message.format(file=path, encoding=actual, byte=byte)) from None
    lines = split_lines(text)
    n_marks = sum(line.startswith(MARK) for line in lines[1:])
    return TextFile(path, actual, [(n, line.lstrip(MARK)) for n, line in enumerate(lines, start=1)], n_marks)


def _read_content(path: Path) -> bytes:
    if str(path) != "-" and is_dir(path):
        message = _("{path}: is a folder, expected a file; data.format=imdb is for folders of {pattern}")
        raise DataError(message.format(path=path, pattern=FILE_PATTERN))
    file = readable_file(path)
    if file is None:
        raise DataError(no_such_file(path))
    content = file.read_bytes()
    return _decompress(path, file) if content.startswith(_GZIP) else content


def _decompress(path: Path, file: Path) -> bytes:
    try:
        with gzip.open(file) as stream:
            content = stream.read(archives.MAX_MEMBER_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(_("{file}: a damaged gzip file: {error}").format(file=path, error=error)) from None
    if len(content) > archives.MAX_MEMBER_BYTES:
        message = _("{file}: holds more than {max_bytes:,} bytes, unpack and split it")
        raise DataError(message.format(file=path, max_bytes=archives.MAX_MEMBER_BYTES))
    return content


def read_lines(path: Path, encoding: str) -> Iterator[Line | BadRow]:
    """Yield the lines of a text file as `read_text_file` does; a line that does not decode becomes a `BadRow`.

    Raises:
        DataError: the file is missing, damaged, or no text.
        ConfigError: the encoding is unknown.
    """
    yield from read_text_file(path, encoding).decoded_lines()
