"""Batches: an order that depends on seed and epoch only, little padding, and no lost rows."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.data.batching import batches as module
from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler, collate, iterate_batches
from paddle_tasks.data.batching.packed import PackedFeatures
from paddle_tasks.data.batching.prefetch import prefetch
from paddle_tasks.text.packing import PackedIds

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=300)
SIZES = st.integers(1, 40)
SEEDS = st.one_of(st.none(), st.integers(0, 2**63))


def is_on_gpu() -> bool:
    return bool(paddle.device.get_device().startswith("gpu"))


def order(lengths, batch_size=4, seed: int | None = 1, epoch: int = 0, max_tokens=None) -> list[list[int]]:
    sampler = LengthGroupedBatchSampler(lengths, batch_size, seed, max_tokens)
    sampler.set_epoch(epoch)
    return list(sampler)


def padding(lengths, batches) -> float:
    """Return the share of padding among all tokens."""
    padded = sum(len(rows) * max(lengths[row] for row in rows) for rows in batches)
    return 1 - sum(lengths) / padded


def features(*lengths: int, pairs: bool = True) -> PackedFeatures:
    """Rows of 1, 2, 3, …, of 2, 4, 6, … and so on; of a pair all but the first token is its second text."""
    ids = [np.arange(1, length + 1, dtype=np.int32) * (row + 1) for row, length in enumerate(lengths)]
    types = np.concatenate([(np.arange(length) > 0).astype(np.int8) for length in lengths])
    packed = PackedIds(np.concatenate(ids), np.cumsum([0, *lengths]), types if pairs else None)
    return PackedFeatures(packed, np.arange(len(lengths)) % 2)


# ---- parts of a batch


@pytest.mark.parametrize("n_parts", [1, 2, 3, 4, 5, 8])
def test_splitting_a_batch_keeps_its_rows(n_parts):
    batch = collate(features(2, 7, 1, 5, 3), [4, 0, 1, 3, 2], pad_id=0)
    parts = batch.split(n_parts)
    assert len(parts) == -(-5 // -(-5 // n_parts)) <= n_parts
    assert sum((part.rows for part in parts), ()) == batch.rows == (4, 0, 1, 3, 2)
    for name in ("input_ids", "token_type_ids", "lengths", "labels"):
        joined = np.concatenate([getattr(part, name).numpy() for part in parts])
        np.testing.assert_array_equal(joined, getattr(batch, name).numpy(), err_msg=name)
    for name in ("n_tokens", "n_padded_tokens"):
        assert sum(getattr(part, name) for part in parts) == getattr(batch, name)
    for part in parts:
        assert part.n_tokens == int(part.lengths.sum())
        assert part.n_padded_tokens == part.input_ids.size
        assert part.input_ids.shape[0] == len(part.rows)


# ---- order


@given(lengths=LENGTHS, batch_size=SIZES, seed=SEEDS, epoch=st.integers(0, 5))
def test_every_row_is_in_one_batch(lengths, batch_size, seed, epoch):
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


def test_every_epoch_has_other_batches():
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


def test_batches_are_not_sorted_by_length():
    lengths = np.random.default_rng(0).integers(1, 300, 1000)
    longest = [max(lengths[row] for row in rows) for rows in order(lengths, 8)]
    rises = sum(after > before for before, after in pairwise(longest))
    assert 0.3 < rises / len(longest) < 0.7


def test_evaluation_starts_with_the_longest_rows():
    assert order([3, 9, 5, 9], 3, seed=None) == [[1, 3, 2], [0]]


# ---- a budget of tokens


@given(lengths=LENGTHS, batch_size=SIZES, seed=SEEDS, max_tokens=st.integers(1, 2000), epoch=st.integers(0, 5))
def test_max_tokens_bounds_the_padded_size(lengths, batch_size, seed, max_tokens, epoch):
    batches = order(lengths, batch_size, seed, epoch, max_tokens)
    assert sorted(row for rows in batches for row in rows) == list(range(len(lengths)))
    for rows in batches:
        longest = max(lengths[row] for row in rows)
        assert len(rows) <= batch_size
        assert len(rows) * longest <= max_tokens or len(rows) == 1


@given(lengths=LENGTHS, batch_size=SIZES, max_tokens=st.integers(1, 2000))
def test_every_epoch_has_as_many_batches(lengths, batch_size, max_tokens):
    n_batches = len(LengthGroupedBatchSampler(lengths, batch_size, 1, max_tokens))
    assert {len(order(lengths, batch_size, seed, epoch, max_tokens)) for seed in (1, 2) for epoch in range(3)} == {
        n_batches
    }


def test_max_tokens_is_used_with_little_padding_and_other_batches_every_epoch():
    numbers = np.random.default_rng(0)
    lengths = np.clip(numbers.lognormal(4, 0.7, 4000).astype(int), 3, 500)
    epochs = [order(lengths, 1000, epoch=epoch, max_tokens=4000) for epoch in (0, 1)]
    assert padding(lengths, epochs[0]) < 0.05
    assert len(epochs[0]) < 1.1 * lengths.sum() / 4000
    first, second = ({frozenset(rows) for rows in epoch} for epoch in epochs)
    assert len(first & second) < len(first) / 10
    assert order(lengths, 1000, max_tokens=4000) == epochs[0]
    longest = [max(lengths[row] for row in rows) for rows in epochs[0]]
    assert longest not in (sorted(longest), sorted(longest)[::-1])


def test_the_order_without_max_tokens_is_unchanged():
    """A run that was stopped before an update of the program must find its place again."""
    lengths = [5, 3, 9, 3, 7, 1, 8, 2, 6, 4]
    assert order(lengths, 4, seed=7, epoch=2) == [[9, 0, 8, 4], [5, 7, 1, 3], [6, 2]]


# ---- batches


def test_padding_is_on_the_right():
    batch = collate(features(9, 2, 9, 4, 1), [1, 3, 4], pad_id=50)
    assert batch.input_ids.numpy().tolist() == [[2, 4, 50, 50], [4, 8, 12, 16], [5, 50, 50, 50]]
    assert batch.token_type_ids.numpy().tolist() == [[0, 1, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0]]
    assert batch.lengths.numpy().tolist() == [2, 4, 1]
    assert batch.labels.numpy().tolist() == [1, 1, 0]
    assert batch.rows == (1, 3, 4)
    assert all(type(row) is int for row in batch.rows)
    assert (batch.n_tokens, batch.n_padded_tokens) == (7, 12)


def test_a_batch_may_have_no_rows():
    batch = collate(features(2, 7), [], pad_id=0)
    assert (batch.rows, batch.n_tokens, batch.n_padded_tokens) == ((), 0, 0)
    assert (batch.input_ids.shape, batch.labels.shape) == ([0, 0], [0])


def test_single_texts_have_token_type_zero():
    batch = collate(features(2, 3, pairs=False), [1, 0], pad_id=0)
    assert batch.token_type_ids.numpy().tolist() == [[0, 0, 0], [0, 0, 0]]
    assert batch.input_ids.numpy().tolist() == [[2, 4, 6], [1, 2, 0]]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=9), st.data(), st.booleans())
def test_a_batch_is_its_rows_padded(lengths, data, pairs):
    packed = features(*lengths, pairs=pairs)
    rows = data.draw(st.lists(st.sampled_from(range(len(lengths))), min_size=1, max_size=9))
    batch = collate(packed, rows, pad_id=99)
    width = max(lengths[row] for row in rows)
    for place, row in enumerate(rows):
        one = packed[row]
        rest = width - lengths[row]
        assert batch.input_ids.numpy()[place].tolist() == [*one["input_ids"], *[99] * rest]
        assert batch.token_type_ids.numpy()[place].tolist() == [*one["token_type_ids"], *[0] * rest]
        assert batch.labels.numpy()[place] == one["label"]
    assert batch.n_tokens == sum(lengths[row] for row in rows)


@pytest.mark.parametrize("name", ["input_ids", "token_type_ids", "lengths", "labels"])
def test_tensors_are_int64(name):
    assert str(getattr(collate(features(2, 3), [0, 1], pad_id=0), name).dtype) == "paddle.int64"


@pytest.mark.parametrize("in_thread", [False, True], ids=["here", "in a thread"])
def test_batches_keep_their_order(monkeypatch, in_thread):
    threads = []

    def recorded(source):
        for item in source:
            threads.append(threading.current_thread().name)
            yield item

    monkeypatch.setattr(module, "prefetch", lambda source, enabled: prefetch(recorded(source), enabled=in_thread))
    packed = features(2, 4, 1, 3)
    found = list(iterate_batches(packed, [[3, 1], [0], [2]], pad_id=50))
    assert [batch.rows for batch in found] == [(3, 1), (0,), (2,)]
    assert [batch.input_ids.shape for batch in found] == [[2, 4], [1, 2], [1, 1]]
    assert set(threads) == {"prefetch" if in_thread else threading.main_thread().name}


def test_prefetching_is_enabled_on_a_gpu_only(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "prefetch", lambda source, enabled: asked.append(enabled) or prefetch(source))
    assert len(list(iterate_batches(features(2, 4), [[0], [1]], pad_id=0))) == 2
    assert asked == [is_on_gpu()]


def test_a_gpu_gets_its_batches_from_a_thread_and_from_pinned_memory(monkeypatch):
    """With stand-ins for what only a GPU has."""
    asked = []

    class Pinned:
        def cuda(self, blocking):
            asked.append(blocking)
            return "on the device"

    monkeypatch.setattr(module.paddle.device, "get_device", lambda: "gpu:0")
    monkeypatch.setattr(module.paddle, "CUDAPinnedPlace", lambda: "pinned")
    monkeypatch.setattr(module.paddle, "to_tensor", lambda array, place: {"pinned": Pinned()}[place])
    (batch,) = iterate_batches(features(2, 3), [[0, 1]], pad_id=0)
    assert (batch.input_ids, batch.labels, batch.n_tokens) == ("on the device", "on the device", 5)
    assert asked == [False] * 4


@pytest.mark.gpu
@pytest.mark.skipif(not is_on_gpu(), reason="no GPU")
def test_a_batch_is_the_same_on_a_gpu():
    batch = collate(features(2, 4), [1, 0], pad_id=9)
    assert batch.input_ids.place.is_gpu_place()
    assert batch.input_ids.numpy().tolist() == [[2, 4, 6, 8], [1, 2, 9, 9]]
