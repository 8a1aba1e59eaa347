"""The load generator of the service: what it counts, and that it stays on this machine."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import sys

import pytest

from paddle_tasks.inference.service.limits import Limits

from ..helpers import ROOT
from ..inference.service.serving import Echo, running, served


@pytest.fixture(scope="module")
def load():
    specification = importlib.util.spec_from_file_location("serve_load", ROOT / "benchmarks" / "serve_load.py")
    module = sys.modules["serve_load"] = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_a_steady_rate(load):
    with running([served("one", Echo()), served("two", Echo())]) as client:
        report = asyncio.run(load.steady(load.Client(f"http://127.0.0.1:{client.port}"), ["one", "two"], 50, 0.4))
    assert report["statuses"] == {"200": 20}
    assert report["milliseconds"]["p50"] <= report["milliseconds"]["p99"] <= report["milliseconds"]["max"]


def test_a_burst_that_is_given_up(load):
    echo = Echo()
    echo.gate.clear()
    with running([served("one", echo)], Limits(n_queued=600)) as client:
        asked = load.Client(f"http://127.0.0.1:{client.port}")

        async def scenario():
            found = await load.burst(asked, "one", 50, 0.3)
            return found["burst"], found["next_100"]

        async def opened():
            task = asyncio.create_task(scenario())
            await asyncio.sleep(1)
            echo.gate.set()
            return await task

        given_up, after = asyncio.run(opened())
    assert given_up["statuses"] == {"given up": 50}
    assert after["statuses"] == {"200": 100}
    assert len(echo.computed) <= 100 + 4  # of the burst, at most the first batch


def test_percentiles(load):
    outcome = load.Outcome([n / 1000 for n in range(1, 101)])
    assert outcome.report(2.0)["milliseconds"] == {"p50": 51.0, "p95": 96.0, "p99": 100.0, "max": 100.0}
    assert outcome.report(2.0)["answers_per_second"] == 50.0


def test_reviews_are_reproducible(load):
    first, second = (list(itertools.islice(load.reviews(1), 20)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 10


def test_other_machines_are_refused(load):
    assert load.parse(["http://localhost:8040"]).rate == 50
    with pytest.raises(SystemExit):
        load.parse(["http://example.org:8040"])
