"""Learns a vocabulary for Chinese: single characters by frequency, word pieces for letters, digits and symbols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tokenizers import Tokenizer, models, trainers

from paddle_tasks.errors import ConfigError
from paddle_tasks.text.vocabulary import MAX_WORD_LENGTH, SPECIAL_TOKENS, _count, _pieces

_INSIDE = "##"
_ASCII = [chr(code) for code in range(0x21, 0x7F)]
_FULL_WIDTH = [chr(code) for code in range(0xFF01, 0xFF5F)]
_MOST_OCCURRENCES = 4_000_000
"""Words handed to the trainer, which takes no counts: each is repeated. Some 2 s; more are scaled down to these."""


def count_words(texts: Iterable[str], *, lowercase: bool = True) -> Counter[str]:
    """Count the words that BERT's cleaning and splitting make of texts; a Chinese character or a mark is a word.

    Counters of several sources can be scaled and added before `learn_word_pieces`.

    Args:
        texts: read once.
        lowercase: as the tokenizer that will use the vocabulary.
    """
    alone, words = _count(texts, lowercase, count_words=True)
    for word, n in words.items():
        for character in word:
            alone[character] -= n
    return words + alone  # the sum of counters drops what occurs only inside words


def learn_word_pieces(
    counts: Mapping[str, int], *, size: int, min_count: int = 5, lowercase: bool = True, n_reserved: int = 10
) -> list[str]:
    """Learn a vocabulary of single characters and, in the places they leave, of word pieces.

    What BERT parts into words of one character (Chinese characters, punctuation) has one entry. Every other
    character has two forms, at a word's start and ``##`` inside it, of which each needs ``min_count`` itself.
    ASCII and its full-width twins are always there in both forms, so a word of these (up to `MAX_WORD_LENGTH`
    characters) is never [UNK]. The pieces are byte-pair merges over the words of several characters.
    The result is the same whatever the order of the counts.

    Source: the trainer of the `tokenizers` library; Sennrich et al. 2016, https://arxiv.org/abs/1508.07909.

    Args:
        counts: words of `count_words` with their occurrences, weighted or not.
        size: most entries, special tokens included; fewer when the words give no more.
        min_count: occurrences from which a form or a merge is an entry; when the forms alone do not fit, the most
            frequent are taken. The higher it is, the more places are left to pieces.
        lowercase: as in `count_words`.
        n_reserved: entries ``[unused1]`` and so on, which no text gives, for a model's later use.

    Returns:
        The special tokens, the reserved ones, the characters' forms, most frequent first and ties by code point,
        and the pieces in the order of their merges.

    Raises:
        ConfigError: ``size`` leaves no room for the special and reserved tokens and the characters always there.
    """
    first = [*SPECIAL_TOKENS, *(f"[unused{place}]" for place in range(1, n_reserved + 1))]
    always = _always(lowercase)
    least = len(first) + len(always)
    if size < least:
        raise ConfigError(f"size: expected at least {least}, the entries that are always there, found {size}")
    forms = _choose_forms(_count_forms(counts), always, size - least, min_count)
    words = _spellable(counts, set(forms))
    entries = [*first, *forms]
    return [*entries, *_merge(words, size - len(entries), min_count)]


def _forms(word: str) -> list[str]:
    """Return the entries that spell a word in characters."""
    return [word[0], *(f"{_INSIDE}{character}" for character in word[1:])]


def _count_forms(counts: Mapping[str, int]) -> Counter[str]:
    forms: Counter[str] = Counter()
    for word, n in counts.items():
        for form in _forms(word):
            forms[form] += n
    return forms


def _always(lowercase: bool) -> set[str]:
    characters = [c for c in [*_ASCII, *_FULL_WIDTH] if not lowercase or c == c.lower()]
    return {form for character in characters for form in _pieces(character)}


def _choose_forms(counts: Counter[str], always: set[str], room: int, min_count: int) -> list[str]:
    frequent = [form for form, n in counts.items() if n >= min_count and form not in always]
    chosen = {*always, *sorted(frequent, key=lambda form: (-counts[form], form))[:room]}
    return sorted(chosen, key=lambda form: (-counts[form], form))


def _spellable(counts: Mapping[str, int], forms: set[str]) -> dict[str, int]:
    """Return the words of several characters that the forms spell; others are one [UNK], whatever the pieces."""
    return {
        word: n for word, n in counts.items() if 1 < len(word) <= MAX_WORD_LENGTH and forms.issuperset(_forms(word))
    }


def _merge(words: Mapping[str, int], room: int, min_count: int) -> list[str]:
    """Return up to ``room`` pieces of several characters, in the order in which they were merged."""
    # Ties between merges go by ids. The trainer would number the ## forms in the order of a hash table, another
    # one in each process; as special tokens they have the numbers of this list.
    alphabet = sorted({form for word in words for form in _forms(word)})
    alphabet = sorted({*alphabet, *(form.removeprefix(_INSIDE) for form in alphabet)})
    scale = max(1, -(-sum(words.values()) // _MOST_OCCURRENCES))
    trainer = trainers.WordPieceTrainer(
        vocab_size=len(alphabet) + room,
        min_frequency=max(1, round(min_count / scale)),
        special_tokens=alphabet,
        continuing_subword_prefix=_INSIDE,
        show_progress=False,
    )
    library = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    library.train_from_iterator(_repeated(words, scale), trainer)
    ids = library.get_vocab()
    return [piece for piece in sorted(ids, key=lambda piece: ids[piece]) if ids[piece] >= len(alphabet)]


def _repeated(words: Mapping[str, int], scale: int) -> Iterator[list[str]]:
    for word, n in words.items():
        yield [word] * round(n / scale)
