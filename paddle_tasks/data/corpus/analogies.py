"""Analogy questions: lines ``a b c d`` (a is to b as c is to d) under headings ``: section``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle_tasks.config import Section
from paddle_tasks.data.corpus.documents import locate
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.rows import BadRow
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.errors import DataError, did_you_mean
from paddle_tasks.files import sha256
from paddle_tasks.language import _, join


class AnalogySection(Section):
    """One file of analogy questions.

    Attributes:
        path: the file, or a catalogue name, which means the file of the split.
        sections: the headings whose questions are read; all of them by default.
    """

    path: str
    sections: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Analogy:
    """``first`` is to ``second`` as ``third`` is to ``fourth``; ``where`` is its ``file:line``."""

    first: str
    second: str
    third: str
    fourth: str
    section: str
    where: str

    @property
    def words(self) -> tuple[str, str, str, str]:
        """The four words."""
        return self.first, self.second, self.third, self.fourth


def load_analogies(sources: Sequence[AnalogySection], folder: Path, name: SplitName) -> Split[Analogy]:
    """Read the questions of a split.

    Raises:
        DataError: a file is missing, has no questions, or lacks a section that is named.
    """
    examples: list[Analogy] = []
    bad_rows: list[BadRow] = []
    digest = hashlib.sha256()
    paths = [_file(source, folder, name) for source in sources]
    for source, path in zip(sources, paths, strict=True):
        rows = list(read_analogies(path))
        found = dict.fromkeys(row.section for row in rows if isinstance(row, Analogy))
        _check_sections(source, path, list(found))
        chosen = source.sections or tuple(found)
        bad_rows += [row for row in rows if isinstance(row, BadRow)]
        examples += [row for row in rows if isinstance(row, Analogy) and row.section in chosen]
        digest.update(f"{sha256(path)}{chosen}".encode())
    return Split(name, paths[0] if len(set(paths)) == 1 else folder, digest.hexdigest(), examples, bad_rows)


def _file(source: AnalogySection, folder: Path, name: SplitName) -> Path:
    path = locate(source.path, folder, name)
    return path / f"{name}.txt" if path.is_dir() else path


def _check_sections(source: AnalogySection, path: Path, found: Sequence[str]) -> None:
    if not found:
        raise DataError(_("{path}: no analogy questions; expected lines of four words").format(path=path))
    for section in source.sections:
        if section not in found:
            message = _("{path}: has no section {section!r}{near} (sections: {found})")
            near = did_you_mean(section, found)
            raise DataError(message.format(path=path, section=section, near=near, found=join(found)))


def read_analogies(path: Path) -> Iterator[Analogy | BadRow]:
    """Yield the questions of a file; blank lines are skipped.

    Raises:
        DataError: the file cannot be read, or is not UTF-8.
    """
    section = ""
    for number, raw in enumerate(_lines(path), start=1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            yield BadRow(str(path), number, _("not valid utf-8"))
            continue
        words = line.split()
        if line.startswith(":"):
            section = line.lstrip(": ").strip()
        elif len(words) == 4:
            first, second, third, fourth = words
            yield Analogy(first, second, third, fourth, section=section, where=f"{path}:{number}")
        elif words:
            message = _("expected four words, found {count}")
            yield BadRow(str(path), number, message.format(count=len(words)))


def _lines(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().splitlines()
    except OSError as error:
        raise DataError(_("{file}: cannot be read: {reason}").format(file=path, reason=error.strerror)) from None
