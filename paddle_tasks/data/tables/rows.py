"""One record as a file holds it, knowing where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """The named fields of one record and the place it was read from: a file's line, or an archive's member."""

    file: str
    line: int | str
    fields: Mapping[str, str]

    @property
    def where(self) -> str:
        """``file:line``, the way editors and compilers write it, or ``archive:member``."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that cannot be used, and why."""

    file: str
    line: int | str
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"
