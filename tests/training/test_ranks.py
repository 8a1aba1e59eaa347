"""Several ranks without processes: shards, gradient buffers and common decisions; one rank runs after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import paddle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.errors import ConfigError, Interrupted, RunStopped
from paddle_tasks.training import ranks as ranks_module
from paddle_tasks.training.loop import step_seed
from paddle_tasks.training.ranks import Ranks, assign_gradients, bucket_parameters, flatten_gradients
from paddle_tasks.training.settings import OptimizerSection
from paddle_tasks.training.stopping import StopSignal

from .toy import Rows, batches, make_loop, make_toy


@dataclass(frozen=True)
class PlayedRank(Ranks):
    """One of two ranks. It records what it exchanges; given the other's record, it adds that."""

    size: int = 2
    kept: list[np.ndarray] = field(default_factory=list)
    others: Iterator[np.ndarray] | None = None

    def all_reduce(self, tensor: paddle.Tensor) -> paddle.Tensor:
        self.kept.append(tensor.numpy().copy())
        return tensor if self.others is None else tensor + paddle.to_tensor(next(self.others))


def shard_batch(ranks: Ranks, batch: Rows) -> Rows:
    places = list(ranks.shard(range(len(batch.rows))))
    index = paddle.to_tensor(places, dtype="int64")
    if not places:
        return Rows(batch.inputs, batch.labels, ())
    return Rows(batch.inputs[index], batch.labels[index], tuple(batch.rows[place] for place in places))


def one_step(ranks: Ranks, batch_size: int, accumulation_steps: int = 1, **changes: Any) -> tuple[Any, Any]:
    """Do a step of plain gradient descent; return its report and the weights after it."""
    model = make_toy()
    loop = make_loop(
        model,
        paddle.optimizer.SGD(parameters=model.parameters()),
        settings=OptimizerSection(warmup_fraction=0.0, schedule="constant", max_gradient_norm=None, learning_rate=1.0),
        batches_of=lambda epoch, start: (shard_batch(ranks, rows) for rows in batches(7, batch_size, epoch, start)),
        n_batches=-(-7 // batch_size),
        accumulation_steps=accumulation_steps,
        max_steps=1,
        ranks=ranks,
        **changes,
    )
    (report,) = loop.steps()
    return report, np.concatenate([value.numpy().ravel() for value in model.parameters()])


def two_ranks(batch_size: int, accumulation_steps: int = 1, **changes: Any) -> tuple[Any, Any]:
    """Run a step on rank 1, then on rank 0 with rank 1's record; return the result of rank 0."""
    second = PlayedRank(1)
    one_step(second, batch_size, accumulation_steps, **changes)
    return one_step(PlayedRank(0, others=iter(second.kept)), batch_size, accumulation_steps, **changes)


# ---- steps


@pytest.mark.parametrize(("batch_size", "accumulation_steps"), [(4, 1), (7, 1), (3, 3), (2, 2), (1, 1), (1, 3)])
def test_a_step_of_two_ranks_equals_that_of_one_process(batch_size, accumulation_steps):
    expected, expected_weights = one_step(Ranks(), batch_size, accumulation_steps)
    found, weights = two_ranks(batch_size, accumulation_steps)
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)
    assert found.gradient_norm == pytest.approx(expected.gradient_norm, rel=1e-6)
    assert np.abs(weights - expected_weights).max() < 1e-6
    assert found.n_tokens == expected.n_tokens


def test_it_differs_with_the_gradients_of_one_rank_only(monkeypatch):
    expected, expected_weights = one_step(Ranks(), 7)
    monkeypatch.setattr(Ranks, "sum_gradients", lambda ranks, parameters: None)
    found, weights = two_ranks(7)
    assert found.loss == pytest.approx(expected.loss, rel=1e-6)
    assert np.abs(weights - expected_weights).max() > 0.01


def test_all_ranks_split_their_batches_if_one_runs_out_of_memory():
    assert two_ranks(7)[0].n_parts == 1
    second = PlayedRank(1)
    one_step(second, 7)
    # The numbers of rank 1 are exchanged last; column 5 is the number of parts.
    second.kept[-1][1, 5] = 4
    report, _ = one_step(PlayedRank(0, others=iter(second.kept)), 7)
    assert report.n_parts == 4


def test_a_signal_to_the_other_rank_is_exchanged_in_the_step():
    signalled = StopSignal(single_process=False)
    signalled.pending = "SIGTERM"
    second = PlayedRank(1)
    one_step(second, 7, stop=signalled)
    stop = StopSignal(single_process=False)
    one_step(PlayedRank(0, others=iter(second.kept)), 7, stop=stop)
    assert (stop.pending, stop.received) == (None, "a signal to another process")
    with pytest.raises(Interrupted, match="stopped by a signal to another process"):
        stop.check()
    assert signalled.received == "SIGTERM"


def test_a_signal_has_no_effect_before_all_ranks_know_about_it():
    stop = StopSignal(single_process=False)
    stop.pending = "SIGINT"
    stop.check()
    with pytest.raises(Interrupted, match="Ctrl-C"):
        stop.check_local()
    stop.agree(0.0)
    stop.check()
    stop.agree(1.0)
    with pytest.raises(Interrupted, match="Ctrl-C"):
        stop.check()


def test_each_rank_has_its_own_seed_and_rank_0_that_of_a_single_process():
    seeds = {step_seed(seed, step, rank) for seed in range(10) for step in range(10) for rank in range(10)}
    assert len(seeds) == 1000
    assert step_seed(3, 4, 0) == step_seed(3, 4) == int(np.random.SeedSequence([3, 4]).generate_state(1)[0])


# ---- large buffers


def with_gradients(*gradients: float | None) -> list[paddle.Tensor]:
    """Return parameters of growing size with these gradients."""
    parameters = [paddle.create_parameter([index + 1, 2], "float32") for index in range(len(gradients))]
    for parameter, number in zip(parameters, gradients, strict=True):
        if number is not None:
            parameter.grad = paddle.full(parameter.shape, number)
    return parameters


def test_gradients_are_summed_where_any_rank_has_one():
    first, second = with_gradients(1.0, None, 3.0, None), with_gradients(10.0, 20.0, None, None)
    assign_gradients(first, flatten_gradients(first) + flatten_gradients(second))
    assert [value.grad is None for value in first] == [False, False, False, True]
    for value, expected in zip(first, (11.0, 20.0, 3.0), strict=False):
        assert value.grad.shape == value.shape
        assert (value.grad.numpy() == expected).all()


def test_a_gradient_of_zeros_is_not_a_missing_gradient():
    parameters = with_gradients(0.0, None)
    assign_gradients(parameters, flatten_gradients(parameters))
    assert [value.grad is None for value in parameters] == [False, True]


def test_frozen_parameters_are_left_alone():
    ranks = PlayedRank(0)
    parameters = with_gradients(1.0, 2.0)
    parameters[0].stop_gradient = True
    ranks.sum_gradients(parameters)
    assert [kept.size for kept in ranks.kept] == [parameters[1].size + 1]


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=12), st.integers(1, 20))
def test_buckets_hold_every_parameter_once_in_order(kinds, max_elements):
    @dataclass(frozen=True)
    class Parameter:
        size: int
        dtype: bool

    parameters: list[Any] = [Parameter(*kind) for kind in kinds]
    found = list(bucket_parameters(parameters, max_elements))
    assert [value for bucket in found for value in bucket] == parameters
    for bucket in found:
        assert len({value.dtype for value in bucket}) == 1
        assert sum(value.size for value in bucket) <= max_elements or len(bucket) == 1
    for bucket, following in itertools.pairwise(found):  # and as few as that allows
        n_elements = sum(value.size for value in bucket) + following[0].size
        assert n_elements > max_elements or following[0].dtype != bucket[0].dtype


def test_one_process_exchanges_nothing(monkeypatch):
    for name in ("init_parallel_env", "all_reduce", "all_gather_object", "broadcast"):
        monkeypatch.setattr(paddle.distributed, name, lambda *_arguments, **_options: pytest.fail("called"))
    ranks, parameters = Ranks.from_environment({}), with_gradients(1.0)
    gradient = parameters[0].grad
    ranks.sum_gradients(parameters)
    ranks.broadcast(parameters)
    ranks.barrier()
    assert parameters[0].grad is gradient or (parameters[0].grad.numpy() == 1.0).all()
    assert ranks.gather_numbers([1.0, 2.0]).tolist() == [[1.0, 2.0]]
    assert ranks.gather_objects("x") == ["x"]
    array = np.ones(3)
    assert ranks.sum_array(array) is array
    assert ranks.writes
    error = ValueError("as it is")
    with pytest.raises(ValueError, match="as it is") as caught, ranks.raise_together():
        raise error
    assert caught.value is error


# ---- shards and common decisions


@given(st.lists(st.integers(), max_size=30), st.integers(1, 5))
def test_shards_hold_every_item_once(items, size):
    shards = [Ranks(rank, size).shard(items) for rank in range(size)]
    assert sorted(item for shard in shards for item in shard) == sorted(items)
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


def test_gathered_numbers_have_a_row_for_each_rank():
    second = PlayedRank(1)
    second.gather_numbers([3.0, 4.0])
    first = PlayedRank(0, others=iter(second.kept))
    assert first.gather_numbers([1.0, 2.0]).tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_every_tensor_is_broadcast_from_rank_0(monkeypatch):
    sent = []
    monkeypatch.setattr(paddle.distributed, "broadcast", lambda tensor, src: sent.append((tensor, src)))
    Ranks(1, 2).broadcast(["weight", "bias"])
    assert sent == [("weight", 0), ("bias", 0)]


def test_rank_and_size_come_from_the_launcher(monkeypatch):
    met = []
    monkeypatch.setattr(ranks_module, "connect_ranks", lambda: met.append(True))
    ranks = Ranks.from_environment({"PADDLE_TRAINERS_NUM": "3", "PADDLE_TRAINER_ID": "2"})
    assert (ranks, ranks.writes, met) == (Ranks(2, 3), False, [True])
    assert Ranks.from_environment({"PADDLE_TRAINERS_NUM": "1", "PADDLE_TRAINER_ID": "0"}) == Ranks()
    assert met == [True]


@pytest.mark.parametrize(
    ("errors", "kind", "message"),
    [
        ((ConfigError("mine"), None), ConfigError, "^mine$"),
        ((ConfigError("mine"), ConfigError("other")), ConfigError, "^mine$"),
        ((None, ConfigError("other")), ConfigError, "^process 1 of 2: other$"),
        ((None, Interrupted("stopped")), Interrupted, "^stopped$"),
        ((ValueError("a bug"), None), RunStopped, "(?s)^process 0 of 2 failed.*ValueError: a bug"),
    ],
)
def test_the_error_of_the_lowest_rank_is_raised_everywhere(monkeypatch, errors, kind, message):
    def both(ranks, own):
        return [own, errors[1]]

    monkeypatch.setattr(PlayedRank, "gather_objects", both)
    second = PlayedRank(1)
    second.gather_numbers([errors[1] is not None])
    first = PlayedRank(0, others=iter(second.kept))
    with pytest.raises(kind, match=message):
        run_block(first, errors[0])


def run_block(ranks, error):
    with ranks.raise_together():
        if error:
            raise error


def test_a_block_without_errors_ends_well():
    second = PlayedRank(1)
    with second.raise_together():
        pass
    done = []
    with PlayedRank(0, others=iter(second.kept)).raise_together():
        done.append(True)
    assert done == [True]
    assert len(second.kept) == 1  # all ranks wait for each other


def test_a_keyboard_interrupt_does_not_wait_for_other_ranks():
    ranks = PlayedRank(0)
    with pytest.raises(KeyboardInterrupt), ranks.raise_together():
        raise KeyboardInterrupt
    assert ranks.kept == []
