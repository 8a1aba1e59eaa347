"""Medians, quartiles, ratios, rounds, and the stopwatch, with a clock that the tests turn."""

from __future__ import annotations

import statistics
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.workflows.bench.report import Line, Report, Spread, rounds, seconds_of
from paddle_tasks.workflows.bench.stopwatch import Stopwatch


@given(st.lists(st.floats(0.001, 1000), min_size=2, max_size=20))
def test_a_spread_has_the_quartiles_of_its_values(values):
    spread = Spread.of(values)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    assert (spread.low, spread.median, spread.high) == pytest.approx((low, median, high))
    assert spread.n == len(values)


def test_one_value_is_its_own_spread():
    assert Spread.of([3.0]) == Spread(3.0, 3.0, 3.0, 1)


def test_rounds_take_turns_and_leave_the_warm_up_out():
    calls, said = [], []

    def measure(name):
        return lambda: calls.append(name) or len(calls)

    results = rounds({"a": measure("a"), "b": measure("b")}, 2, warmup=1, say=said.append)
    assert calls == ["a", "b"] * 3
    assert results == {"a": [3, 5], "b": [4, 6]}
    assert said == ["round 1 of 3 (warm-up)", "round 2 of 3", "round 3 of 3"]


def test_ratios_are_over_the_first_line():
    lines = [Line("a", Spread.of([2.0, 4.0, 9.0])), Line("b", Spread.of([1.0, 2.0, 3.0]))]
    report = Report("x", "a call", lines, {}, {})
    assert [line["ratio"] for line in report.as_dict()["lines"]] == [1.0, 0.5]
    assert report.as_dict()["matmul_gflops"] is None


def test_seconds_are_those_of_the_call(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock)
    assert seconds_of(lambda: clock.pass_by(7)) == 7


# ---- the stopwatch


class Clock:
    """Stands still unless it is told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def pass_by(self, seconds):
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(clock) -> Stopwatch:
    return Stopwatch(clock)


def test_the_innermost_phase_counts(clock, watch):
    clock.pass_by(50)  # before everything
    with watch.phase("reading"):
        clock.pass_by(1)
        with watch.phase("tokenising"):
            clock.pass_by(10)
            with watch.phase("reading"):
                clock.pass_by(100)
        clock.pass_by(1000)
    clock.pass_by(50)  # between phases
    with watch.phase("reading"):
        clock.pass_by(10_000)
    assert watch.seconds == {"reading": 11_101, "tokenising": 10}


def test_a_phase_that_fails_is_over(clock, watch):
    def fail():
        clock.pass_by(1)
        raise ValueError("broken")

    with watch.phase("outer"):
        with pytest.raises(ValueError, match="broken"), watch.phase("inner"):
            fail()
        clock.pass_by(10)
    assert watch.seconds == {"inner": 1, "outer": 10}


def test_functions_are_watched_within_the_block_only(clock, watch):
    class Base:
        def read(self, seconds, *, more=0):
            clock.pass_by(seconds + more)
            return seconds

    class Task(Base):
        pass

    module = SimpleNamespace(write=clock.pass_by)
    with watch.watching("reading", Task, "read"), watch.watching("writing", module, "write"):
        assert Task().read(2, more=1) == 2
        module.write(5)
    Task().read(100)
    module.write(100)
    assert watch.seconds == {"reading": 3, "writing": 5}
    assert "read" not in vars(Task)


def test_a_function_that_is_not_there_is_no_phase(watch):
    with pytest.raises(AttributeError), watch.watching("reading", SimpleNamespace(), "read"):
        pass
