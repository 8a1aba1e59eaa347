"""Chinese words by jieba: the character ranges of a text's words, the starts of millions, and parts of speech."""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from itertools import accumulate, pairwise
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
    return list(pairwise(accumulate(map(len, _jieba().cut(text)), initial=0)))


def tagged_spans(text: str) -> list[tuple[int, int, str]]:
    """Return jieba's words of a text with their parts of speech, such as ``(0, 2, "n")``; they cover the text.

    Slower than `word_spans`, and not always the same words: another model joins what is in no dictionary.
    The tags are those of Peking University's corpus; https://github.com/fxsjy/jieba lists them.
    """
    words = list(_tagger().cut(text))
    edges = accumulate((len(word.word) for word in words), initial=0)
    return [(start, end, str(word.flag)) for (start, end), word in zip(pairwise(edges), words, strict=True)]


def is_word(text: str) -> bool:
    """Tell whether a text stands in jieba's dictionary."""
    return bool(_jieba().FREQ.get(text))


def goes_on(start: str, characters: Iterable[str]) -> list[bool]:
    """Tell of each character whether a word of jieba's dictionary starts with a text and it."""
    entries = _jieba().FREQ
    return [start + character in entries for character in characters]


def tag_of(word: str) -> str:
    """Return the part of speech that jieba's dictionary gives a word, or an empty string for what it does not hold."""
    return str(_tagger().word_tag_tab.get(word, ""))


def dictionary_version() -> str:
    """Return what, besides a text, decides where its words are."""
    return str(import_module("jieba").__version__)


def word_starts(texts: Sequence[str]) -> Flags:
    """Tell for each character of many texts, one after another, whether a word starts there: <bool>[characters].

    Some 300,000 characters a second on one core; large amounts are shared among all cores, on Linux.
    """
    chunks = list(_chunks(texts))
    n_processes = min(len(os.sched_getaffinity(0)), len(chunks)) if sys.platform == "linux" else 1
    if n_processes < 2 or sum(map(len, texts)) < _WORTH_PROCESSES:
        return _joined(map(_flags, chunks))
    _jieba()  # before the fork: all processes share its memory
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
    ends = np.cumsum([len(word) for text in texts for word in _jieba().cut(text)], dtype=np.int64)
    flags = np.zeros(sum(map(len, texts)) + 1, bool)
    flags[[0, *ends]] = True
    return flags[:-1]


def _joined(parts: Iterable[Flags]) -> Flags:
    return np.concatenate([np.zeros(0, bool), *parts])


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
