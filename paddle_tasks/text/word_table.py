"""Word pieces by table look-up: what stands alone is one entry of a table, and only the other words are tokenised.

BERT makes a word of its own of each Chinese character and each punctuation mark, so most characters of a Chinese text
have their id whatever stands beside them. A table over all of Unicode gives it for a whole batch of texts at once. All
the rest (letters, digits, kana, marks, what cleaning drops) is cut out in runs, and the `tokenizers` library gets each
different run once.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import tokenizers

from paddle_tasks.text.vocabulary import SPECIAL_TOKENS, without_surrogates

Ids = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# What the table says of a character that has no id of its own.
_WORD, _SPACE = -1, -2
_SPECIAL = re.compile("|".join(map(re.escape, SPECIAL_TOKENS)))
# The common ideographs, and below them the planes that hold white space and punctuation. Leaving a character out is
# safe, it counts as a part of a word then; so the tens of thousands of rare ideographs need no entries.
_IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))
_LAST_PUNCTUATION = 0x1FFFF
_MOST_WORDS, _LONGEST_WORD = 1 << 17, 64
_CHUNK = 1 << 17
"""Characters looked up at once: their arrays fit into a core's cache."""


class WordTable:
    """The ids of texts, without [CLS] and [SEP]; equal to what the library gives for the whole text.

    Threads may share one: the table is never changed, and the words seen are only ever added or forgotten as a whole.
    """

    def __init__(self, library: tokenizers.Tokenizer, ids: dict[str, int], unknown: int) -> None:
        """Ask the library's own cleaning and splitting which characters stand alone, and look up their ids."""
        self._library = library
        self._special = {token: ids[token] for token in SPECIAL_TOKENS}
        self._table = _build_table(library, lambda character: ids.get(character, unknown))
        self._words: dict[str, bytes] = {}

    def split(self, texts: Sequence[str]) -> tuple[Ids, Counts]:
        """Return the ids of all texts, one after another ``<int32>[n]``, and each text's number ``<int64>[texts]``."""
        parts = [self._split(texts[first:last]) for first, last in _chunks(texts)]
        ids, counts = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        return np.concatenate(ids + [part for part, _ in parts]), np.concatenate(counts + [part for _, part in parts])

    def _split(self, texts: Sequence[str]) -> tuple[Ids, Counts]:
        # White space between the texts, so that neither a word nor a special token reaches from one into the next.
        joined = "\n".join(texts)
        # One number for each character, half an emoji (a lone surrogate) included.
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        values = self._table[codes]
        for found in _SPECIAL.finditer(joined):
            values[found.start() : found.end()] = _SPACE
            values[found.start()] = self._special[found.group()]
        starts, ends = _runs(values == _WORD)
        pieces, n_pieces = self._pieces([joined[start:end] for start, end in zip(starts, ends, strict=True)])
        places, widths, ids = _merged(values, starts, pieces, n_pieces)
        return ids, _counts(places, widths, np.fromiter(map(len, texts), np.int64, len(texts)))

    def _pieces(self, words: Sequence[str]) -> tuple[Ids, Counts]:
        """Return the ids of words, one after another, and how many each has."""
        found = list(map(self._words.get, words))
        missing = {word for word, pieces in zip(words, found, strict=True) if pieces is None}
        if missing:
            new = self._ask(missing)
            found = [new[word] if pieces is None else pieces for word, pieces in zip(words, found, strict=True)]
            self._remember(new)
        # As bytes, so that joining and counting them is no loop in Python.
        sizes = np.fromiter(map(len, found), np.int64, len(found))  # type: ignore[arg-type]
        return np.frombuffer(b"".join(found), np.int32), sizes // np.dtype(np.int32).itemsize  # type: ignore[arg-type]

    def _ask(self, words: Iterable[str]) -> dict[str, bytes]:
        order = list(words)
        encoded = self._library.encode_batch([without_surrogates(word) for word in order], add_special_tokens=False)
        return {word: np.array(one.ids, np.int32).tobytes() for word, one in zip(order, encoded, strict=True)}

    def _remember(self, new: dict[str, bytes]) -> None:
        # A fresh start costs less than keeping the order of use; the frequent words are back with the next batch.
        if len(self._words) + len(new) > _MOST_WORDS:
            self._words = {}
        self._words.update((word, pieces) for word, pieces in new.items() if len(word) <= _LONGEST_WORD)


def _build_table(library: tokenizers.Tokenizer, id_of: Callable[[str], int]) -> Ids:
    """Return for each code point its id, `_SPACE` or, wherever there is doubt, `_WORD`: <int32>[0x110000]."""
    table = np.full(sys.maxunicode + 1, _WORD, np.int32)
    candidates = list(_candidates())
    # Between letters, so that nothing but the character itself can part them.
    cleaned = library.normalizer.normalize_str(f"a{'a'.join(candidates)}a")[1:-1].split("a")
    for character, form in zip(candidates, cleaned, strict=True):
        if form == " ":
            table[ord(character)] = _SPACE
        elif (alone := form.strip(" ")) and len(alone) == 1 and _is_parted(library, form):
            table[ord(character)] = id_of(alone)
    return table


def _candidates() -> Iterable[str]:
    below = map(chr, range(_LAST_PUNCTUATION + 1))
    yield from (character for character in below if unicodedata.category(character)[0] in "PSZ" or character.isspace())
    for first, last in _IDEOGRAPHS:
        yield from map(chr, range(first, last + 1))


def _is_parted(library: tokenizers.Tokenizer, form: str) -> bool:
    """Tell whether a cleaned character is one word between two letters."""
    if form[0] == form[-1] == " ":  # cleaning puts spaces round an ideograph
        return True
    return len(library.pre_tokenizer.pre_tokenize_str(f"a{form}a")) == 3


def _chunks(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return half-open ranges of texts, each with less than `_CHUNK` characters besides those of its first text."""
    before = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts))) // _CHUNK
    cuts = (np.flatnonzero(np.diff(before)) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(texts)], strict=True)) if len(texts) else []


def _runs(mask: Mask) -> tuple[list[int], list[int]]:
    """Return where runs of True start and end."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).tolist()
    return edges[::2], edges[1::2]


def _merged(values: Ids, starts: Sequence[int], pieces: Ids, n_pieces: Counts) -> tuple[Counts, Counts, Ids]:
    """Put the words' ids between those of the characters that stand alone.

    Args:
        values: <int32>[characters], what the table says of each.
        starts: the place of each word's first character.
        pieces: <int32>[pieces], the words' ids, one after another.
        n_pieces: <int64>[words]

    Returns:
        The places that have ids <int64>[places], how many each has <int64>[places], and the ids <int32>[ids].
    """
    has_ids: Mask = values >= 0
    has_ids[starts] = True
    places = np.flatnonzero(has_ids)
    first = values[places]
    is_word: Mask = first == _WORD
    widths = np.ones(len(places), np.int64)
    widths[is_word] = n_pieces
    ids = np.repeat(first, widths)
    ids[np.repeat(is_word, widths)] = pieces
    return places, widths, ids


def _counts(places: Counts, widths: Counts, lengths: Counts) -> Counts:
    """Return the number of ids in each text, from the texts' lengths in the joined text; one separator between two."""
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(widths)])
    ends = np.cumsum(lengths + 1)
    return np.diff(before[np.searchsorted(places, ends)], prepend=0)
