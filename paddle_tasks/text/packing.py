"""Ids of many texts in one array: [CLS] and [SEP] put round them, and what is too long cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PackedIds:
    """Encodings one after another, without padding.

    Attributes:
        input_ids: ``<int32>[tokens]``, each row from [CLS] to its last [SEP].
        offsets: ``<int64>[rows + 1]``; row r is ``input_ids[offsets[r]:offsets[r + 1]]``.
        token_type_ids: ``<int8>[tokens]``, 0 in the first text and 1 in the second; None when they are all 0.
    """

    input_ids: Ids
    offsets: Counts
    token_type_ids: npt.NDArray[np.int8] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Counts:
        """The tokens of each row, ``<int64>[rows]``."""
        return np.diff(self.offsets)


def assemble(parts: Sequence[tuple[Ids, Counts]], max_length: int, cls_id: int, sep_id: int) -> PackedIds:
    """Put texts, or texts and their second texts, into rows.

    Args:
        parts: the first texts and, for pairs, the second ones, each as ids ``[n]`` and their number ``[rows]``.
        max_length: most tokens of a row, special tokens included.
        cls_id: the id before the first text.
        sep_id: the id behind each text.
    """
    kept = shares([counts for _, counts in parts], max_length - 1 - len(parts))
    offsets = _starts(np.sum(kept, axis=0) + len(parts) + 1)
    input_ids = np.full(offsets[-1], sep_id, np.int32)  # [SEP] stays where nothing else is put
    input_ids[offsets[:-1]] = cls_id
    start = offsets[:-1] + 1
    for (ids, counts), kept_here in zip(parts, kept, strict=True):
        input_ids[ranges(start, kept_here)] = ids[ranges(_starts(counts)[:-1], kept_here)]
        start = start + kept_here + 1
    return PackedIds(input_ids, offsets, _types(*kept) if len(kept) == 2 else None)


def side_by_side(first: PackedIds, second: PackedIds) -> PackedIds:
    """Return rows of a first text's encoding and right behind it a second one's, told apart by their token types."""
    lengths = np.stack([first.lengths, second.lengths], axis=1)
    offsets = _starts(lengths.sum(axis=1))
    types = np.repeat(np.tile(np.array([0, 1], np.int8), len(lengths)), lengths.ravel())
    input_ids = np.empty(offsets[-1], np.int32)
    input_ids[types == 0], input_ids[types == 1] = first.input_ids, second.input_ids
    return PackedIds(input_ids, offsets, types)


def shares(counts: Sequence[Counts], room: int) -> list[Counts]:
    """Return how many tokens of each text, or of both texts of each pair, fit into ``room``.

    The longer text gives way first, and an odd place is left to it (to the second when both are as long).
    """
    if len(counts) == 1:
        return [np.minimum(counts[0], room)]
    first, second = counts
    shorter = np.minimum(np.minimum(first, second), room // 2)
    fits, first_gives_way = first + second <= room, first > second
    return [
        np.where(fits, first, np.where(first_gives_way, room - shorter, shorter)),
        np.where(fits, second, np.where(first_gives_way, shorter, room - shorter)),
    ]


def _types(first: Counts, second: Counts) -> npt.NDArray[np.int8]:
    widths = np.stack([first + 2, second + 1], axis=1)
    return np.repeat(np.tile(np.array([0, 1], np.int8), len(widths)), widths.ravel())


def ranges(starts: Counts, lengths: Counts) -> Counts:
    """Return ``start, start + 1, …`` for each start, as many as its length says, one after another."""
    places = np.arange(lengths.sum(), dtype=np.int64)
    places += np.repeat(starts - _starts(lengths)[:-1], lengths)
    return places


def _starts(lengths: Counts) -> Counts:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
