"""Batches: an order that is a function of seed and epoch alone, little padding, and nothing lost on the way."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.data.batches import Features, LengthGroupedBatchSampler, collate

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=300)
SIZES = st.integers(1, 40)
SEEDS = st.one_of(st.none(), st.integers(0, 2**63))


def order(lengths, batch_size=4, seed: int | None = 1, epoch: int = 0) -> list[list[int]]:
    sampler = LengthGroupedBatchSampler(lengths, batch_size, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def padding(lengths, batches) -> float:
    """Return the share of padding among all tokens."""
    padded = sum(len(rows) * max(lengths[row] for row in rows) for rows in batches)
    return 1 - sum(lengths) / padded


def features(*lengths: int) -> list[Features]:
    return [
        Features(
            input_ids=np.arange(1, length + 1, dtype=np.int32) * (row + 1),
            token_type_ids=np.ones(length, np.int32),
            label=row % 2,
        )
        for row, length in enumerate(lengths)
    ]


# ---- order


@given(lengths=LENGTHS, batch_size=SIZES, seed=SEEDS, epoch=st.integers(0, 5))
def test_every_row_stands_in_one_batch(lengths, batch_size, seed, epoch):
    batches = order(lengths, batch_size, seed, epoch)
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    assert all(isinstance(row, int) for rows in batches for row in rows)
    sizes = sorted((len(rows) for rows in batches), reverse=True)
    full, rest = divmod(len(lengths), batch_size)
    assert sizes == [batch_size] * full + [rest] * bool(rest)
    assert len(LengthGroupedBatchSampler(lengths, batch_size, seed)) == len(batches)


def test_the_order_is_a_function_of_seed_and_epoch():
    lengths = np.random.default_rng(0).integers(1, 100, 200)
    first = order(lengths, seed=1, epoch=3)
    np.random.seed(5)  # noqa: NPY002
    sampler = LengthGroupedBatchSampler(lengths, 4, seed=1)
    list(sampler)
    sampler.set_epoch(3)
    assert list(sampler) == list(sampler) == first
    assert order(lengths, seed=2, epoch=3) != first
    assert order(lengths, seed=1, epoch=4) != first
    assert order(lengths, seed=3, epoch=1) != first


def test_numpys_global_generator_is_left_alone():
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    order(range(1, 100))
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_epochs_mix_the_rows_anew():
    lengths = np.random.default_rng(0).integers(1, 100, 500)
    first, second = ({frozenset(rows) for rows in order(lengths, seed=1, epoch=epoch)} for epoch in (0, 1))
    assert len(first & second) < len(first) / 10


def test_grouping_lowers_padding():
    numbers = np.random.default_rng(0)
    lengths = np.clip(numbers.lognormal(4, 0.7, 4000).astype(int), 3, 500)
    shuffled = numbers.permutation(len(lengths)).reshape(-1, 32)
    assert padding(lengths, shuffled) > 0.5
    assert padding(lengths, order(lengths, 32)) < 0.1
    assert padding(lengths, order(lengths, 32, seed=None)) < 0.05


def test_batches_come_in_no_order_of_length():
    lengths = np.random.default_rng(0).integers(1, 300, 1000)
    longest = [max(lengths[row] for row in rows) for rows in order(lengths, 8)]
    rises = sum(after > before for before, after in pairwise(longest))
    assert 0.3 < rises / len(longest) < 0.7


def test_evaluation_begins_with_the_longest():
    assert order([3, 9, 5, 9], 3, seed=None) == [[1, 3, 2], [0]]


# ---- batches


def test_padding_stands_right():
    batch = collate(features(2, 4, 1), [7, 8, 9], pad_id=50)
    assert batch.input_ids.numpy().tolist() == [[1, 2, 50, 50], [2, 4, 6, 8], [3, 50, 50, 50]]
    assert batch.token_type_ids.numpy().tolist() == [[1, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]]
    assert batch.lengths.numpy().tolist() == [2, 4, 1]
    assert batch.labels.numpy().tolist() == [0, 1, 0]
    assert batch.rows == (7, 8, 9)
    assert (batch.n_tokens, batch.n_padded_tokens) == (7, 12)


@pytest.mark.parametrize("name", ["input_ids", "token_type_ids", "lengths", "labels"])
def test_tensors_are_int64(name):
    assert str(getattr(collate(features(2, 3), [0, 1], pad_id=0), name).dtype) == "paddle.int64"
