"""Words as their parts: the word itself and the character n-grams within it (Bojanowski et al. 2017).

Source: https://arxiv.org/abs/1607.04606. Words that share characters share parts: 第一 and 第二, 老师 and 教师.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.text.packing import concatenate_ranges


def character_ngrams(word: str, longest: int) -> list[str]:
    """Return the n-grams of 1 to ``longest`` characters; those of at least 2 also span the edges of the word.

    For example, 教师 with 2 gives 教, 师, <教, 教师 and 师>.
    """
    edged = f"<{word}>"
    longer = [edged[i : i + n] for n in range(2, longest + 1) for i in range(len(edged) - n + 1)]
    return [*word, *longer] if longest else []


@dataclass(frozen=True, eq=False)
class WordParts:
    """The parts of each word of a vocabulary, as numbers.

    The first part of word w is w itself, the others are its n-grams that at least one other word has.

    Attributes:
        longest: the number of characters of the longest n-grams.
        ngrams: the number of each n-gram; they follow those of the words.
        ids: <int64>[parts].
        offsets: <int64>[words + 1]; the parts of word w are ``ids[offsets[w]:offsets[w + 1]]``.
    """

    longest: int
    ngrams: dict[str, int]
    ids: Array
    offsets: Array

    @classmethod
    def of(cls, words: Sequence[str], longest: int) -> WordParts:
        """Return the parts of the words of a vocabulary."""
        of_word = [character_ngrams(word, longest) for word in words]
        n_words = Counter(ngram for found in of_word for ngram in set(found))
        shared = dict.fromkeys(ngram for found in of_word for ngram in found if n_words[ngram] > 1)
        numbers = {ngram: place for place, ngram in enumerate(shared, len(words))}
        parts = [[place, *(numbers[n] for n in found if n in numbers)] for place, found in enumerate(of_word)]
        ids = np.array([part for word in parts for part in word], np.int64)
        return cls(longest, numbers, ids, np.cumsum([0, *map(len, parts)], dtype=np.int64))

    def select(self, words: Array) -> tuple[Array, Array]:
        """Return the parts of some words, <int64>[parts], and how many each word has, <int64>[words]."""
        lengths = self.offsets[words + 1] - self.offsets[words]
        return self.ids[concatenate_ranges(self.offsets[words], lengths)], lengths

    def of_unknown(self, word: str) -> list[int]:
        """Return the n-grams that a word outside of the vocabulary shares with its words."""
        return [self.ngrams[ngram] for ngram in character_ngrams(word, self.longest) if ngram in self.ngrams]
