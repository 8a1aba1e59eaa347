"""The texts that a prediction is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from paddle_tasks.errors import DataError

_SURROGATE = re.compile("[\ud800-\udfff]")


def read_texts(texts: Sequence[str], file: Path | None) -> list[str]:
    """Return the given texts, or the lines of a file that are not blank.

    Raises:
        DataError: no text, both a file and texts, a blank text, or a file that cannot be read.
    """
    if file is not None and texts:
        raise DataError("give texts or --input FILE, not both")
    if file is not None and not file.is_file():
        raise DataError(f"--input {file}: no such file")
    found = _lines(file) if file is not None else list(texts)
    if not found:
        raise DataError("nothing to predict: expected a text, or --input FILE with one text a line")
    blank = [place for place, text in enumerate(found, start=1) if not text.strip()]
    if blank:
        raise DataError(f"nothing to predict: text {blank[0]} of {len(found)} is blank")
    broken = [text for text in found if _SURROGATE.search(text)]  # how Python takes arguments that are not UTF-8
    if broken:
        raise DataError(f"not UTF-8: {broken[0]!r}")
    return found


def _lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"--input {file}: not UTF-8 at byte {error.start}") from None
    return [line for line in text.split("\n") if line.strip()]
