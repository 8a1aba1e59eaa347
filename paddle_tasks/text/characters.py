"""Character-level tokens, so that a span may start or end at any visible character: emoji, Latin letters, digits."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int32]

_INSIDE = "##"
_NOT_ALONE = frozenset(("Mn", "Mc", "Me", "Cc", "Cf", "Cs"))
"""Unicode categories of characters that modify the previous one (accents, joiners, selectors) or are invisible."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of one text, untruncated and without special tokens.

    Attributes:
        input_ids: ``<int32>[tokens]``.
        offsets: ``<int32>[tokens, 2]``, half-open character ranges; neither starts nor ends ever decrease.
    """

    input_ids: Ids
    offsets: Offsets

    def __len__(self) -> int:
        return len(self.input_ids)


class Speller:
    """Splits tokens into characters; every character that is not at the start of a word becomes a ``##`` piece."""

    def __init__(self, ids: Mapping[str, int], unk_id: int, normalise: Callable[[str], str]) -> None:
        self._ids, self._unk_id, self._normalise = ids, unk_id, normalise
        self._cached_ids = lru_cache(maxsize=1 << 16)(self._look_up)

    def spell(self, text: str, tokens: Tokens, is_inside: npt.NDArray[np.bool_]) -> Tokens:
        """Return one token for each visible character.

        A visible character that the tokenizer drops, such as the private-use emoji of old phones, becomes [UNK].
        White space has no token.

        Args:
            text: the text.
            tokens: its tokens from the tokenizer.
            is_inside: ``<bool>[tokens]``, whether a token continues the word of the previous token.
        """
        singles = np.diff(tokens.offsets, axis=1)[:, 0] == 1
        ids, starts = tokens.input_ids[singles].tolist(), tokens.offsets[singles, 0].tolist()
        for token in np.flatnonzero(~singles).tolist():
            start, end = tokens.offsets[token].tolist()
            for position in range(start, end):
                character_ids = self._cached_ids(text[position], position > start or bool(is_inside[token]))
                ids += character_ids
                starts += [position] * len(character_ids)
        dropped = self._dropped(text, starts)
        starts += dropped
        ids += [self._unk_id] * len(dropped)
        order = np.argsort(starts, kind="stable")
        positions = np.array(starts, np.int32)[order]
        return Tokens(np.array(ids, np.int32)[order], np.stack([positions, positions + 1], axis=1))

    def _look_up(self, character: str, inside: bool) -> tuple[int, ...]:
        """Return the ids of a character; none if cleaning removes it."""
        # Cleaning removes lone surrogates too, but the normaliser cannot take them as input.
        plain = "" if unicodedata.category(character) == "Cs" else self._normalise(character).strip()
        entries = [_INSIDE * (inside or index > 0) + part for index, part in enumerate(plain)]
        ids = [self._ids[entry] for entry in entries if entry in self._ids]
        # As with words, a character is unknown if any of its parts is.
        return tuple(ids) if len(ids) == len(entries) else (self._ids.get(character, self._unk_id),)

    @staticmethod
    def _dropped(text: str, starts: list[int]) -> list[int]:
        """Return the positions of the visible characters that have no token."""
        rest = set(range(len(text))).difference(starts) if len(set(starts)) < len(text) else ()
        return sorted(i for i in rest if not text[i].isspace() and not is_combining_or_invisible(text[i]))


def is_combining_or_invisible(character: str) -> bool:
    """Return whether a character only modifies the previous one, or is invisible; white space is neither."""
    return unicodedata.category(character) in _NOT_ALONE and not character.isspace()  # a line feed is Cc as well


def include_marks(text: str, tokens: Tokens) -> Tokens:
    """Extend the end of each token over the marks after it that have no token: accents, joiners, selectors.

    A span that ends with an emoji then contains the whole emoji.
    """
    starts, ends = tokens.offsets[:, 0], tokens.offsets[:, 1].copy()
    following = np.append(starts[1:], len(text))
    for token in np.flatnonzero(following > ends).tolist():
        while ends[token] < following[token] and is_combining_or_invisible(text[ends[token]]):
            ends[token] += 1
    return Tokens(tokens.input_ids, np.stack([starts, np.maximum.accumulate(ends)], axis=1).astype(np.int32))
