"""Which tokens of a passage a masked language model has to name, and what stands there instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Ids = np.ndarray[Any, np.dtype[np.int32]]
Places = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Masking:
    """How many tokens are chosen, and what becomes of them: BERT's 15 %, of which 80 / 10 / 10 % by default.

    Source: Devlin et al., 2019, https://arxiv.org/abs/1810.04805, section 3.1, for single tokens; Sun et al., 2019,
    https://arxiv.org/abs/1904.09223, section 3.2, for whole words (ERNIE's phrases).

    Attributes:
        rate: part of the tokens that is chosen, at least one token of a passage.
        mask_prob: part of the chosen units that becomes [MASK].
        random_prob: part of them that becomes random entries; the rest stays as it is.
        character_share: part of the passages of which every token is a unit, whatever is said of units. A model that
            has only seen whole words hidden takes the neighbours of a hidden character for other words.
    """

    rate: float = 0.15
    mask_prob: float = 0.8
    random_prob: float = 0.1
    character_share: float = 0.0

    def apply(
        self, ids: Ids, starts: Flags, mask_id: int, words: Places, generator: np.random.Generator
    ) -> tuple[Places, Ids]:
        """Choose units of a passage and hide them.

        Args:
            ids: <int32>[n], at least one, without special tokens.
            starts: <bool>[n], where a unit starts, the first of which is true; units are chosen and hidden whole.
            mask_id: the id of [MASK].
            words: <int64>[entries], the ids that a random entry may be.
            generator: all randomness.

        Returns:
            The chosen places <int64>[m], rising, and the passage <int32>[n] with these hidden.
        """
        if self.character_share and generator.random() < self.character_share:
            starts = np.ones_like(starts)
        first = np.flatnonzero(starts)
        lengths = np.diff(first, append=len(ids))
        chosen = _within(generator.permutation(len(first)), lengths, round(self.rate * len(ids)))
        # A number below 1 decides what becomes of a chosen unit, and of all its tokens.
        fates = np.full(len(first), np.inf)
        fates[chosen] = generator.random(len(chosen))
        fates = np.repeat(fates, lengths)
        hidden = np.where(fates < self.mask_prob, mask_id, ids).astype(np.int32)
        replaced = np.flatnonzero((fates >= self.mask_prob) & (fates < self.mask_prob + self.random_prob))
        hidden[replaced] = generator.choice(words, len(replaced))
        return np.flatnonzero(fates < 1), hidden


def _within(order: Places, lengths: Places, budget: int) -> Places:
    """Return the first units of an order that have at most so many tokens together, and one at least."""
    kept = int(np.searchsorted(np.cumsum(lengths[order]), budget, side="right"))
    return order[: max(1, kept)]
