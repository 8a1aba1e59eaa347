"""The words of a text that `paddle_tasks.inference.rewrite` may replace, and the strings that may replace them.

Only nouns, verbs, adjectives and adverbs of degree are replaced, each by a word of the same kind. Names, numbers,
dates and negations stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from paddle_tasks.text import words


def _split(text: str) -> frozenset[str]:
    return frozenset(text.split())


_KINDS = {"n": "noun", "v": "verb", "vn": "verb", "vi": "verb", "a": "adjective", "ad": "adjective", "an": "adjective"}
"""Kinds of words by jieba's tags; other tags are names (nr, ns, nt, nz …), numbers, times, idioms and particles."""
_DEGREE_KIND = "degree"
DEGREE_ADVERBS = _split("很 太 最 更 挺 极 颇 真 极其 相当 比较 格外 尤其 更加 稍微 有点 略微 愈加 越发 极为 颇为 较为")
"""A closed class: an adverb of degree is replaced by another of these only."""
_DEGREE_TAGS = ("d", "zg", "ad", "a", "l", "n")
_NAME_TAGS = re.compile("n[rstz].*")
_NUMBER_TAGS = ("m", "mq")
_NEGATIONS = frozenset("不没沒无無非未别莫勿毋弗甭否")
_NEGATIVE_WORDS = _split("缺乏 缺少 拒绝 禁止 严禁 避免 防止 难以 停止 失去 反对 放弃 免除 除非 杜绝 拒不 切忌")
_NUMERALS = frozenset("零〇一二两三四五六七八九十百千万亿半几第数")
_NUMERAL_END = re.compile(rf".*[\d{''.join(sorted(_NUMERALS))}％%]", re.DOTALL)
_MEASURES = _split("小时 钟头 星期 礼拜 季度 世纪 学期 年级 月份 分钟 公里 公斤 单位 百分点")
_TITLES = re.compile("《[^《》]*》")
_MAX_CHARACTERS = 4
"""The length of the longest word that is replaced."""


@dataclass(frozen=True)
class Word:
    """A word that may be replaced.

    Attributes:
        start: its first character in the text.
        end: the character after its last one.
        kind: ``noun``, ``verb``, ``adjective`` or ``degree``; the replacement is of the same kind.
    """

    start: int
    end: int
    kind: str


def changeable_words(text: str) -> list[Word]:
    """Return the words of jieba's dictionary that may be replaced: nouns, verbs, adjectives, adverbs of degree.

    Left out are names and titles; nouns that continue the name of a place or an organisation (政府 in 上海政府);
    numbers, dates, and what is counted or measured; words with a negation; words with letters.
    """
    tagged = words.tagged_spans(text)
    titles = [match.span() for match in _TITLES.finditer(text)]
    changeable = []
    for index, (start, end, tag) in enumerate(tagged):
        kind = _kind(text[start:end], tag)
        in_title = any(first <= start < last for first, last in titles)
        if kind and not in_title and not _continues_name_or_number(text, tagged[:index][-2:], text[start:end]):
            changeable.append(Word(start, end, kind))
    return changeable


def is_chinese_without_negation(string: str) -> bool:
    """Return whether a string consists of Chinese characters, contains no negation, and is no negative word."""
    is_chinese = all("\u4e00" <= character <= "\u9fff" for character in string)
    return is_chinese and not _NEGATIONS.intersection(string) and string not in _NEGATIVE_WORDS


def has_kind(string: str, kind: str) -> bool:
    """Return whether a string is a word of a kind in jieba's dictionary."""
    if kind == _DEGREE_KIND or string in DEGREE_ADVERBS:
        return kind == _DEGREE_KIND and string in DEGREE_ADVERBS
    return _KINDS.get(words.part_of_speech(string)) == kind and not _starts_with_number_or_name(string)


def may_have_kind(string: str, kind: str) -> bool:
    """Return whether a string may replace a word of a kind for lack of a word that `has_kind`.

    It is an unknown word, or one of any kind but adverbs of degree; it is no name and no number.
    """
    return kind != _DEGREE_KIND and string not in DEGREE_ADVERBS and words.part_of_speech(string) in {"", *_KINDS}


def _kind(word: str, tag: str) -> str:
    """Return the kind of a word that may be replaced, or an empty string."""
    if not is_chinese_without_negation(word):
        return ""
    if word in DEGREE_ADVERBS and tag in _DEGREE_TAGS:
        return _DEGREE_KIND
    is_usable = 2 <= len(word) <= _MAX_CHARACTERS and words.is_word(word) and not _starts_with_number_or_name(word)
    return _KINDS.get(tag, "") if is_usable else ""


def _starts_with_number_or_name(word: str) -> bool:
    """Return whether a word starts with a numeral or a name, like 两本书 and 北京烤鸭, which jieba tags as nouns."""
    tags = (words.part_of_speech(word[:end]) for end in range(2, len(word)))
    return word[0] in _NUMERALS or any(map(_NAME_TAGS.fullmatch, tags))


def _continues_name_or_number(text: str, previous: Sequence[tuple[int, int, str]], word: str) -> bool:
    """Return whether a word belongs to the name or number before it, like 政府 in 上海政府 and 小时 in 三个小时.

    Args:
        text: the text.
        previous: start, end and tag of the two words before it, or of fewer at the start of the text.
        word: the word.
    """
    if not previous:
        return False
    start, end, tag = previous[-1]
    if _NAME_TAGS.fullmatch(tag):
        return tag[:2] != "nr" or end - start == 1
    if tag in _NUMBER_TAGS and _NUMERAL_END.fullmatch(text[start:end]):
        return True
    is_counted = tag in _NUMBER_TAGS or (tag == "q" and len(previous) == 2 and previous[0][2] == "m")
    return is_counted and word in _MEASURES
