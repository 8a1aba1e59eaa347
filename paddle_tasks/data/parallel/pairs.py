"""A source and its translation."""

from __future__ import annotations

from dataclasses import dataclass

from paddle_tasks.data.tables.rows import Row
from paddle_tasks.errors import DataError
from paddle_tasks.language import _

FIELDS = ("source", "target")
"""The fields of a row; with `BOOK` among ``data.columns`` there is a third."""
BOOK = "book"


@dataclass(frozen=True, slots=True)
class Pair:
    """A source and its translation.

    Attributes:
        source: the text to translate.
        target: its translation.
        book: the book that both are from; empty if it is unknown.
        where: the ``file:line`` that the pair was read from.
    """

    source: str
    target: str
    book: str
    where: str

    @property
    def text(self) -> str:
        """The text that a model reads."""
        return self.source


def parse_pair(row: Row) -> Pair:
    """Turn a row into a pair; white space round the texts is left out, and line breaks become spaces.

    Raises:
        DataError: a side is empty.
    """
    texts = [" ".join(row.fields[field].split()) for field in FIELDS]
    for field, text in zip(FIELDS, texts, strict=True):
        if not text:
            raise DataError(_("empty {field}").format(field=field))
    return Pair(texts[0], texts[1], row.fields.get(BOOK, "").strip(), row.where)
