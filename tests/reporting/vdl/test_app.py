"""The dashboard's own order and choice, asked over HTTP of a server on three runs and a baseline."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request

import numpy as np
import pytest

from paddle_tasks.reporting.vdl.dashboard import open_dashboard
from paddle_tasks.training.panels import Panels, Vectors
from paddle_tasks.training.tracking import Tracker, open_tracker
from tests.training.toy import make_toy

SETTINGS = {"task": "news", "optimizer.epsilon": 1e-8, "model.encoder": "textcnn"}
RUNS = ["run-2", "run-2-baseline", "run-10", "sweep/rate=1"]


def write_steps(tracker: Tracker, rate: float) -> None:
    tracker.write_run_info({**SETTINGS, "optimizer.learning_rate": rate}, ["dev/accuracy"], make_toy())
    for step in (10, 20):
        tracker.write_scalars(step, 1, {"train/loss": 1 / step, "train/learning_rate": rate, "system/memory_mb": 5.0})
        tracker.write_scalars(step, 1, {"dev/accuracy": 0.5, "dev/f1": step / 100, "dev/overlaps": 0.0})
    vectors = Vectors(np.eye(3, dtype=np.float32), ("label", "text"), [["a", "1"], ["b", "2"], ["b", "3"]])
    tracker.write_panels(20, Panels(texts={"dev/sample_1": "text"}, vectors={"dev/vectors": vectors}))


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for rate, name in enumerate(RUNS, 1):
        (folder / name).mkdir(parents=True)
        with open_tracker(folder / name, visualdl=True) as tracker:
            if "baseline" in name:
                tracker.write_scalars(1, 1, {"dev/f1": 0.75, "dev/accuracy": 0.5, "dev/overlaps": 0.0})
            else:
                write_steps(tracker, float(rate))
    with open_dashboard(folder) as opened:
        yield opened


def get(board, path: str, **arguments: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{board.url}{path}?{urllib.parse.urlencode(arguments)}", timeout=30) as answer:
        return str(answer.read().decode())


def ask(board, method: str, **arguments: str):
    return json.loads(get(board, f"api/{method}", **arguments))["data"]


def test_the_dashboard_opens_on_scalars(board):
    assert ask(board, "component_tabs")[0] == "scalar"


@pytest.mark.parametrize("page", ["scalar", "text", "image"])
def test_every_page_lists_all_runs_in_order(board, page):
    assert ask(board, f"{page}/tags")["runs"] == RUNS


def test_there_are_no_constant_charts_but_that_of_the_compared_score(board):
    listing = ask(board, "scalar/tags")
    tags = dict(zip(listing["runs"], listing["tags"], strict=True))
    shown = {"train/loss", "train/learning_rate", "dev/accuracy", "dev/f1"}
    assert set(tags["run-2"]) == shown, "the learning rate differs between the runs"
    assert set(tags["run-2-baseline"]) == {"dev/f1", "dev/accuracy"}


def test_a_baseline_is_a_level_and_other_points_stay(board):
    level = ask(board, "scalar/list", run="run-2-baseline", tag="dev/f1")
    assert [point[1:] for point in level] == [[0, 0.75], [20, 0.75]]
    points = ask(board, "scalar/list", run="run-2", tag="dev/f1")
    assert [point[1] for point in points] == [10, 20]
    rows = get(board, "api/scalar/data", run="run-2-baseline", tag="dev/f1", type="csv")
    assert len(rows.splitlines()) == 2, "a download has what was measured"


def test_hyper_parameters_are_those_that_differ(board):
    assert [found["name"] for found in ask(board, "hparams/indicators")["hparams"]] == ["optimizer/learning_rate"]
    trials = ask(board, "hparams/list")
    assert {trial["name"] for trial in trials} == {*RUNS} - {"run-2-baseline"}
    assert {trial["metrics"]["dev/accuracy"] for trial in trials} == {0.5}


def test_vectors_are_named_by_run_and_tag(board):
    vectors = ask(board, "embedding/list")
    assert [found["label"] for found in vectors] == [f"{run}/dev/vectors" for run in RUNS if "baseline" not in run]
    assert get(board, "api/embedding/metadata", name=vectors[0]["name"]).startswith("label")
    assert ask(board, "embedding/list") == vectors


def test_pages_are_served_with_their_changes(board):
    assert 'e==="train"' in get(board, "_dist_/components/ChartPage.js")
    assert "run-list" in get(board, "scalar")
