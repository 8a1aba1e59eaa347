"""Causal attention in blocks against attention to all keys with a mask, and causality itself."""

from __future__ import annotations

import numpy as np
import pytest

from paddle_tasks.onednn.attention import Attention, Dropout, Heads
from paddle_tasks.onednn.causal_attention import CausalAttention, later_keys
from paddle_tasks.onednn.primitives import convert, to_bfloat16

SHAPE = BATCH, HEADS, LENGTH, SIZE = 2, 3, 150, 8  # two whole blocks and a part of one


def outcome(call_of, heads: Heads, gradient):
    """Return the contexts, and the gradients of queries, keys and values, as <float32>."""
    out = np.empty_like(heads.queries)
    call, gradients = call_of(heads, out), Heads(*(np.empty_like(part) for part in heads))
    call.backward(gradient, gradients)
    return [widen(part) for part in (out, *gradients)]


def widen(values):
    wide = np.empty(values.shape, np.float32)
    convert(values, wide)
    return wide


@pytest.mark.parametrize(("bfloat16", "tolerance"), [(False, 1e-5), (True, 2e-2)])
@pytest.mark.parametrize("drops", [False, True])
def test_blocks_are_attention_with_a_mask(draw, bfloat16, tolerance, drops):
    heads, gradient = [draw(*SHAPE) for _ in range(3)], draw(*SHAPE)
    if bfloat16:
        heads, gradient = [to_bfloat16(part) for part in heads], to_bfloat16(gradient)
    dropout = Dropout(draw(BATCH, HEADS, LENGTH, LENGTH) > -0.67, 4 / 3) if drops else None
    mask = later_keys(LENGTH, LENGTH)
    ours = outcome(lambda h, out: CausalAttention.attend(h, dropout, out), Heads(*heads), gradient)
    theirs = outcome(lambda h, out: Attention.attend(h, mask, dropout, out), Heads(*heads), gradient)
    assert [np.abs(a - b).max() / np.abs(b).max() < tolerance for a, b in zip(ours, theirs, strict=True)] == [True] * 4


def test_a_position_does_not_depend_on_later_ones(draw):
    heads = Heads(*(draw(*SHAPE) for _ in range(3)))
    before, after = np.empty(SHAPE, np.float32), np.empty(SHAPE, np.float32)
    CausalAttention.attend(heads, None, before)
    for part in heads:
        part[:, :, 100:] = draw(BATCH, HEADS, LENGTH - 100, SIZE)
    CausalAttention.attend(heads, None, after)
    np.testing.assert_array_equal(before[:, :, :100], after[:, :, :100])
    assert (before[:, :, 100] != after[:, :, 100]).any()


def test_the_last_query_has_the_position_of_the_last_key():
    assert (later_keys(2, 4) < 0).tolist() == [[False, False, False, True], [False, False, False, False]]
