"""Chinese words by jieba: the character ranges of a text's words, the starts of millions, and parts of speech."""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache
from importlib import import_module
from itertools import accumulate, pairwise
from math import inf, log
from typing import Any

import numpy as np
import numpy.typing as npt

Flags = npt.NDArray[np.bool_]

_CHUNK = 1 << 18
"""Characters cut at once."""
_WORTH_PROCESSES = 1 << 21
"""Characters from which further processes pay for their start."""


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return jieba's words of a text; they cover it, so white space and marks are words too."""
    return list(pairwise([0, *_cutter().ends(text)])) if text else []


def tagged_spans(text: str) -> list[tuple[int, int, str]]:
    """Return jieba's words of a text with their parts of speech, such as ``(0, 2, "n")``; they cover the text.

    Ten times slower than `word_spans`, and not always the same words: another model joins what is in no dictionary.
    The tags are those of Peking University's corpus; https://github.com/fxsjy/jieba lists them.
    """
    words = list(_tagger().cut(text))
    edges = accumulate((len(word.word) for word in words), initial=0)
    return [(start, end, str(word.flag)) for (start, end), word in zip(pairwise(edges), words, strict=True)]


def is_word(text: str) -> bool:
    """Tell whether a text stands in jieba's dictionary."""
    return bool(_jieba().FREQ.get(text))


def is_word_start(text: str) -> bool:
    """Tell whether a word of jieba's dictionary starts with a text."""
    return text in _jieba().FREQ


def tag_of(word: str) -> str:
    """Return the part of speech that jieba's dictionary gives a word, or an empty string for what it does not hold."""
    return str(_tagger().word_tag_tab.get(word, ""))


def word_starts(texts: Sequence[str]) -> Flags:
    """Tell for each character of many texts, one after another, whether a word starts there: <bool>[characters].

    Some 500,000 characters a second on one core; large amounts are shared among all cores, on Linux.
    """
    chunks = list(_chunks(texts))
    n_processes = min(len(os.sched_getaffinity(0)), len(chunks)) if sys.platform == "linux" else 1
    if n_processes < 2 or sum(map(len, texts)) < _WORTH_PROCESSES:
        return _joined(map(_flags, chunks))
    _cutter()  # before the fork: all processes share its memory
    # A fork, as a fresh interpreter would run the caller's script once more; the children run nothing but Python.
    with multiprocessing.get_context("fork").Pool(n_processes) as pool:
        return _joined(pool.imap(_flags, chunks))


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    first = size = 0
    for place, text in enumerate(texts):
        size += len(text)
        if size >= _CHUNK:
            yield texts[first : place + 1]
            first, size = place + 1, 0
    if first < len(texts):
        yield texts[first:]


def _flags(texts: Sequence[str]) -> Flags:
    cutter, ends, start = _cutter(), [0], 0
    for text in texts:
        ends += cutter.ends(text, start)
        start += len(text)
    flags = np.zeros(start + 1, bool)
    flags[ends] = True
    return flags[:-1]


def _joined(parts: Iterable[Flags]) -> Flags:
    return np.concatenate([np.zeros(0, bool), *parts])


class _Cutter:
    """What jieba's ``cut`` does, in half the time: its graph of words and the best path are made in one pass."""

    def __init__(self, tokenizer: Any, block: str) -> None:
        total = log(tokenizer.total)
        self._frequency, self._unknown = tokenizer.FREQ.get, -total
        # -inf for what is no word, but the start of one.
        self._log_prob = {word: log(n) - total if n else -inf for word, n in tokenizer.FREQ.items()}.get
        self._blocks = re.compile(f"{block}|\r\n")

    def ends(self, text: str, start: int = 0) -> list[int]:
        """Return where the words end, in a text that starts at ``start``; outside the blocks a character is a word."""
        ends: list[int] = []
        at = 0
        for block in self._blocks.finditer(text):
            first, last = block.span()
            ends += range(start + at + 1, start + first + 1)
            ends += self._block_ends(block.group(1), start + first) if block.group(1) else [start + last]
            at = last
        ends += range(start + at + 1, start + len(text) + 1)
        return ends

    def _block_ends(self, block: str, start: int) -> list[int]:
        ends: list[int] = []
        path = self._best_path(block)
        at = alone = 0
        while at < len(block):
            end = path[at]
            if end - at > 1:
                ends += self._rejoined(block[alone:at], start + alone)
                ends.append(start + end)
                alone = end
            at = end
        ends += self._rejoined(block[alone:], start + alone)
        return ends

    def _best_path(self, block: str) -> list[int]:
        """Return for each place where the best word from there ends; of equally probable ones the longest."""
        log_prob_of, n = self._log_prob, len(block)
        scores, ends = [0.0] * (n + 1), list(range(1, n + 1))
        for at in range(n - 1, -1, -1):
            best, end = -inf, at + 1
            log_prob = log_prob_of(block[at])
            while log_prob is not None:
                score = log_prob + scores[end]
                if score >= best and log_prob > -inf:
                    best, ends[at] = score, end
                if end == n:
                    break
                end += 1
                log_prob = log_prob_of(block[at:end])
            scores[at] = best if best > -inf else self._unknown + scores[at + 1]
        return ends

    def _rejoined(self, characters: str, start: int) -> Iterable[int]:
        """Return the ends of the words that characters may form which no word of the dictionary holds."""
        if len(characters) < 2 or self._frequency(characters):
            return range(start + 1, start + 1 + len(characters))
        return [start + end for end in _unseen_ends(characters)]


@lru_cache(maxsize=1 << 17)
def _unseen_ends(characters: str) -> tuple[int, ...]:
    """Return where words end by jieba's hidden Markov model, which takes far longer than looking up what it said."""
    finalseg = import_module("jieba.finalseg")
    return tuple(accumulate(map(len, finalseg.cut(characters))))


@cache
def _cutter() -> _Cutter:
    return _Cutter(_jieba(), import_module("jieba").re_han_default.pattern)


@cache
def _jieba() -> Any:
    """Return a tokenizer of jieba's with its own dictionary, whatever has been added to the shared one.

    Read here and not by its ``initialize``, which talks, and keeps a cache in the temporary folder, open to all.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the escapes in its patterns, and of pkg_resources
        tokenizer = import_module("jieba").Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


@cache
def _tagger() -> Any:
    tokenizer = _jieba()
    return import_module("jieba.posseg").POSTokenizer(tokenizer)
