"""Mean and deviation against numpy, and the choice by the scores of dev alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.training.result import ModelFacts, RunResult, TrainFacts
from paddle_tasks.workflows.sweep.results import Choice, best_of, choose, describe_point, spread, spreads

ACCURACY, LOSS = Choice("accuracy"), Choice("loss", lower_is_better=True)
scores = st.floats(0, 1, allow_subnormal=False)


@given(st.lists(scores, min_size=2, max_size=9))
def test_mean_and_deviation_equal_those_of_numpy(values):
    result = spread(values)
    assert result["mean"] == pytest.approx(np.mean(values), abs=1e-12)
    assert result["deviation"] == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert (result["min"], result["max"], result["n"]) == (min(values), max(values), len(values))


def test_one_value_has_no_deviation():
    assert spread([0.5]) == {"mean": 0.5, "deviation": None, "min": 0.5, "max": 0.5, "n": 1}


def test_a_loss_that_is_infinite_has_no_deviation():
    result = spread([math.inf, 1.0])
    assert (result["mean"], result["deviation"]) == (math.inf, None)


def test_only_numbers_that_all_runs_have_are_averaged():
    records = [
        {"accuracy": 0.5, "per_label": {"a": 1}, "accuracy_deduplicated": 0.4, "stopped": True},
        {"accuracy": 0.7, "per_label": {"a": 2}, "stopped": True},
    ]
    result = spreads(records)
    assert list(result) == ["accuracy"]
    assert result["accuracy"]["mean"] == pytest.approx(0.6)
    assert spreads([]) == {}


def finished(seed: int, metric: str, dev: float, test: float) -> RunResult:
    """Return the result of a finished run."""
    return RunResult(
        schema=1,
        task="sentiment",
        status="finished",
        seed=seed,
        model=ModelFacts(encoder="textcnn"),
        data={},
        dev={metric: dev},
        test={metric: test},
        train=TrainFacts(seconds=2.0 + seed, tokens_per_second=None),
    )


def point(
    name: str, dev: list[float], test: list[float], choice: Choice = ACCURACY, missing: int = 0
) -> dict[str, Any]:
    """Return a grid point with these scores of its finished runs; ``missing`` runs are not finished."""
    results = {f"{name}{seed}": finished(seed, choice.metric, value, test[seed]) for seed, value in enumerate(dev)}
    runs = [{"run": f"{name}{seed}", "seed": seed, "status": "x"} for seed in range(len(dev) + missing)]
    return describe_point(name, {"key": name}, runs, results, choice)


def test_dev_chooses_a_point_even_if_test_prefers_another():
    points = [point("a", [0.90, 0.92], [0.5, 0.5]), point("b", [0.80, 0.99], [0.99, 0.99])]
    best = choose(points, ACCURACY)
    assert (best["point"], best["settings"], best["run"]) == ("a", {"key": "a"}, "a1")
    assert best["dev"]["mean"] == pytest.approx(0.91)
    assert best["dev"]["deviation"] == pytest.approx(np.std([0.90, 0.92], ddof=1))
    assert best["test"]["mean"] == 0.5


def test_the_best_run_is_chosen_by_dev_too():
    assert point("a", [0.7, 0.9, 0.8], [0.9, 0.1, 0.5])["best_run"] == "a1"
    assert point("a", [0.7, 0.9, 0.8], [0.9, 0.1, 0.5], LOSS)["best_run"] == "a0"


def test_the_smallest_loss_is_best():
    points = [point("a", [0.9], [1.0], LOSS), point("b", [0.4], [1.0], LOSS)]
    assert choose(points, LOSS)["point"] == "b"


def test_nan_never_wins():
    assert best_of({"a": math.nan, "b": 0.1}, ACCURACY) == "b"
    assert best_of({"a": math.nan}, ACCURACY) is None
    assert choose([point("a", [math.nan], [1.0])], ACCURACY) is None


def test_the_first_of_equal_scores_wins():
    assert best_of({"b": 0.5, "a": 0.5}, ACCURACY) == "b"


def test_nothing_is_chosen_before_all_runs_are_finished():
    whole, part = point("a", [0.5], [0.5]), point("b", [0.9], [0.9], missing=1)
    assert choose([whole], ACCURACY) is not None
    assert choose([whole, part], ACCURACY) is None
    assert choose([point("a", [], [], missing=2)], ACCURACY) is None
    assert part["dev"]["accuracy"]["n"] == part["finished"] == 1
    assert [run.get("dev") for run in part["runs"]] == [0.9, None]


def test_seconds_are_averaged_and_unknown_values_are_none():
    result = point("a", [0.5, 0.6], [0.5, 0.6])
    assert result["seconds"]["mean"] == 2.5
    assert result["tokens_per_second"] is None
