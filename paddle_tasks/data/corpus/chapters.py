"""Chapters of novels: their numbers, their headings, and their assignment to train, dev and test."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import PurePosixPath

from paddle_tasks.data.tables.catalogue import SplitName

_DIGITS = {
    **{character: value for value, character in enumerate("〇一二三四五六七八九")},
    **{character: value for value, character in enumerate("０１２３４５６７８９")},
    **{character: value for value, character in enumerate("0123456789")},
    "零": 0,
    "○": 0,
    "两": 2,
    "兩": 2,
}
_TENS = {"廿": 20, "卅": 30, "卌": 40}
_ZERO, _ONE = "[零〇○]?", "[一二两兩三四五六七八九]"
_NUMERAL = re.compile(
    rf"(?:(?P<thousands>{_ONE})?(?P<thousand>千))?{_ZERO}(?:(?P<hundreds>{_ONE})?(?P<hundred>百))?{_ZERO}"
    rf"(?:(?P<tens>{_ONE})?(?P<ten>十)|(?P<score>[廿卅卌]))?{_ZERO}(?P<ones>{_ONE})?"
)
_HEADING = re.compile(r"\s*第\s*(?P<number>[^\s第回章卷]{1,12})\s*[回章卷](?=\s|$)")
_FOLDER = re.compile(r"第?(?P<number>[^第回章卷]{1,12})[回章卷]|[卷第](?P<after>[^第回章卷]{1,12})")
_SPLIT_OF_BUCKET: dict[int, SplitName] = {0: "dev", 1: "test"}


def chinese_number(numeral: str) -> int | None:
    """Return the value of a numeral below 10,000, or None if the text is not a numeral.

    Accepts Chinese numerals with units (``一百二十``, ``一百零七``, ``百廿三``) and strings of digits (``一〇七``,
    ``107``). As usual for chapter numbers, a digit after a unit counts ones: ``一百一`` is 101, not 110.
    """
    if numeral and all(character in _DIGITS for character in numeral):
        return int("".join(str(_DIGITS[character]) for character in numeral))
    match = _NUMERAL.fullmatch(numeral)
    if not match or not numeral:
        return None
    total = _TENS.get(match["score"] or "", 0) + _DIGITS.get(match["ones"] or "", 0)
    for count, unit, value in (("thousands", "thousand", 1000), ("hundreds", "hundred", 100), ("tens", "ten", 10)):
        if match[unit]:
            total += _DIGITS.get(match[count] or "一", 1) * value
    return total


def heading_number(line: str) -> int | None:
    """Return the chapter number of a heading such as ``第一回 …``, or None if the line is not a heading.

    White space must follow the number: ``此回接第四回中…`` and ``第四回中既将…`` are prose.
    """
    match = _HEADING.match(line)
    return chinese_number(match["number"]) if match else None


def folder_number(name: str) -> int | None:
    """Return the number in a folder name such as ``第一百七回`` or ``卷三``, or None for names such as ``序``."""
    match = _FOLDER.fullmatch(name.strip())
    return chinese_number((match["number"] or match["after"]).strip()) if match else None


def find_chapter(path: PurePosixPath) -> tuple[str, int] | None:
    """Return the book and chapter number of a file ``…/BOOK/CHAPTER/text.txt`` or ``…/BOOK/CHAPTER.txt``.

    The first part of the path with a number is the chapter: all tales in ``聊斋志异/卷一`` belong to chapter 1.

    Returns:
        The book's name and the number, or None if no part of the path has a number.
    """
    names = [*path.parts[:-1], path.stem]
    for book, name in pairwise(names):
        number = folder_number(name)
        if number is not None:
            return book, number
    return None


def assign_split(book: str, number: int) -> SplitName:
    """Return the split of a chapter: about a tenth of all chapters is dev, a tenth is test, and the rest is train.

    Args:
        book: the name of the book's folder or file.
        number: the chapter's number.
    """
    digest = hashlib.sha256(f"{book}:{number}".encode()).hexdigest()
    return _SPLIT_OF_BUCKET.get(int(digest, 16) % 10, "train")


def split_chapters(lines: Iterable[str]) -> Iterator[tuple[int | None, list[str]]]:
    """Split a book into chapters at their headings.

    Yields:
        The number of a chapter and its lines, heading included; None and the lines before the first heading.
    """
    number: int | None = None
    chapter: list[str] = []
    for line in lines:
        heading = heading_number(line)
        if heading is not None:
            if chapter:
                yield number, chapter
            number, chapter = heading, []
        chapter.append(line)
    if chapter:
        yield number, chapter
