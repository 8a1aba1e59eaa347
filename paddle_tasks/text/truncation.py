"""Truncation of long texts: keep the head, the tail, both, or the whole text in windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from paddle_tasks.text.packing import Counts, Ids, PackedIds, assemble, concatenate_ranges

Method = Literal["head", "tail", "head_tail", "windows"]
HEAD_SHARE = 4
"""`head_tail` keeps 1 / HEAD_SHARE of the tokens as the head. Sun et al. 2019 found 128 head and 382 tail tokens best
(https://arxiv.org/abs/1905.05583, section 5.3.1)."""


@dataclass(frozen=True)
class Truncation:
    """How texts are truncated.

    Attributes:
        method: which tokens are kept.
        overlap: the number of tokens that a window shares with the previous one; only for ``windows``.
        max_windows: the maximum number of windows of a text, counted from its start; only for ``windows``.
    """

    method: Method = "head"
    overlap: int = 0
    max_windows: int | None = None


def truncate(whole: PackedIds, truncation: Truncation, *, max_length: int, cls_id: int, sep_id: int) -> PackedIds:
    """Truncate texts.

    Args:
        whole: the complete encodings of the texts, [CLS] … [SEP].
        truncation: which tokens are kept.
        max_length: the maximum number of tokens of a row or window, including special tokens; must exceed the overlap
            by more than 2.
        cls_id: the id before a text or window.
        sep_id: the id after it.

    Returns:
        One row [CLS] … [SEP] for each text. With ``windows``, a row is the concatenation of the text's windows, each
        [CLS] … [SEP]; all but the last have ``max_length`` tokens.
    """
    starts, counts = whole.offsets[:-1] + 1, whole.lengths - 2
    max_kept = max_length - 2
    if truncation.method == "windows":
        return _windows(whole, truncation, max_length, cls_id, sep_id)
    kept = np.minimum(counts, max_kept)
    head = {"head": kept, "tail": np.zeros_like(kept)}.get(truncation.method, np.minimum(kept, max_kept // HEAD_SHARE))
    tail = kept - head
    # The starts and lengths of the pieces: each text's head, then its tail.
    pieces = np.stack([starts, starts + counts - tail], axis=1).ravel(), np.stack([head, tail], axis=1).ravel()
    return assemble([(whole.input_ids[concatenate_ranges(*pieces)], kept)], max_length, cls_id, sep_id)


def _windows(whole: PackedIds, truncation: Truncation, max_length: int, cls_id: int, sep_id: int) -> PackedIds:
    starts, counts = whole.offsets[:-1] + 1, whole.lengths - 2
    text, begins, lengths = windows(counts, max_length - 2, truncation.overlap, truncation.max_windows)
    window_ids: Ids = whole.input_ids[concatenate_ranges(starts[text] + begins, lengths)]
    packed = assemble([(window_ids, lengths)], max_length, cls_id, sep_id)
    n_windows = np.bincount(text, minlength=len(counts))
    first_window = np.concatenate([np.zeros(1, np.int64), np.cumsum(n_windows)])
    return PackedIds(packed.input_ids, packed.offsets[first_window])


def windows(
    counts: Counts, window_size: int, overlap: int, max_windows: int | None = None
) -> tuple[Counts, Counts, Counts]:
    """Return the windows of texts, at least one for each text.

    For example, a text of 10 tokens has windows at 0, 2, 4 and 6 with ``window_size=4`` and ``overlap=2``.

    Args:
        counts: ``<int64>[texts]``, the number of tokens of each text.
        window_size: the maximum number of tokens of a window; only the last window of a text may have fewer.
        overlap: the number of tokens that a window shares with the previous one, less than ``window_size``.
        max_windows: the maximum number of windows of a text, counted from its start.

    Returns:
        For each window: the index of its text, its first token in that text, and its length, ``<int64>[windows]`` each.
    """
    step = window_size - overlap
    n_windows = 1 + np.maximum(0, -(-(counts - window_size) // step))
    if max_windows:
        n_windows = np.minimum(n_windows, max_windows)
    text = np.repeat(np.arange(len(counts)), n_windows)
    begins = concatenate_ranges(np.zeros_like(n_windows), n_windows) * step
    return text, begins, np.minimum(window_size, counts[text] - begins)
