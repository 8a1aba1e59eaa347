"""Chapters of novels: their numbers, how a text file is cut into them, and which are held out for dev and test."""

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
_PARTS: dict[int, SplitName] = {0: "dev", 1: "test"}


def chinese_number(numeral: str) -> int | None:
    """Return the value of a numeral below 10,000, or None when it is none.

    Chinese numerals with units (``一百二十``, ``一百零七``, ``百廿三``) and strings of digits (``一〇七``, ``107``) are
    read. What follows a unit without 零 counts ones, as chapters are numbered: ``一百一`` is 101, not 110.
    """
    if numeral and all(character in _DIGITS for character in numeral):
        return int("".join(str(_DIGITS[character]) for character in numeral))
    found = _NUMERAL.fullmatch(numeral)
    if not found or not numeral:
        return None
    total = _TENS.get(found["score"] or "", 0) + _DIGITS.get(found["ones"] or "", 0)
    for count, unit, value in (("thousands", "thousand", 1000), ("hundreds", "hundred", 100), ("tens", "ten", 10)):
        if found[unit]:
            total += _DIGITS.get(found[count] or "一", 1) * value
    return total


def heading_number(line: str) -> int | None:
    """Return the number of a chapter that begins at this line, such as ``第一回 …``, or None.

    White space has to follow: ``此回接第四回中…`` and ``第四回中既将…`` are prose.
    """
    found = _HEADING.match(line)
    return chinese_number(found["number"]) if found else None


def folder_number(name: str) -> int | None:
    """Return the number in the name of a chapter's folder, ``第一百七回`` or ``卷三``, or None (``序``)."""
    found = _FOLDER.fullmatch(name.strip())
    return chinese_number((found["number"] or found["after"]).strip()) if found else None


def chapter_of(path: PurePosixPath) -> tuple[str, int] | None:
    """Return the book and the chapter's number of a file ``…/BOOK/CHAPTER/text.txt`` or ``…/BOOK/CHAPTER.txt``.

    The first folder with a number counts: all tales of ``聊斋志异/卷一`` are its chapter 1.

    Returns:
        None when nothing in the path has a number.
    """
    names = [*path.parts[:-1], path.stem]
    for book, name in pairwise(names):
        number = folder_number(name)
        if number is not None:
            return book, number
    return None


def part_of(book: str, number: int) -> SplitName:
    """Return the part that a chapter belongs to: a tenth is dev, a tenth is test, the others are train.

    Args:
        book: the book's name, as its folder or file has it.
        number: the chapter's number.
    """
    digest = hashlib.sha256(f"{book}:{number}".encode()).hexdigest()
    return _PARTS.get(int(digest, 16) % 10, "train")


def cut(lines: Iterable[str]) -> Iterator[tuple[int | None, list[str]]]:
    """Cut a book into its chapters at their headings, which stay their first lines.

    Yields:
        The chapter's number, None of what stands before the first heading; and its lines.
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
