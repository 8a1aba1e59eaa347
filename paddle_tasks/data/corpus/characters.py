"""The vocabulary of models over characters, which all models of a task share so that their scores can be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from paddle_tasks.arrays import Array

UNKNOWN, START, END, MASK, PADDING = "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]"
_SPECIAL = (START, END, MASK, PADDING)
_N_CODES = 0x110000
REPLACEMENT = "\ufffd"
"""The character that represents the unknown entry in a text."""


class CharacterVocabulary:
    """The characters that a model can predict, one entry for any other, and entries that are inputs only.

    The entries are, in this order: unknown (id 0), the characters, and the four special entries. Those before the
    special ones are the outputs of a model: ids 0 to ``n_outputs`` - 1.

    Attributes:
        entries: the entry of each id.
        n_outputs: the number of entries that can be predicted.
    """

    unknown_id = 0

    def __init__(self, characters: Sequence[str]) -> None:
        """Make a vocabulary of these distinct characters."""
        self.entries = (UNKNOWN, *characters, *_SPECIAL)
        self.n_outputs = 1 + len(characters)
        self.start_id, self.end_id, self.mask_id, self.pad_id = range(self.n_outputs, len(self.entries))

    @classmethod
    def learn(cls, texts: Iterable[str], min_count: int) -> CharacterVocabulary:
        """Return the characters that occur at least ``min_count`` times, the most frequent first.

        Of equally frequent characters the one with the lower code comes first.
        """
        counts = np.zeros(_N_CODES, np.int64)
        for text in texts:
            found, n_times = np.unique(_codes(text), return_counts=True)
            counts[found] += n_times
        codes = np.flatnonzero(counts >= min_count)
        order = np.argsort(-counts[codes], kind="stable")
        return cls([chr(code) for code in codes[order]])

    @property
    def characters(self) -> tuple[str, ...]:
        """The characters, from id 1 on."""
        return self.entries[1 : self.n_outputs]

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, character: object) -> bool:
        return isinstance(character, str) and len(character) == 1 and self._ids[ord(character)] != self.unknown_id

    def encode(self, text: str) -> Array:
        """Return the id of each character <int32>[characters]."""
        ids: Array = self._ids[_codes(text)]
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; special entries are left out, and the unknown one becomes U+FFFD."""
        return "".join(self._texts[token] for token in ids)

    def unknown_types(self, texts: Iterable[str]) -> set[str]:
        """Return the distinct characters of texts that are not in the vocabulary."""
        return {character for text in texts for character in set(text) if self._ids[ord(character)] == 0}

    @cached_property
    def _ids(self) -> Array:
        ids = np.zeros(_N_CODES, np.int32)
        ids[[ord(character) for character in self.characters]] = np.arange(1, self.n_outputs)
        return ids

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        return (REPLACEMENT, *self.characters, *("" for _ in _SPECIAL))


def _codes(text: str) -> Array:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
