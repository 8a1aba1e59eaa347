"""Learn a vocabulary for Chinese: frequent single characters, and word pieces for letters, digits and symbols."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from tokenizers import Tokenizer, models, trainers

from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.text.vocabulary import MAX_WORD_LENGTH, SPECIAL_TOKENS, character_entries, count_characters

_INSIDE = "##"
_ASCII = [chr(code) for code in range(0x21, 0x7F)]
_FULL_WIDTH = [chr(code) for code in range(0xFF01, 0xFF5F)]
MAX_OCCURRENCES = 4_000_000
"""The trainer accepts no counts, so words are repeated, in total about this often (some 2 s); more are scaled down."""


def count_words(texts: Iterable[str], *, lowercase: bool = True) -> Counter[str]:
    """Count the words of texts after BERT's cleaning and splitting; Chinese characters and punctuation marks are words.

    The counters of several sources can be scaled and added before `learn_word_pieces`.

    Args:
        texts: the texts; iterated once.
        lowercase: the same as in the tokenizer that will use the vocabulary.
    """
    characters, words = count_characters(texts, lowercase, count_words=True)
    for word, n in words.items():
        for character in word:
            characters[character] -= n
    return words + characters  # adding counters drops counts of 0: characters that occur only inside words


def learn_word_pieces(
    counts: Mapping[str, int], *, size: int, min_count: int = 5, lowercase: bool = True, n_reserved: int = 10
) -> list[str]:
    """Learn a vocabulary of single characters and, up to ``size``, of word pieces.

    A character that BERT makes a word of its own (Chinese characters, punctuation) has one entry. Every other
    character has two forms, one for the start of a word and one with ``##`` for its inside; each must reach
    ``min_count`` itself. ASCII and full-width ASCII characters are always included in both forms, so a word of these
    (up to `MAX_WORD_LENGTH` characters) is never [UNK]. The pieces are byte-pair merges over the words of several
    characters. The result does not depend on the order of the counts.

    Source: the trainer of the `tokenizers` library; Sennrich et al. 2016, https://arxiv.org/abs/1508.07909.

    Args:
        counts: the words from `count_words` with their number of occurrences, weighted or not.
        size: the maximum number of entries, including special tokens; fewer if the words yield fewer.
        min_count: the minimum number of occurrences of a form or a merge. If the forms alone do not fit, the most
            frequent are used. A higher value leaves more entries for pieces.
        lowercase: the same as in `count_words`.
        n_reserved: the number of entries ``[unused1]``, … for later use by a model; no text produces them.

    Returns:
        The special tokens, the reserved entries, the forms of the characters by descending frequency (ties by code
        point), and the pieces in the order of their merges.

    Raises:
        ConfigError: ``size`` is less than the number of special, reserved and always included entries.
    """
    first = [*SPECIAL_TOKENS, *(f"[unused{number}]" for number in range(1, n_reserved + 1))]
    required = _required_forms(lowercase)
    min_size = len(first) + len(required)
    if size < min_size:
        message = _("size: expected at least {count}, the number of required entries, found {found}")
        raise ConfigError(message.format(count=min_size, found=size))
    forms = _choose_forms(_count_forms(counts), required, size - min_size, min_count)
    words = _spellable(counts, set(forms))
    entries = [*first, *forms]
    return [*entries, *_learn_merges(words, size - len(entries), min_count)]


def _forms(word: str) -> list[str]:
    """Return the entries that spell a word in characters: ``["a", "##b"]`` for ``ab``."""
    return [word[0], *(f"{_INSIDE}{character}" for character in word[1:])]


def _count_forms(counts: Mapping[str, int]) -> Counter[str]:
    forms: Counter[str] = Counter()
    for word, n in counts.items():
        for form in _forms(word):
            forms[form] += n
    return forms


def _required_forms(lowercase: bool) -> set[str]:
    characters = [c for c in [*_ASCII, *_FULL_WIDTH] if not lowercase or c == c.lower()]
    return {form for character in characters for form in character_entries(character)}


def _choose_forms(counts: Counter[str], required: set[str], max_others: int, min_count: int) -> list[str]:
    frequent = [form for form, n in counts.items() if n >= min_count and form not in required]
    chosen = {*required, *sorted(frequent, key=lambda form: (-counts[form], form))[:max_others]}
    return sorted(chosen, key=lambda form: (-counts[form], form))


def _spellable(counts: Mapping[str, int], forms: set[str]) -> dict[str, int]:
    """Return the words of several characters that the forms can spell; the others are [UNK], whatever the pieces."""
    return {
        word: n for word, n in counts.items() if 1 < len(word) <= MAX_WORD_LENGTH and forms.issuperset(_forms(word))
    }


def _learn_merges(words: Mapping[str, int], max_pieces: int, min_count: int) -> list[str]:
    """Return up to ``max_pieces`` pieces of several characters, in the order of their merges."""
    # The trainer breaks ties between merges by id, and numbers the ## forms in hash-table order, which differs
    # between processes. Passed as special tokens, they are numbered in the order of this list.
    alphabet = sorted({form for word in words for form in _forms(word)})
    alphabet = sorted({*alphabet, *(form.removeprefix(_INSIDE) for form in alphabet)})
    scale = max(1, -(-sum(words.values()) // MAX_OCCURRENCES))
    trainer = trainers.WordPieceTrainer(
        vocab_size=len(alphabet) + max_pieces,
        min_frequency=max(1, round(min_count / scale)),
        special_tokens=alphabet,
        continuing_subword_prefix=_INSIDE,
        show_progress=False,
    )
    library = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    library.train_from_iterator(repeat_words(words, scale), trainer)
    ids = library.get_vocab()
    return [piece for piece in sorted(ids, key=lambda piece: ids[piece]) if ids[piece] >= len(alphabet)]


def repeat_words(words: Mapping[str, int], scale: int) -> Iterator[list[str]]:
    """Yield for each word a list in which it is repeated ``count / scale`` times, rounded."""
    for word, n in words.items():
        yield [word] * round(n / scale)
