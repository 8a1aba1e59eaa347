"""Pairs of dev or test that train has too, exactly or nearly, on either side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.data.corpus.near_duplicates import NearDuplicates
from paddle_tasks.data.parallel.pairs import FIELDS, Pair

SIDES = FIELDS


def exact_leaks(train: Sequence[Pair], pairs: Sequence[Pair]) -> Mapping[str, Array]:
    """Return for each side <bool>[pairs], the texts that are in train on that side, character by character."""
    return {side: _is_among(_texts(train, side), _texts(pairs, side)) for side in SIDES}


def near_leaks(train: Sequence[Pair], pairs: Sequence[Pair], threshold: float = 0.8) -> Mapping[str, Array]:
    """Return for each side <bool>[pairs], the texts that are exactly or nearly in train on that side.

    Args:
        train: the pairs of train.
        pairs: the pairs of dev or test.
        threshold: as for `paddle_tasks.data.corpus.near_duplicates.NearDuplicates`.
    """
    return {side: _is_near(_texts(train, side), _texts(pairs, side), threshold) for side in SIDES}


def _texts(pairs: Sequence[Pair], side: str) -> list[str]:
    return [getattr(pair, side) for pair in pairs]


def _is_among(known: Sequence[str], texts: Sequence[str]) -> Array:
    found = set(known)
    return np.array([text in found for text in texts], np.bool_)


def _is_near(known: Sequence[str], texts: Sequence[str], threshold: float) -> Array:
    """Return which texts are near one of many others.

    The index of near duplicates is that of the few texts, since memory grows with it: those of ``known`` that are near
    any of them become the index that the few are then compared with.
    """
    is_near = NearDuplicates(texts, threshold).find(known)
    found: Array = NearDuplicates([text for text, near in zip(known, is_near, strict=True) if near], threshold).find(
        texts
    )
    return found
