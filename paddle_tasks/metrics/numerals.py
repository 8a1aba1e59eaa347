"""Numbers in Chinese texts, in digits and in Chinese numerals."""

from __future__ import annotations

import re
import unicodedata

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "○": 0, "两": 2}
_TENS = {"廿": 20, "卅": 30}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_GROUPS = {"万": 10**4, "亿": 10**8}
_NUMERALS = "".join({**_DIGITS, **_TENS, **_UNITS, **_GROUPS})
_NUMBER = re.compile(rf"[0-9]+|[{_NUMERALS}]+")
_MOSTLY_WORDS = frozenset("一两百千万亿")
"""Numerals that alone are mostly parts of words, such as those of 一起, 百姓 and 万物."""


def find_numbers(text: str) -> list[int]:
    """Return the values of the numbers in a text, in their order.

    ``find_numbers("十五年，众3千人")`` is ``[15, 3]``: a lone 千 is no number, nor is a lone 一, 两, 百, 万 or 亿.
    """
    found = _NUMBER.findall(unicodedata.normalize("NFKC", text))
    return [_value(number) for number in found if number not in _MOSTLY_WORDS]


def _value(number: str) -> int:
    """Return the value of digits or numerals; numerals without units are read digit by digit, as in 二〇二."""
    if number.isdecimal():
        return int(number)
    if all(character in _DIGITS for character in number):
        return int("".join(str(_DIGITS[character]) for character in number))
    return _positional(number)


def _positional(number: str) -> int:
    """Return the value of numerals with units: ``一万三千`` is 13,000, ``百二十`` is 120."""
    total = group = digit = 0
    for character in number:
        if character in _DIGITS:
            digit = _DIGITS[character]
        elif character in _TENS:
            group, digit = group + _TENS[character], 0
        elif character in _UNITS:
            group, digit = group + max(digit, 1) * _UNITS[character], 0
        else:
            total, group, digit = total + max(group + digit, 1) * _GROUPS[character], 0, 0
    return total + group + digit
