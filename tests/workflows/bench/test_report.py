"""Medians, quartiles, ratios, rounds, and the stopwatch with a fake clock."""

from __future__ import annotations

import statistics
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.workflows.bench.report import Measurement, Report, Spread, run_rounds, time_call
from paddle_tasks.workflows.bench.stopwatch import Stopwatch


@given(st.lists(st.floats(0.001, 1000), min_size=2, max_size=20))
def test_a_spread_has_the_quartiles_of_its_values(values):
    spread = Spread.from_values(values)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    assert (spread.low, spread.median, spread.high) == pytest.approx((low, median, high))
    assert spread.n == len(values)


def test_spread_of_a_single_value():
    assert Spread.from_values([3.0]) == Spread(3.0, 3.0, 3.0, 1)


def test_rounds_alternate_and_discard_the_warm_up():
    calls, messages = [], []

    def measure(name):
        return lambda: calls.append(name) or len(calls)

    results = run_rounds({"a": measure("a"), "b": measure("b")}, 2, warmup=1, notify=messages.append)
    assert calls == ["a", "b"] * 3
    assert results == {"a": [3, 5], "b": [4, 6]}
    assert messages == ["round 1 of 3 (warm-up)", "round 2 of 3", "round 3 of 3"]


def test_ratios_are_relative_to_the_first_measurement():
    measurements = [
        Measurement("a", Spread.from_values([2.0, 4.0, 9.0])),
        Measurement("b", Spread.from_values([1.0, 2.0, 3.0])),
    ]
    report = Report("x", "a call", measurements, {}, {})
    assert [line["ratio"] for line in report.as_dict()["lines"]] == [1.0, 0.5]
    assert report.as_dict()["matmul_gflops"] is None


def test_time_call(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)
    assert time_call(lambda: clock.advance(7)) == 7


# ---- the stopwatch


class Clock:
    """A clock that only `advance` moves."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock) -> Stopwatch:
    return Stopwatch(clock)


def test_only_the_innermost_phase_counts(clock, watch):
    clock.advance(50)  # before everything
    with watch.phase("reading"):
        clock.advance(1)
        with watch.phase("tokenising"):
            clock.advance(10)
            with watch.phase("reading"):
                clock.advance(100)
        clock.advance(1000)
    clock.advance(50)  # between phases
    with watch.phase("reading"):
        clock.advance(10_000)
    assert watch.seconds == {"reading": 11_101, "tokenising": 10}


def test_an_exception_ends_its_phase(clock, watch):
    def fail():
        clock.advance(1)
        raise ValueError("broken")

    with watch.phase("outer"):
        with pytest.raises(ValueError, match="broken"), watch.phase("inner"):
            fail()
        clock.advance(10)
    assert watch.seconds == {"inner": 1, "outer": 10}


def test_calls_are_timed_within_the_block_only(clock, watch):
    class Base:
        def read(self, seconds, *, more=0):
            clock.advance(seconds + more)
            return seconds

    class Task(Base):
        pass

    module = SimpleNamespace(write=clock.advance)
    with watch.time_calls("reading", Task, "read"), watch.time_calls("writing", module, "write"):
        assert Task().read(2, more=1) == 2
        module.write(5)
    Task().read(100)
    module.write(100)
    assert watch.seconds == {"reading": 3, "writing": 5}
    assert "read" not in vars(Task)


def test_a_missing_function_is_an_error(watch):
    with pytest.raises(AttributeError), watch.time_calls("reading", SimpleNamespace(), "read"):
        pass
