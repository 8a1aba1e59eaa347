"""Vocabularies of word pieces: read, checked, and learnt from texts for encoders trained from scratch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from tokenizers import normalizers, pre_tokenizers

from paddle_tasks.errors import ConfigError, DataError, SetupError, did_you_mean

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_WORD_LENGTH = 100
"""Characters; BERT reads a longer word as one [UNK], whatever stands in the vocabulary."""

_PIECE = 1_000_000
"""Characters cleaned and counted at once: few enough for the memory, many enough that a text costs next to nothing."""

_NO_ENTRY = re.compile("[\r\n\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def bert_normalizer(lowercase: bool) -> normalizers.BertNormalizer:
    """Return BERT's cleaning: no control characters, spaces round Chinese characters; lower case without accents."""
    return normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=lowercase, lowercase=lowercase
    )


def without_surrogates(text: str) -> str:
    """Return the text with each lone surrogate as U+FFFD, which BERT's cleaning drops.

    Half an emoji, left by a careless cut, is no text for the Rust library; the length stays, so offsets hold.
    """
    return _SURROGATE.sub("\ufffd", text)


def check_vocabulary(vocabulary: Sequence[str], source: str = "vocabulary") -> None:
    """Refuse a vocabulary that the tokenizer cannot use or cannot write.

    Args:
        vocabulary: the entries; an entry's place is its id.
        source: what the message calls it, such as a file's path.

    Raises:
        DataError: a special token is missing, an entry stands twice, or an entry does not fit on a line of UTF-8.
    """
    places: dict[str, int] = {}
    for place, entry in enumerate(vocabulary):
        if entry in places:
            raise DataError(f"{source}: {entry!r} stands twice, as entries {places[entry]} and {place}")
        if _NO_ENTRY.search(entry):
            raise DataError(f"{source}: entry {place}, {entry!r}, holds a line break or a lone surrogate")
        places[entry] = place
    for token in SPECIAL_TOKENS:
        if token not in places:
            raise DataError(f"{source}: no {token} among its {len(places)} entries{did_you_mean(token, places)}")


def read_vocabulary(path: Path) -> list[str]:
    """Return the entries of a ``vocab.txt``, one to a line; the line counted from 0 is the id.

    Raises:
        SetupError: the file or its folder is missing.
        DataError: the file is not UTF-8, or `check_vocabulary` refuses what it holds.
    """
    _require(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text at byte {error.start}") from None
    # Only line breaks part entries: str.splitlines would also break at U+2028, which some vocabularies hold.
    vocabulary = lines[:-1] if lines[-1] == "" else lines
    check_vocabulary(vocabulary, str(path))
    return vocabulary


def _require(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        beside = [found.name for found in folder.parent.glob("*")]
        raise SetupError(f"{folder}: no such folder{did_you_mean(folder.name, beside)}")
    if not path.is_file():
        inside = sorted(found.name for found in folder.glob("*"))
        found = ", ".join(inside[:8]) or "nothing"
        raise SetupError(f"{folder}: no {path.name}, found {found}{did_you_mean(path.name, inside)}")


def learn_vocabulary(
    texts: Iterable[str],
    *,
    min_count: int = 1,
    max_size: int | None = None,
    lowercase: bool = True,
    min_word_count: int | None = None,
    spell_rare_words: bool = True,
) -> list[str]:
    """Count a vocabulary of characters, after BERT's cleaning.

    What BERT parts into words of one character (Chinese characters, punctuation) gives one entry. Every other
    character (letters, digits, kana, symbols) gives two, at a word's start and ``##`` inside it, both counted
    with all its occurrences: with ``min_count=1`` nothing that was seen becomes [UNK], nor does a new word of
    seen letters (words over `MAX_WORD_LENGTH` excepted). English wants ``min_word_count`` too.

    Args:
        texts: the training texts, read once.
        min_count: occurrences below which a character is left out.
        max_size: most entries, special tokens included.
        lowercase: as the tokenizer that will use the vocabulary.
        min_word_count: occurrences from which a word of several characters is an entry of its own; None: never.
        spell_rare_words: whether the other words are spelt in characters; without the ``##`` entries each is one
            [UNK], and texts stay as short as they are words.

    Returns:
        The special tokens, then the most frequent first; ties by code point.

    Raises:
        ConfigError: ``max_size`` leaves no room for the special tokens.
    """
    if max_size is not None and max_size < len(SPECIAL_TOKENS):
        raise ConfigError(f"max_size: expected at least the {len(SPECIAL_TOKENS)} special tokens, found {max_size}")
    characters, words = _count(texts, lowercase, count_words=min_word_count is not None)
    pieces = _pieces if spell_rare_words else lambda character: [character]
    ranked = [(-n, c, pieces(c)) for c, n in characters.items() if n >= min_count]
    ranked += [
        (-n, word, [word]) for word, n in words.items() if n >= (min_word_count or 1) and len(word) <= MAX_WORD_LENGTH
    ]
    learnt = [piece for _, _, pieces in sorted(ranked) for piece in pieces]
    return [*SPECIAL_TOKENS, *learnt][:max_size]


def _count(texts: Iterable[str], lowercase: bool, count_words: bool) -> tuple[Counter[str], Counter[str]]:
    characters: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for clean in _cleaned(texts, lowercase):
        counts = np.bincount(np.frombuffer(clean.encode("utf-32-le"), dtype=np.uint32))
        characters.update({chr(code): int(counts[code]) for code in np.flatnonzero(counts)})
        if count_words:
            marks = re.escape("".join(filter(_is_mark, characters)))
            words.update(re.findall(f"[^ {marks}]{{2,}}", clean))
    del characters[" "]  # the only white space that cleaning leaves
    return characters, words


def _cleaned(texts: Iterable[str], lowercase: bool) -> Iterator[str]:
    """Yield the texts after BERT's cleaning, many in one piece with spaces between them, in no set order."""
    normalizer = bert_normalizer(lowercase)
    # What the library makes of each ASCII character, None for nothing; Python puts it in place many times as fast.
    ascii_table = {code: normalizer.normalize_str(chr(code)) or None for code in range(128)}
    plain: list[str] = []
    others: list[str] = []
    for text in texts:
        (plain if text.isascii() else others).append(text)
    for piece in _joined(plain):
        yield piece.translate(ascii_table)
    for piece in _joined(others):
        yield normalizer.normalize_str(without_surrogates(piece))


def _joined(texts: Iterable[str]) -> Iterator[str]:
    waiting: list[str] = []
    n_waiting = 0
    for text in texts:
        waiting.append(text)
        n_waiting += len(text)
        if n_waiting > _PIECE:
            yield " ".join(waiting)
            waiting, n_waiting = [], 0
    yield " ".join([*waiting, " "])


@cache
def _is_mark(character: str) -> bool:
    """Tell whether a character parts words and is one itself, by asking the library rather than Unicode."""
    return len(pre_tokenizers.BertPreTokenizer().pre_tokenize_str(character * 2)) == 2


def _pieces(character: str) -> list[str]:
    # Asked of the library rather than of Unicode categories, so that the answer is the tokenizer's own.
    doubled = bert_normalizer(lowercase=False).normalize_str(character * 2)
    stands_alone = len(pre_tokenizers.BertPreTokenizer().pre_tokenize_str(doubled)) == 2
    return [character] if stands_alone else [character, f"##{character}"]
