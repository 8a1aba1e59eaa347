"""What is kept of a text that is too long: its head, its tail, both, or all of it in windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from paddle_tasks.text.packing import Counts, Ids, PackedIds, assemble, ranges

Method = Literal["head", "tail", "head_tail", "windows"]
HEAD_SHARE = 4
"""`head_tail` keeps a quarter as the head: 128 of 510 tokens and 382 of the tail is what Sun et al. 2019 found best
(https://arxiv.org/abs/1905.05583, section 5.3.1)."""


@dataclass(frozen=True)
class Truncation:
    """How texts are cut.

    Attributes:
        method: which tokens are kept.
        overlap: tokens that a window shares with the one before it; only of `windows`.
        max_windows: of a text with more windows the first ones are kept; only of `windows`.
    """

    method: Method = "head"
    overlap: int = 0
    max_windows: int | None = None


def truncated(whole: PackedIds, truncation: Truncation, *, max_length: int, cls_id: int, sep_id: int) -> PackedIds:
    """Return texts as rows of what is kept of them.

    Args:
        whole: the texts' encodings, [CLS] … [SEP], nothing of them cut.
        truncation: how they are cut.
        max_length: most tokens of a row, or of a window, special tokens included; more than 2 and the overlap.
        cls_id: the id before a text or window.
        sep_id: the id behind it.

    Returns:
        Rows [CLS] … [SEP]; of `windows` as many of these one after another as the text has windows, of which all but
        the last are ``max_length`` long.
    """
    starts, counts = whole.offsets[:-1] + 1, whole.lengths - 2
    room = max_length - 2
    if truncation.method == "windows":
        return _windows(whole, truncation, max_length, cls_id, sep_id)
    kept = np.minimum(counts, room)
    head = {"head": kept, "tail": np.zeros_like(kept)}.get(truncation.method, np.minimum(kept, room // HEAD_SHARE))
    tail = kept - head
    # Piece by piece, a text's head before its tail.
    pieces = np.stack([starts, starts + counts - tail], axis=1).ravel(), np.stack([head, tail], axis=1).ravel()
    return assemble([(whole.input_ids[ranges(*pieces)], kept)], max_length, cls_id, sep_id)


def _windows(whole: PackedIds, truncation: Truncation, max_length: int, cls_id: int, sep_id: int) -> PackedIds:
    starts, counts = whole.offsets[:-1] + 1, whole.lengths - 2
    text, behind, kept = windows(counts, max_length - 2, truncation.overlap, truncation.max_windows)
    flat: tuple[Ids, Counts] = whole.input_ids[ranges(starts[text] + behind, kept)], kept
    cut = assemble([flat], max_length, cls_id, sep_id)
    n_windows = np.bincount(text, minlength=len(counts))
    of_text = np.concatenate([np.zeros(1, np.int64), np.cumsum(n_windows)])
    return PackedIds(cut.input_ids, cut.offsets[of_text])


def windows(counts: Counts, room: int, overlap: int, max_windows: int | None = None) -> tuple[Counts, Counts, Counts]:
    """Return the windows of texts, of each text one at least.

    Args:
        counts: the tokens of each text, ``<int64>[texts]``.
        room: most tokens of a window; all but a text's last one have as many.
        overlap: tokens that a window shares with the one before it, less than ``room``.
        max_windows: of a text with more windows the first ones are kept.

    Returns:
        Of each window its text, where it begins among the text's tokens, and its tokens, ``<int64>[windows]`` each.
    """
    step = room - overlap
    n_windows = 1 + np.maximum(0, -(-(counts - room) // step))
    if max_windows:
        n_windows = np.minimum(n_windows, max_windows)
    text = np.repeat(np.arange(len(counts)), n_windows)
    behind = ranges(np.zeros_like(n_windows), n_windows) * step
    return text, behind, np.minimum(room, counts[text] - behind)
