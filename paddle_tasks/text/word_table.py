"""Fast WordPiece tokenization by table look-up; only words of several characters go through the library.

BERT makes each Chinese character and each punctuation mark a word of its own, so the ids of most characters of a
Chinese text do not depend on their neighbours. A table over all of Unicode gives the ids of these characters for a
whole batch of texts at once. The rest (letters, digits, kana, marks, characters that cleaning removes) is cut into
runs, and the `tokenizers` library encodes each distinct run once.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
import tokenizers

from paddle_tasks.text.vocabulary import SPECIAL_TOKENS, replace_surrogates

Ids = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

WORD, SPACE = -1, -2
"""Table values of characters without an id of their own: part of a longer word, or white space."""
_SPECIAL = re.compile("|".join(map(re.escape, SPECIAL_TOKENS)))
# The common ideographs; white space and punctuation lie in the planes up to _LAST_PUNCTUATION. It is safe to leave a
# character out (it is then treated as part of a word), so the tens of thousands of rare ideographs need no entries.
_IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF))
_LAST_PUNCTUATION = 0x1FFFF
MAX_CACHED_WORDS, MAX_CACHED_LENGTH = 1 << 17, 64
"""The number of words that are cached, and the maximum length of a cached word in characters."""
CHUNK_SIZE = 1 << 17
"""Characters looked up at once; their arrays fit into a core's cache."""


class WordTable:
    """Encodes texts without [CLS] and [SEP]; the ids equal those of the library.

    Threads may share an instance: the table never changes, and cached words are only added or cleared all at once.

    Attributes:
        values: ``<int32>[0x110000]``, for each code point its id, `WORD` or `SPACE`.
    """

    def __init__(self, library: tokenizers.Tokenizer, ids: dict[str, int], unknown: int) -> None:
        """Build the table, using the library's own cleaning and splitting to find characters that are words.

        Args:
            library: the tokenizer of the library.
            ids: the id of each entry of the vocabulary.
            unknown: the id of [UNK].
        """
        self._library = library
        self._special = {token: ids[token] for token in SPECIAL_TOKENS}
        self.values = _build_table(library, lambda character: ids.get(character, unknown))
        self._cached_words: dict[str, bytes] = {}

    def split(self, texts: Sequence[str]) -> tuple[Ids, Counts]:
        """Return the concatenated ids of texts ``<int32>[ids]`` and the number of ids of each ``<int64>[texts]``."""
        parts = [self._split(texts[first:last]) for first, last in chunk_ranges(texts)]
        ids, counts = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        return np.concatenate(ids + [part for part, _ in parts]), np.concatenate(counts + [part for _, part in parts])

    def _split(self, texts: Sequence[str]) -> tuple[Ids, Counts]:
        # Separated by white space, so that neither a word nor a special token can extend into the next text.
        joined = "\n".join(texts)
        # One number for each character, including lone surrogates (half an emoji).
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        values = self.values[codes]
        for match in _SPECIAL.finditer(joined):
            values[match.start() : match.end()] = SPACE
            values[match.start()] = self._special[match.group()]
        starts, ends = _find_runs(values == WORD)
        pieces, n_pieces = self._encode_words([joined[start:end] for start, end in zip(starts, ends, strict=True)])
        positions, widths, ids = _merge(values, starts, pieces, n_pieces)
        return ids, _count_ids(positions, widths, np.fromiter(map(len, texts), np.int64, len(texts)))

    def _encode_words(self, words: Sequence[str]) -> tuple[Ids, Counts]:
        """Return the concatenated ids of words and the number of ids of each."""
        encoded = list(map(self._cached_words.get, words))
        missing = {word for word, pieces in zip(words, encoded, strict=True) if pieces is None}
        if missing:
            new = self._encode_with_library(missing)
            encoded = [new[word] if pieces is None else pieces for word, pieces in zip(words, encoded, strict=True)]
            self._cache(new)
        # As bytes, they are joined and counted without a loop in Python.
        n_bytes = np.fromiter(map(len, encoded), np.int64, len(encoded))  # type: ignore[arg-type]
        ids = np.frombuffer(b"".join(encoded), np.int32)  # type: ignore[arg-type]
        return ids, n_bytes // np.dtype(np.int32).itemsize

    def _encode_with_library(self, words: Iterable[str]) -> dict[str, bytes]:
        order = list(words)
        encodings = self._library.encode_batch([replace_surrogates(word) for word in order], add_special_tokens=False)
        return {
            word: np.array(encoding.ids, np.int32).tobytes() for word, encoding in zip(order, encodings, strict=True)
        }

    def _cache(self, new: dict[str, bytes]) -> None:
        # Clearing the cache is cheaper than tracking use: the next batch brings the frequent words back.
        if len(self._cached_words) + len(new) > MAX_CACHED_WORDS:
            self._cached_words = {}
        self._cached_words.update((word, pieces) for word, pieces in new.items() if len(word) <= MAX_CACHED_LENGTH)


def _build_table(library: tokenizers.Tokenizer, id_of: Callable[[str], int]) -> Ids:
    """Return for each code point its id, `SPACE` or, in any case of doubt, `WORD`: ``<int32>[0x110000]``."""
    table = np.full(sys.maxunicode + 1, WORD, np.int32)
    candidates = list(_candidates())
    # Each is placed between letters, so that only the character itself can cause a split.
    cleaned = library.normalizer.normalize_str(f"a{'a'.join(candidates)}a")[1:-1].split("a")
    for character, form in zip(candidates, cleaned, strict=True):
        if form == " ":
            table[ord(character)] = SPACE
        elif (word := form.strip(" ")) and len(word) == 1 and _is_word(library, form):
            table[ord(character)] = id_of(word)
    return table


def _candidates() -> Iterable[str]:
    below = map(chr, range(_LAST_PUNCTUATION + 1))
    yield from (character for character in below if unicodedata.category(character)[0] in "PSZ" or character.isspace())
    for first, last in _IDEOGRAPHS:
        yield from map(chr, range(first, last + 1))


def _is_word(library: tokenizers.Tokenizer, form: str) -> bool:
    """Return whether a cleaned character between two letters is a word of its own."""
    if form[0] == form[-1] == " ":  # cleaning puts spaces around an ideograph
        return True
    return len(library.pre_tokenizer.pre_tokenize_str(f"a{form}a")) == 3


def chunk_ranges(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Return half-open ranges of texts; without its first text, each has less than `CHUNK_SIZE` characters."""
    before = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts))) // CHUNK_SIZE
    cuts = (np.flatnonzero(np.diff(before)) + 1).tolist()
    return list(zip([0, *cuts], [*cuts, len(texts)], strict=True)) if len(texts) else []


def _find_runs(mask: Mask) -> tuple[list[int], list[int]]:
    """Return the starts and the (exclusive) ends of the runs of True."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).tolist()
    return edges[::2], edges[1::2]


def _merge(values: Ids, starts: Sequence[int], pieces: Ids, n_pieces: Counts) -> tuple[Counts, Counts, Ids]:
    """Insert the ids of the words between those of the single characters.

    Args:
        values: ``<int32>[characters]``, the table value of each character.
        starts: the position of the first character of each word.
        pieces: ``<int32>[pieces]``, the concatenated ids of the words.
        n_pieces: ``<int64>[words]``, the number of ids of each word.

    Returns:
        The character positions that have ids, the number of ids at each, ``<int64>[positions]`` both, and all ids
        ``<int32>[ids]``.
    """
    has_ids: Mask = values >= 0
    has_ids[starts] = True
    positions = np.flatnonzero(has_ids)
    first = values[positions]
    is_word: Mask = first == WORD
    widths = np.ones(len(positions), np.int64)
    widths[is_word] = n_pieces
    ids = np.repeat(first, widths)
    ids[np.repeat(is_word, widths)] = pieces
    return positions, widths, ids


def _count_ids(positions: Counts, widths: Counts, lengths: Counts) -> Counts:
    """Return the number of ids of each text, given the texts' lengths; in the joined text, each has one separator."""
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(widths)])
    ends = np.cumsum(lengths + 1)
    return np.diff(before[np.searchsorted(positions, ends)], prepend=0)
