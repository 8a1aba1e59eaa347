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
    """

    rate: float = 0.15
    mask_prob: float = 0.8
    random_prob: float = 0.1

    def apply(
        self, ids: Ids, starts: Flags, mask_id: int, words: tuple[int, int], generator: np.random.Generator
    ) -> tuple[Places, Ids]:
        """Choose units of a passage and hide them.

        Args:
            ids: <int32>[n], without special tokens.
            starts: <bool>[n], where a unit starts; units are chosen and hidden whole.
            mask_id: the id of [MASK].
            words: the first id that a random entry may be, and the one behind the last.
            generator: all randomness.

        Returns:
            The chosen places <int64>[m], rising, and the passage <int32>[n] with these hidden.
        """
        first = np.flatnonzero(starts)
        lengths = np.diff(first, append=len(ids))
        chosen = _within(generator.permutation(len(first)), lengths, max(1, round(self.rate * len(ids))))
        unit = np.repeat(np.arange(len(first)), lengths)
        fate = np.full(len(first), 2.0)
        fate[chosen] = generator.random(len(chosen))
        fates = fate[unit]
        hidden = np.where(fates < self.mask_prob, mask_id, ids).astype(np.int32)
        replaced = np.flatnonzero((fates >= self.mask_prob) & (fates < self.mask_prob + self.random_prob))
        hidden[replaced] = generator.integers(*words, len(replaced))
        return np.flatnonzero(fates < 1), hidden


def _within(order: Places, lengths: Places, budget: int) -> Places:
    """Return the first units of an order that have at most so many tokens together, and one at least."""
    kept = int(np.searchsorted(np.cumsum(lengths[order]), budget, side="right"))
    return order[: max(1, kept)]
