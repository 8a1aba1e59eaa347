"""Pairs of texts as single texts with a tab between the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.splits import LabelledText, parse_labelled_text
from paddle_tasks.errors import DataError
from paddle_tasks.language import _


def parse_labelled_pair(row: Row, labels: Sequence[str] | None = None) -> LabelledText:
    """Turn a row with the fields ``text_a``, ``text_b`` and ``label`` into an example.

    Args:
        row: the record.
        labels: the known labels, or None to accept any.

    Returns:
        An example whose text is the pair as `join_pair` writes it.

    Raises:
        DataError: a text or the label is empty, or the label is not among ``labels``.
    """
    for field in ("text_a", "text_b"):
        if not row.fields[field].strip():
            raise DataError(_("empty {field}").format(field=field))
    text = join_pair(row.fields["text_a"], row.fields["text_b"])
    return parse_labelled_text(replace(row, fields={"text": text, "label": row.fields["label"]}), labels)


def join_pair(first: str, second: str) -> str:
    """Return a pair as one text, with a tab between the two; a tab inside either text becomes a space."""
    return "\t".join(text.replace("\t", " ") for text in (first, second))


def split_pair(text: str) -> tuple[str, str]:
    """Return the two texts of a pair that is written as one text with a tab.

    Raises:
        DataError: the text does not have exactly two parts, or one of them is blank.
    """
    parts = text.split("\t")
    if len(parts) != 2 or not all(part.strip() for part in parts):
        raise DataError(_("expected two texts with a tab between them, found {found!r}").format(found=text[:40]))
    return parts[0], parts[1]
