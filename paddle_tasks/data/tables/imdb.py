"""The IMDB layout: a folder or .tar.gz archive with one review per file, ``{train,test}/{pos,neg}/ID_RATING.txt``.

Source: Maas et al. 2011, https://aclanthology.org/P11-1015; https://ai.stanford.edu/~amaas/data/sentiment.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import IO, cast

from paddle_tasks.data.tables.archives import link_row, oversize_row, read_to_end
from paddle_tasks.data.tables.rows import BadRow, Row
from paddle_tasks.errors import DataError
from paddle_tasks.files import sha256
from paddle_tasks.language import _
from paddle_tasks.text.limits import too_long

ARCHIVE_SUFFIXES = (".tar.gz", ".tgz")
# As published: at most 4 stars are negative, at least 7 are positive, and no review has 5 or 6.
RATINGS: Mapping[str, range] = {"neg": range(1, 5), "pos": range(7, 11)}
FILE_PATTERN = "{train,test}/{pos,neg}/ID_RATING.txt"

_PATH = re.compile(r"(?:^|/)(train|test)/(pos|neg)/([^/]+)$")
_NAME = re.compile(r"([0-9]{1,18})_([0-9]{1,3})\.txt")
_BREAKS = re.compile(r"<br\s*/?>(?:\s*<br\s*/?>)*")
_BROKEN = (tarfile.TarError, EOFError, zlib.error, OSError)


def is_imdb_folder(path: Path) -> bool:
    """Return whether a folder, or the folder ``aclImdb`` inside it, has this layout."""
    return _root(path) is not None


def _root(path: Path) -> Path | None:
    parts = [f"{split}/{label}" for split in ("train", "test") for label in RATINGS]
    return next((root for root in (path, path / "aclImdb") if any((root / part).is_dir() for part in parts)), None)


def read_imdb(path: Path, split: str, encoding: str) -> Iterator[Row | BadRow]:
    """Yield the reviews of a split with the fields ``text`` and ``label``: all of ``neg``, then ``pos``, by number.

    Each run of ``<br />`` tags becomes a space. An archive is read as a stream and is not unpacked to disk.

    Raises:
        DataError: the archive is damaged, does not have this layout, or has no such split.
    """
    if path.is_dir():
        reviews: Mapping[str, Sequence[Row | BadRow]] = {split: _read_folder(path, split, encoding)}
    else:
        status = path.stat()
        reviews = _read_archive(path, status.st_size, status.st_mtime_ns, encoding)
    if not reviews.get(split):
        message = _("{path}: no review in {split}/pos or {split}/neg, expected files such as {pattern}")
        raise DataError(message.format(path=path, split=split, pattern=FILE_PATTERN))
    yield from reviews[split]


def _read_folder(path: Path, split: str, encoding: str) -> list[Row | BadRow]:
    root = path.resolve()
    rows = (
        link_row(file, root)
        or oversize_row(file, 1, file.stat().st_size)
        or _review(file.parts[-2:], file.read_bytes(), (str(file), 1), encoding)
        for file in _files(path, split)
    )
    return [row for row in rows if row]


def _files(path: Path, split: str) -> list[Path]:
    root = _root(path) or path
    files = [file for label in RATINGS for file in (root / split / label).glob("*") if file.is_file()]
    return sorted(files, key=lambda file: _order(file.parent.name, file.name))


@lru_cache(maxsize=1)  # all splits come from one archive, which takes seconds to read
def _read_archive(path: Path, size: int, modified: int, encoding: str) -> Mapping[str, Sequence[Row | BadRow]]:
    del size, modified  # part of the cache key: they distinguish the file from an older one with the same path
    reviews: defaultdict[str, list[tuple[tuple[str, int, str], Row | BadRow]]] = defaultdict(list)
    for name, member, content in _members(path):
        row = content if isinstance(content, BadRow) else _review(name[1:], content, (str(path), member), encoding)
        if row:
            reviews[name[0]].append((_order(*name[1:]), row))
    return {split: [row for _, row in sorted(rows, key=lambda pair: pair[0])] for split, rows in reviews.items()}


def _members(path: Path) -> Iterator[tuple[tuple[str, str, str], str, bytes | BadRow]]:
    """Yield split, label and name of each review, the member's path, and its content, or a `BadRow` if it is too large.

    Links are skipped, so nothing outside the archive is read. Other members are skipped without reading them at once.
    """
    try:
        with gzip.open(path) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for info in archive:
                    match = _PATH.search(info.name)
                    file = archive.extractfile(info) if match and info.isreg() else None
                    if match and file is not None:
                        split, label, name = match.groups()
                        content = oversize_row(path, info.name, info.size) or file.read()
                        yield (split, label, name), info.name, content
            read_to_end(cast(IO[bytes], stream))
    except _BROKEN as error:
        raise DataError(_("{file}: not a whole .tar.gz archive: {error}").format(file=path, error=error)) from None


def _order(label: str, name: str) -> tuple[str, int, str]:
    match = _NAME.fullmatch(name)
    return label, int(match[1]) if match else -1, name


def _review(path: Sequence[str], content: bytes, where: tuple[str, int | str], encoding: str) -> Row | BadRow | None:
    """Return a review, a `BadRow` if it cannot be used, or None for a hidden file such as ``.DS_Store``.

    Args:
        path: the file's folder, ``pos`` or ``neg``, and its name.
        content: the file's bytes.
        where: the ``file`` and ``line`` of the returned row.
        encoding: a codec's name.
    """
    label, name = path
    if name.startswith("."):
        return None
    match = _NAME.fullmatch(name)
    if not match:
        return BadRow(*where, _("expected a name such as 0_9.txt, a number and a rating"))
    ratings = RATINGS[label]
    if int(match[2]) not in ratings:
        reason = _("expected a rating of {lowest} to {highest} in {folder}, found {found}")
        values = {"lowest": ratings[0], "highest": ratings[-1], "folder": label, "found": match[2]}
        return BadRow(*where, reason.format(**values))
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        reason = _("not valid {encoding} at byte {byte}")
        return BadRow(*where, reason.format(encoding=encoding, byte=getattr(error, "start", 0)))
    if problem := too_long(text):
        return BadRow(*where, problem)
    return Row(*where, {"text": _BREAKS.sub(" ", text.removeprefix("\ufeff")), "label": label})


def folder_sha256(path: Path, split: str) -> str:
    """Return the SHA-256 of the names and contents of a split's files."""
    digest, root = hashlib.sha256(), path.resolve()
    for file in _files(path, split):
        digest.update(f"{file.parent.name}/{file.name}\0".encode())
        if not link_row(file, root):
            digest.update(bytes.fromhex(sha256(file)))
    return digest.hexdigest()
