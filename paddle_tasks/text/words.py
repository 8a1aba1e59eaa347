"""Chinese word segmentation by jieba: word spans, word starts of large corpora, and parts of speech."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import import_module
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from paddle_tasks.operating_system import affine_cores, can_fork

Flags = npt.NDArray[np.bool_]

CHUNK_SIZE = 1 << 18
"""Characters segmented at once."""
MIN_PARALLEL_SIZE = 1 << 21
"""The number of characters from which starting further processes pays off."""


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return the half-open ranges of jieba's words; they cover the text, including white space and punctuation."""
    return list(pairwise(accumulate(map(len, jieba_tokenizer().cut(text)), initial=0)))


def tagged_spans(text: str) -> list[tuple[int, int, str]]:
    """Return jieba's words with their parts of speech, such as ``(0, 2, "n")``; they cover the text.

    Slower than `word_spans`, and the words may differ: a different model segments what is not in the dictionary.
    The tags are Peking University's; https://github.com/fxsjy/jieba lists them.
    """
    words = list(_tagger().cut(text))
    edges = accumulate((len(word.word) for word in words), initial=0)
    return [(start, end, str(word.flag)) for (start, end), word in zip(pairwise(edges), words, strict=True)]


def is_word(text: str) -> bool:
    """Return whether a text is a word in jieba's dictionary."""
    return bool(jieba_tokenizer().FREQ.get(text))


def can_follow(start: str, characters: Iterable[str]) -> list[bool]:
    """Return for each character whether a word of jieba's dictionary begins with ``start`` and that character."""
    entries = jieba_tokenizer().FREQ
    return [start + character in entries for character in characters]


def part_of_speech(word: str) -> str:
    """Return the part of speech of a word in jieba's dictionary; an empty string for an unknown word."""
    return str(_tagger().word_tag_tab.get(word, ""))


def dictionary_version() -> str:
    """Return jieba's version, on which the words of a text depend."""
    return str(import_module("jieba").__version__)


def word_starts(texts: Sequence[str]) -> Flags:
    """Return whether a word starts at each character of the concatenated texts: ``<bool>[characters]``.

    About 300,000 characters per second on one core; on Linux, large amounts are distributed over all cores.
    """
    chunks = list(_chunks(texts))
    n_processes = min(affine_cores(), len(chunks)) if can_fork() else 1
    if n_processes < 2 or sum(map(len, texts)) < MIN_PARALLEL_SIZE:
        return _concatenate(map(_find_starts, chunks))
    jieba_tokenizer()  # loaded before the fork, so that all processes share its memory
    # A fork, since "spawn" would run the caller's script again; the children run only Python code, which is safe.
    with multiprocessing.get_context("fork").Pool(n_processes) as pool:
        return _concatenate(pool.imap(_find_starts, chunks))


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    first = size = 0
    for index, text in enumerate(texts):
        size += len(text)
        if size >= CHUNK_SIZE:
            yield texts[first : index + 1]
            first, size = index + 1, 0
    if first < len(texts):
        yield texts[first:]


def _find_starts(texts: Sequence[str]) -> Flags:
    ends = np.cumsum([len(word) for text in texts for word in jieba_tokenizer().cut(text)], dtype=np.int64)
    flags = np.zeros(sum(map(len, texts)) + 1, bool)
    flags[[0, *ends]] = True
    return flags[:-1]


def _concatenate(parts: Iterable[Flags]) -> Flags:
    return np.concatenate([np.zeros(0, bool), *parts])


@cache
def jieba_tokenizer() -> Any:
    """Return a jieba tokenizer of our own, unaffected by words that users add to jieba's shared dictionary.

    The dictionary is loaded here and not by jieba's ``initialize``, which prints messages and keeps a cache in the
    temporary folder, writable by everybody.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about escapes in its patterns, and about pkg_resources
        tokenizer = import_module("jieba").Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


@cache
def _tagger() -> Any:
    tokenizer = jieba_tokenizer()
    return import_module("jieba.posseg").POSTokenizer(tokenizer)
