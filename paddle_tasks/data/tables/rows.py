"""One record of a data file, with its position in the file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paddle_tasks.errors import at


@dataclass(frozen=True, slots=True)
class Row:
    """The named fields of one record.

    Attributes:
        file: the file's path.
        line: the line number, from 1, or the path of an archive's member.
        fields: the text of each field by its name.
    """

    file: str
    line: int | str
    fields: Mapping[str, str]

    @property
    def where(self) -> str:
        """``file:line``, as editors and compilers write it, or ``archive:member``."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that cannot be used, with the reason."""

    file: str
    line: int | str
    reason: str

    def __str__(self) -> str:
        return at(f"{self.file}:{self.line}", self.reason)
