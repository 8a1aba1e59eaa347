"""WordPiece vocabularies: read, check, and learn them from texts for encoders trained from scratch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from tokenizers import normalizers, pre_tokenizers

from paddle_tasks.errors import ConfigError, DataError, SetupError, did_you_mean
from paddle_tasks.language import _, join

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MAX_WORD_LENGTH = 100
"""In characters. BERT encodes a longer word as one [UNK], whatever the vocabulary contains."""

CHUNK_SIZE = 1_000_000
"""Characters cleaned and counted at once: few enough for memory, many enough to make the overhead negligible."""

_INVALID_IN_ENTRY = re.compile("[\r\n\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def bert_normalizer(lowercase: bool) -> normalizers.BertNormalizer:
    """Return BERT's text cleaning.

    It removes control characters and puts spaces around Chinese characters; with ``lowercase`` it also lower-cases
    and strips accents.
    """
    return normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=lowercase, lowercase=lowercase
    )


def replace_surrogates(text: str) -> str:
    """Replace each lone surrogate by U+FFFD, which BERT's cleaning removes.

    The Rust library refuses lone surrogates, which a careless cut through an emoji leaves. The length of the text does
    not change, so offsets stay valid.
    """
    return _SURROGATE.sub("\ufffd", text)


def check_vocabulary(vocabulary: Sequence[str], source: str = "vocabulary") -> None:
    """Check that the tokenizer can use and save a vocabulary.

    Args:
        vocabulary: the entries; an entry's index is its id.
        source: the name for messages, such as a file's path.

    Raises:
        DataError: a special token is missing, or an entry is repeated or cannot be written as one line of UTF-8.
    """
    ids: dict[str, int] = {}
    for index, entry in enumerate(vocabulary):
        if entry in ids:
            message = _("{file}: {entry!r} is repeated, as entries {first} and {second}")
            raise DataError(message.format(file=source, entry=entry, first=ids[entry], second=index))
        if _INVALID_IN_ENTRY.search(entry):
            message = _("{file}: entry {index}, {entry!r}, contains a line break or a lone surrogate")
            raise DataError(message.format(file=source, index=index, entry=entry))
        ids[entry] = index
    for token in SPECIAL_TOKENS:
        if token not in ids:
            message = _("{file}: no {token} among its {count} entries{hint}")
            raise DataError(message.format(file=source, token=token, count=len(ids), hint=did_you_mean(token, ids)))


def read_vocabulary(path: Path) -> list[str]:
    """Return the entries of a ``vocab.txt``, one per line; the line number, from 0, is the id.

    Raises:
        SetupError: the file or its folder is missing.
        DataError: the file is not UTF-8, or `check_vocabulary` refuses its entries.
    """
    _check_exists(path)
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(_("{file}: not UTF-8 text at byte {byte}").format(file=path, byte=error.start)) from None
    # Not str.splitlines, which would also split at U+2028: some vocabularies contain it.
    vocabulary = lines[:-1] if lines[-1] == "" else lines
    check_vocabulary(vocabulary, str(path))
    return vocabulary


def _check_exists(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        siblings = [entry.name for entry in folder.parent.glob("*")]
        hint = did_you_mean(folder.name, siblings)
        raise SetupError(_("{folder}: no such folder{hint}").format(folder=folder, hint=hint))
    if not path.is_file():
        content = sorted(entry.name for entry in folder.glob("*"))
        shown, hint = join(content[:8]) or _("nothing"), did_you_mean(path.name, content)
        message = _("{folder}: no {file}, found {found}{hint}")
        raise SetupError(message.format(folder=folder, file=path.name, found=shown, hint=hint))


def learn_vocabulary(
    texts: Iterable[str],
    *,
    min_count: int = 1,
    max_size: int | None = None,
    lowercase: bool = True,
    min_word_count: int | None = None,
    spell_rare_words: bool = True,
) -> list[str]:
    """Learn a vocabulary of characters, and optionally frequent words, from texts after BERT's cleaning.

    A character that BERT makes a word of its own (Chinese characters, punctuation) gives one entry. Every other
    character (letters, digits, kana, symbols) gives two, one for the start of a word and one with ``##`` for its
    inside; all its occurrences count for both. With ``min_count=1``, no seen character becomes [UNK], and neither does
    a new word of seen letters (except words over `MAX_WORD_LENGTH`). For English, set ``min_word_count`` as well.

    Args:
        texts: the training texts; iterated once.
        min_count: the minimum number of occurrences of a character.
        max_size: the maximum number of entries, including special tokens.
        lowercase: the same as in the tokenizer that will use the vocabulary.
        min_word_count: the number of occurrences from which a word of several characters becomes an entry; None: never.
        spell_rare_words: whether other words are spelt in characters. If not, there are no ``##`` entries: each such
            word is one [UNK], and a text has one token per word.

    Returns:
        The special tokens, then the entries by descending frequency; ties by code point.

    Raises:
        ConfigError: ``max_size`` leaves no room for the special tokens.
    """
    if max_size is not None and max_size < len(SPECIAL_TOKENS):
        message = _("max_size: expected at least the {count} special tokens, found {found}")
        raise ConfigError(message.format(count=len(SPECIAL_TOKENS), found=max_size))
    characters, words = count_characters(texts, lowercase, count_words=min_word_count is not None)
    pieces = character_entries if spell_rare_words else lambda character: [character]
    ranked = [(-n, c, pieces(c)) for c, n in characters.items() if n >= min_count]
    ranked += [
        (-n, word, [word]) for word, n in words.items() if n >= (min_word_count or 1) and len(word) <= MAX_WORD_LENGTH
    ]
    learnt = [piece for _count, _entry, pieces in sorted(ranked) for piece in pieces]
    return [*SPECIAL_TOKENS, *learnt][:max_size]


def count_characters(texts: Iterable[str], lowercase: bool, count_words: bool) -> tuple[Counter[str], Counter[str]]:
    """Count the characters of texts and, with ``count_words``, the words of several characters, after cleaning."""
    characters: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for clean in clean_texts(texts, lowercase):
        counts = np.bincount(np.frombuffer(clean.encode("utf-32-le"), dtype=np.uint32))
        characters.update({chr(code): int(counts[code]) for code in np.flatnonzero(counts)})
        if count_words:
            marks = re.escape("".join(filter(_is_mark, characters)))
            words.update(re.findall(f"[^ {marks}]{{2,}}", clean))
    del characters[" "]  # the only white space left by cleaning
    return characters, words


def clean_texts(texts: Iterable[str], lowercase: bool) -> Iterator[str]:
    """Yield the texts after BERT's cleaning, joined by spaces into large chunks; not in their order."""
    normalizer = bert_normalizer(lowercase)
    # The library's result for each ASCII character (None: removed). str.translate is many times faster.
    ascii_table = {code: normalizer.normalize_str(chr(code)) or None for code in range(128)}
    plain: list[str] = []
    others: list[str] = []
    for text in texts:
        (plain if text.isascii() else others).append(text)
    for chunk in _join_chunks(plain):
        yield chunk.translate(ascii_table)
    for chunk in _join_chunks(others):
        yield normalizer.normalize_str(replace_surrogates(chunk))


def _join_chunks(texts: Iterable[str]) -> Iterator[str]:
    waiting: list[str] = []
    n_waiting = 0
    for text in texts:
        waiting.append(text)
        n_waiting += len(text)
        if n_waiting > CHUNK_SIZE:
            yield " ".join(waiting)
            waiting, n_waiting = [], 0
    yield " ".join([*waiting, " "])


@cache
def _is_mark(character: str) -> bool:
    """Return whether the library splits words at a character and makes it a word of its own."""
    return len(pre_tokenizers.BertPreTokenizer().pre_tokenize_str(character * 2)) == 2


def character_entries(character: str) -> list[str]:
    """Return the entries that a character needs: ``["好"]``, but ``["a", "##a"]``."""
    # The library decides, not Unicode categories, so that this always agrees with the tokenizer.
    doubled = bert_normalizer(lowercase=False).normalize_str(character * 2)
    is_word = len(pre_tokenizers.BertPreTokenizer().pre_tokenize_str(doubled)) == 2
    return [character] if is_word else [character, f"##{character}"]
