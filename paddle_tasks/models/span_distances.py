"""The classes of distances between two spans; see `paddle_tasks.models.span_pairs`. Nothing here imports Paddle."""

from __future__ import annotations

DISTANCES = (1, 2, 3, 4, 5, 8, 16, 32, 64)
"""Smallest number of tokens between two spans for each class after the first (Lee et al. 2017, section 4.1)."""

OVERLAP = 2 * (len(DISTANCES) + 1)
IMPLICIT = OVERLAP + 1
"""The classes of overlapping spans and of the implicit aspect, after those of two directions."""
