"""Token masking for a masked language model: which tokens it must predict, and what replaces them in the input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Ids = np.ndarray[Any, np.dtype[np.int32]]
Positions = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Masking:
    """How many tokens are selected and what replaces them; by default BERT's 15 %, split 80 / 10 / 10 %.

    Source: Devlin et al., 2019, https://arxiv.org/abs/1810.04805, section 3.1, for single tokens; Sun et al., 2019,
    https://arxiv.org/abs/1904.09223, section 3.2, for whole words (ERNIE's phrases).

    Attributes:
        rate: the share of a passage's tokens that is selected; at least one unit (a token or a whole word).
        mask_prob: the share of the selected units that becomes [MASK].
        random_prob: the share of them that is replaced by random entries; the rest stays unchanged.
        character_share: the share of the passages in which every token is a unit of its own, whatever the word
            boundaries. A model that has only seen whole words hidden takes the neighbours of a hidden character for
            other words.
    """

    rate: float = 0.15
    mask_prob: float = 0.8
    random_prob: float = 0.1
    character_share: float = 0.0

    def apply(
        self, ids: Ids, starts: Flags, mask_id: int, random_ids: Positions, generator: np.random.Generator
    ) -> tuple[Positions, Ids]:
        """Select units of a passage and mask them.

        Args:
            ids: ``<int32>[tokens]``, at least one, without special tokens.
            starts: ``<bool>[tokens]``, whether a unit starts at a token; the first is true. Units are masked whole.
            mask_id: the id of [MASK].
            random_ids: ``<int64>[entries]``, the ids that random replacements are drawn from.
            generator: the source of all randomness.

        Returns:
            The selected positions ``<int64>[selected]`` in ascending order, and the masked passage ``<int32>[tokens]``.
        """
        if self.character_share and generator.random() < self.character_share:
            starts = np.ones_like(starts)
        first = np.flatnonzero(starts)
        lengths = np.diff(first, append=len(ids))
        selected = _take_within(generator.permutation(len(first)), lengths, round(self.rate * len(ids)))
        # One draw in [0, 1) decides the treatment of a selected unit and all its tokens; the others have infinity.
        draws = np.full(len(first), np.inf)
        draws[selected] = generator.random(len(selected))
        draws = np.repeat(draws, lengths)
        masked = np.where(draws < self.mask_prob, mask_id, ids).astype(np.int32)
        replaced = np.flatnonzero((draws >= self.mask_prob) & (draws < self.mask_prob + self.random_prob))
        masked[replaced] = generator.choice(random_ids, len(replaced))
        return np.flatnonzero(draws < 1), masked


def _take_within(order: Positions, lengths: Positions, budget: int) -> Positions:
    """Return the first units of ``order`` that together have at most ``budget`` tokens, but at least one unit."""
    kept = int(np.searchsorted(np.cumsum(lengths[order]), budget, side="right"))
    return order[: max(1, kept)]
