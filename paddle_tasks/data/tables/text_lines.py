"""Encodings by byte-order mark, and the lines of a text; no files."""

from __future__ import annotations

import codecs
import re

MARK = "\ufeff"
"""The byte-order mark, decoded."""

_BYTE_ORDER_MARKS = (  # UTF-32 first: its little-endian mark starts with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SAMPLE = "text\t1\n"
_NO_TEXT_FILES = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape", "unicode_escape"}
_NO_TEXT_FILES |= {"raw_unicode_escape"}
_LINE_END = re.compile("\r\n|\r|\n")
_LINE_END_WITHOUT_FEED = re.compile("\r\n?")


def is_text_encoding(name: str) -> bool:
    """Return whether Python reads text files in this encoding; False for codecs of domain names, escapes or bytes."""
    try:
        codec = codecs.lookup(name).name
        return codec not in _NO_TEXT_FILES and _SAMPLE.encode(codec).decode(codec) == _SAMPLE
    except (LookupError, ValueError):  # unknown; or a codec of bytes, or one that does not take the sample
        return False


def marked_encoding(start: bytes, encoding: str) -> str:
    """Return the encoding of the byte-order mark at the start of a file, or ``encoding`` if there is none.

    The mark is never wrong: in gb18030 the mark of UTF-8 would be the rare characters 锘 and 縯.
    """
    return next((name for mark, name in _BYTE_ORDER_MARKS if start.startswith(mark)), encoding)


def ends_lines_with_cr(text: str) -> bool:
    """Return whether lines end with lone carriage returns, as Excel for Mac saves them.

    The first line end has to be one, and they have to outnumber the line feeds, which may occur inside cells.
    """
    first = _LINE_END.search(text)
    return first is not None and first[0] == "\r" and text.count("\r") - text.count("\r\n") > text.count("\n")


def split_lines(text: str) -> list[str]:
    r"""Return the lines of a text, which end with ``\n``, ``\r\n``, or throughout with ``\r``.

    Unlike `str.splitlines` it does not split at U+2028 and similar characters, which occur inside texts.
    """
    if ends_lines_with_cr(text):
        return [line.removesuffix("\n") for line in _LINE_END_WITHOUT_FEED.split(text)]
    return [line.removesuffix("\r") for line in text.split("\n")]
