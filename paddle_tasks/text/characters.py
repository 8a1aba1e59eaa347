"""Tokens of one visible character each, for what needs the place of every character: emoji, Latin letters, digits."""

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
_UNSEEN = frozenset(("Mn", "Mc", "Me", "Cc", "Cf", "Cs"))
"""Categories of what changes the character before it (an accent, a joiner, a skin tone's selector) or shows nothing."""


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of one text without special ones, nothing cut.

    Attributes:
        input_ids: ``<int32>[tokens]``.
        offsets: ``<int32>[tokens, 2]``, half-open ranges of characters; starts and ends never fall.
    """

    input_ids: Ids
    offsets: Offsets

    def __len__(self) -> int:
        return len(self.input_ids)


class Speller:
    """Spells tokens of several characters: the first as it stands at a word's start, the others as ``##`` pieces."""

    def __init__(self, ids: Mapping[str, int], unk_id: int, normalise: Callable[[str], str]) -> None:
        self._ids, self._unk_id, self._normalise = ids, unk_id, normalise
        self._pieces = lru_cache(maxsize=1 << 16)(self._look_up)

    def spell(self, text: str, tokens: Tokens, is_inside: npt.NDArray[np.bool_]) -> Tokens:
        """Return tokens of one visible character each.

        A visible character that the tokenizer drops, such as the private ones that old telephones have for emoji, is
        [UNK]; white space has no token.

        Args:
            text: the text.
            tokens: its tokens as the tokenizer gives them.
            is_inside: <bool>[tokens], whether a token goes on with the word of the one before it.
        """
        singles = np.diff(tokens.offsets, axis=1)[:, 0] == 1
        ids, starts = tokens.input_ids[singles].tolist(), tokens.offsets[singles, 0].tolist()
        for token in np.flatnonzero(~singles).tolist():
            start, end = tokens.offsets[token].tolist()
            for place in range(start, end):
                pieces = self._pieces(text[place], place > start or bool(is_inside[token]))
                ids += pieces
                starts += [place] * len(pieces)
        dropped = self._dropped(text, starts)
        starts += dropped
        ids += [self._unk_id] * len(dropped)
        order = np.argsort(starts, kind="stable")
        places = np.array(starts, np.int32)[order]
        return Tokens(np.array(ids, np.int32)[order], np.stack([places, places + 1], axis=1))

    def _look_up(self, character: str, inside: bool) -> tuple[int, ...]:
        """Return the ids of a character; one that cleaning takes away has none."""
        plain = self._normalise(character).strip()
        forms = [_INSIDE * (inside or place > 0) + part for place, part in enumerate(plain)]
        found = [self._ids.get(form) for form in forms]
        known = [place for place in found if place is not None]
        # As of a word, of a character some of whose parts are unknown nothing is known.
        return tuple(known) if len(known) == len(forms) else (self._ids.get(character, self._unk_id),)

    @staticmethod
    def _dropped(text: str, starts: list[int]) -> list[int]:
        """Return the places of the visible characters that have no token."""
        rest = set(range(len(text))).difference(starts) if len(set(starts)) < len(text) else ()
        return sorted(place for place in rest if not text[place].isspace() and not is_unseen(text[place]))


def is_unseen(character: str) -> bool:
    """Tell whether a character only changes the one before it, or shows nothing."""
    return unicodedata.category(character) in _UNSEEN and not character.isspace()  # a line feed is Cc as well


def with_marks(text: str, tokens: Tokens) -> Tokens:
    """Return tokens whose ends take in what hangs on them and has no token: accents, joiners, selectors.

    So a span that ends with an emoji holds all of it.
    """
    starts, ends = tokens.offsets[:, 0], tokens.offsets[:, 1].copy()
    following = np.append(starts[1:], len(text))
    for token in np.flatnonzero(following > ends).tolist():
        while ends[token] < following[token] and is_unseen(text[ends[token]]):
            ends[token] += 1
    return Tokens(tokens.input_ids, np.stack([starts, np.maximum.accumulate(ends)], axis=1).astype(np.int32))
