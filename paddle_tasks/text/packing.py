"""Ids of many texts in one array without padding: [CLS] and [SEP] are added and long texts truncated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PackedIds:
    """Encoded rows, concatenated without padding.

    Attributes:
        input_ids: ``<int32>[tokens]``, each row from [CLS] to its last [SEP].
        offsets: ``<int64>[rows + 1]``; row r is ``input_ids[offsets[r]:offsets[r + 1]]``.
        token_type_ids: ``<int8>[tokens]``, 0 in the first text and 1 in the second; None if they are all 0.
    """

    input_ids: Ids
    offsets: Counts
    token_type_ids: npt.NDArray[np.int8] | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Counts:
        """The number of tokens of each row, ``<int64>[rows]``."""
        return np.diff(self.offsets)

    def pad(self, rows: Counts, pad_id: int, length: int) -> tuple[Counts, Counts]:
        """Return ids and token types ``<int64>[rows, length]`` of some rows, padded at the end.

        Args:
            rows: ``<int64>[rows]``, the indices of the rows.
            pad_id: the id in the padding, whose token type is 0.
            length: at least the number of tokens of the longest of these rows.
        """
        starts, columns = self.offsets[rows], np.arange(length)
        is_real = columns < (self.offsets[rows + 1] - starts)[:, None]
        sources = (starts[:, None] + columns)[is_real]
        ids = np.full(is_real.shape, pad_id, dtype=np.int64)
        ids[is_real] = self.input_ids[sources]
        types = np.zeros(is_real.shape, dtype=np.int64)
        if self.token_type_ids is not None:
            types[is_real] = self.token_type_ids[sources]
        return ids, types


def assemble(parts: Sequence[tuple[Ids, Counts]], max_length: int, cls_id: int, sep_id: int) -> PackedIds:
    """Build rows ``[CLS] a [SEP]``, or ``[CLS] a [SEP] b [SEP]`` for pairs, and truncate them.

    Args:
        parts: the first texts and, for pairs, the second texts, each as the ids of all texts ``<int32>[tokens]`` and
            the number of tokens of each text ``<int64>[rows]``.
        max_length: the maximum number of tokens of a row, including special tokens.
        cls_id: the id before the first text.
        sep_id: the id after each text.
    """
    kept = fit_lengths([counts for _, counts in parts], max_length - 1 - len(parts))
    offsets = _offsets_of(np.sum(kept, axis=0) + len(parts) + 1)
    input_ids = np.full(offsets[-1], sep_id, np.int32)  # overwritten everywhere except after each text
    input_ids[offsets[:-1]] = cls_id
    start = offsets[:-1] + 1
    for (ids, counts), n_kept in zip(parts, kept, strict=True):
        input_ids[concatenate_ranges(start, n_kept)] = ids[concatenate_ranges(_offsets_of(counts)[:-1], n_kept)]
        start = start + n_kept + 1
    return PackedIds(input_ids, offsets, _pair_types(*kept) if len(kept) == 2 else None)


def concatenate_rows(first: PackedIds, second: PackedIds) -> PackedIds:
    """Append the rows of ``second`` to those of ``first``; the token types (0 and 1) tell them apart."""
    lengths = np.stack([first.lengths, second.lengths], axis=1)
    offsets = _offsets_of(lengths.sum(axis=1))
    types = np.repeat(np.tile(np.array([0, 1], np.int8), len(lengths)), lengths.ravel())
    input_ids = np.empty(offsets[-1], np.int32)
    input_ids[types == 0], input_ids[types == 1] = first.input_ids, second.input_ids
    return PackedIds(input_ids, offsets, types)


def fit_lengths(counts: Sequence[Counts], max_tokens: int) -> list[Counts]:
    """Return how many tokens to keep of each text, or of both texts of each pair, to stay within ``max_tokens``.

    The longer text is cut first; an odd token goes to it (to the second text if both have the same length). For
    example, lengths 9 and 4 become 6 and 4 with ``max_tokens=10``, and 9 and 8 become 5 and 4 with ``max_tokens=9``.

    Args:
        counts: ``<int64>[rows]`` for the texts or, for pairs, for the first and the second texts.
        max_tokens: the maximum of a row, without special tokens.
    """
    if len(counts) == 1:
        return [np.minimum(counts[0], max_tokens)]
    first, second = counts
    shorter = np.minimum(np.minimum(first, second), max_tokens // 2)
    fits, first_is_longer = first + second <= max_tokens, first > second
    return [
        np.where(fits, first, np.where(first_is_longer, max_tokens - shorter, shorter)),
        np.where(fits, second, np.where(first_is_longer, shorter, max_tokens - shorter)),
    ]


def _pair_types(first: Counts, second: Counts) -> npt.NDArray[np.int8]:
    widths = np.stack([first + 2, second + 1], axis=1)
    return np.repeat(np.tile(np.array([0, 1], np.int8), len(widths)), widths.ravel())


def concatenate_ranges(starts: Counts, lengths: Counts) -> Counts:
    """Return the concatenation of ``range(start, start + length)``: starts 5, 0 and lengths 2, 3 give 5, 6, 0, 1, 2."""
    indices = np.arange(lengths.sum(), dtype=np.int64)
    indices += np.repeat(starts - _offsets_of(lengths)[:-1], lengths)
    return indices


def _offsets_of(lengths: Counts) -> Counts:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
