"""Mean and deviation against numpy, and the choice that dev makes alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.workflows.sweep_results import best_of, choose, describe_point, spread, spreads

scores = st.floats(0, 1, allow_subnormal=False)


@given(st.lists(scores, min_size=2, max_size=9))
def test_mean_and_deviation_are_those_of_numpy(values):
    found = spread(values)
    assert found["mean"] == pytest.approx(np.mean(values), abs=1e-12)
    assert found["deviation"] == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert (found["min"], found["max"], found["n"]) == (min(values), max(values), len(values))


def test_one_value_has_no_deviation():
    assert spread([0.5]) == {"mean": 0.5, "deviation": None, "min": 0.5, "max": 0.5, "n": 1}


def test_a_loss_that_is_infinite_has_no_deviation():
    found = spread([math.inf, 1.0])
    assert (found["mean"], found["deviation"]) == (math.inf, None)


def test_only_numbers_that_all_runs_have_are_averaged():
    records = [
        {"accuracy": 0.5, "per_label": {"a": 1}, "accuracy_deduplicated": 0.4, "stopped": True},
        {"accuracy": 0.7, "per_label": {"a": 2}, "stopped": True},
    ]
    found = spreads(records)
    assert list(found) == ["accuracy"]
    assert found["accuracy"]["mean"] == pytest.approx(0.6)
    assert spreads([]) == {}


def point(name: str, dev: list[float], test: list[float], metric: str = "accuracy", missing: int = 0) -> dict[str, Any]:
    """Return a grid point whose runs scored so; ``missing`` more are not finished."""
    results = {
        f"{name}{seed}": {
            "dev": {metric: value},
            "test": {metric: test[seed]},
            "train": {"seconds": 2.0 + seed, "tokens_per_second": None},
        }
        for seed, value in enumerate(dev)
    }
    runs = [{"run": f"{name}{seed}", "seed": seed, "status": "x"} for seed in range(len(dev) + missing)]
    return describe_point(name, {"key": name}, runs, results, metric)


def test_dev_chooses_where_test_would_choose_another():
    points = [point("a", [0.90, 0.92], [0.5, 0.5]), point("b", [0.80, 0.99], [0.99, 0.99])]
    best = choose(points, "accuracy")
    assert (best["point"], best["settings"], best["run"]) == ("a", {"key": "a"}, "a1")
    assert best["dev"]["mean"] == pytest.approx(0.91)
    assert best["dev"]["deviation"] == pytest.approx(np.std([0.90, 0.92], ddof=1))
    assert best["test"]["mean"] == 0.5


def test_the_best_run_is_that_of_dev_too():
    assert point("a", [0.7, 0.9, 0.8], [0.9, 0.1, 0.5])["best_run"] == "a1"
    assert point("a", [0.7, 0.9, 0.8], [0.9, 0.1, 0.5], metric="loss")["best_run"] == "a0"


def test_the_smallest_loss_is_best():
    assert choose([point("a", [0.9], [1.0], "loss"), point("b", [0.4], [1.0], "loss")], "loss")["point"] == "b"


def test_what_is_no_number_never_wins():
    assert best_of({"a": math.nan, "b": 0.1}, "accuracy") == "b"
    assert best_of({"a": math.nan}, "accuracy") is None
    assert choose([point("a", [math.nan], [1.0])], "accuracy") is None


def test_the_first_of_equal_ones_wins():
    assert best_of({"b": 0.5, "a": 0.5}, "accuracy") == "b"


def test_nothing_is_chosen_before_all_runs_are_finished():
    whole, part = point("a", [0.5], [0.5]), point("b", [0.9], [0.9], missing=1)
    assert choose([whole], "accuracy") is not None
    assert choose([whole, part], "accuracy") is None
    assert choose([point("a", [], [], missing=2)], "accuracy") is None
    assert part["dev"]["accuracy"]["n"] == part["finished"] == 1
    assert [run.get("dev") for run in part["runs"]] == [0.9, None]


def test_seconds_are_averaged_and_what_is_unknown_is_none():
    found = point("a", [0.5, 0.6], [0.5, 0.6])
    assert found["seconds"]["mean"] == 2.5
    assert found["tokens_per_second"] is None
