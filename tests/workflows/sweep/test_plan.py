"""The runs of a sweep, and what is refused before anything is written."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from paddle_tasks.config import dump
from paddle_tasks.data.tables.catalogue import SAMPLES
from paddle_tasks.errors import CheckpointError, ConfigError, DataError
from paddle_tasks.workflows.sweep.plan import Plan, parse_grid, parse_seeds, plan_sweep
from paddle_tasks.workflows.sweep.results import Choice
from paddle_tasks.workflows.train import train
from tests.conftest import FIXTURES
from tests.helpers import ROOT

DEV, TEST = (FIXTURES / f"training_{split}.tsv" for split in ("dev", "test"))


@pytest.fixture
def settings(small_config, tmp_path, monkeypatch) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)
    return {**small_config(tmp_path), "run_dir": "runs/x"}


def refusal(settings: dict[str, Any], *overrides: str, error: type[Exception] = ConfigError, **options: Any) -> str:
    with pytest.raises(error) as raised:
        plan_sweep(settings, overrides, options.get("seeds", [1]), options.get("grid", {}))
    return str(raised.value)


def names(plan: Plan) -> list[str]:
    return [member.name for member in plan.members]


# ---- the runs


def test_every_point_is_trained_with_every_seed(settings, tmp_path):
    plan = plan_sweep(settings, [], [3, 1], {"model.dropout": [0.1, 0.2], "training.epochs": [1, 2]})
    assert names(plan) == [
        f"dropout={dropout},epochs={epochs},seed={seed}"
        for dropout in (0.1, 0.2)
        for epochs in (1, 2)
        for seed in (3, 1)
    ]
    assert str(plan.folder) == "runs/x-sweep"
    for member in plan.members:
        assert member.config.run_dir == f"runs/x-sweep/{member.name}"
        values = (member.config.model.dropout, member.config.training.epochs, member.config.seed)
        assert values == (*member.point.settings.values(), member.seed)
    assert len(plan.points) == 4
    assert not (tmp_path / "runs").exists()


def test_without_a_grid_there_is_one_point(settings):
    plan = plan_sweep(settings, [], [1, 2], {})
    assert (names(plan), len(plan.points)) == (["seed=1", "seed=2"], 1)
    assert plan.choice == Choice("accuracy", lower_is_better=False)
    by_loss = plan_sweep(settings, ["evaluation.metric=loss"], [1], {})
    assert by_loss.choice == Choice("loss", lower_is_better=True)


def test_the_folder_is_named_after_the_file_or_by_run_dir(settings, tmp_path):
    del settings["run_dir"]
    file = tmp_path / "news.yaml"
    with_run_dir = plan_sweep(settings, [f"run_dir={tmp_path / 'mine'}"], [1], {})
    file.write_text(dump(with_run_dir.members[0].config).replace(f"run_dir: {tmp_path}/mine/seed=1\n", ""))
    assert str(plan_sweep(file, [], [1], {}).folder) == "runs/news-sweep"
    assert with_run_dir.folder == tmp_path / "mine"


def test_points_have_different_names_that_can_name_folders(settings):
    grid = {"data.vocabulary.max_size": [50, None], "model.encoder": ["textcnn", "builtin/ernie-mini-zh"]}
    assert [point.name for point in plan_sweep(settings, [], [1], grid).points] == [
        "max_size=50,encoder=textcnn",
        "max_size=50,encoder=builtin-ernie-mini-zh",
        "max_size=null,encoder=textcnn",
        "max_size=null,encoder=builtin-ernie-mini-zh",
    ]
    similar = {"data.train": ["a/b.tsv", "a-b.tsv"]}
    assert len({point.name for point in plan_sweep({**settings}, ["data.test=null"], [1], similar).points}) == 2
    same_key = {"training.batch_size": [2, 4], "evaluation.batch_size": [8]}
    assert plan_sweep(settings, [], [1], same_key).points[0].name == "training.batch_size=2,evaluation.batch_size=8"


def test_long_names_are_cut_and_stay_different(settings):
    grid = {"data.train": [f"{'x' * 200}{number}" for number in range(3)]}
    point_names = [point.name for point in plan_sweep(settings, ["data.test=null"], [1], grid).points]
    assert len(set(point_names)) == 3
    assert max(map(len, point_names)) < 130


# ---- seeds and grids on the command line


def test_seeds_and_grids_are_parsed():
    assert parse_seeds("1, 2,30") == [1, 2, 30]
    assert parse_grid(["a.b=1e-4,3", "c=x/y,null,true", "d=[2,3],[4]"]) == {
        "a.b": [1e-4, 3],
        "c": ["x/y", None, True],
        "d": [[2, 3], [4]],
    }


@pytest.mark.parametrize("text", ["", "1,,2", "a", "-1", "1.5"])
def test_seeds_are_numbers(text):
    with pytest.raises(ConfigError, match="seeds: expected numbers from 0 on"):
        parse_seeds(text)


@pytest.mark.parametrize("items", [["a"], ["a="], ["=1"]])
def test_a_grid_has_a_key_and_values(items):
    with pytest.raises(ConfigError, match="expected KEY=V1,V2"):
        parse_grid(items)


def test_a_grid_key_is_given_once():
    with pytest.raises(ConfigError, match="grid a: given twice"):
        parse_grid(["a=1", "a=2"])


# ---- what is refused


@pytest.mark.parametrize("name", ["test/accuracy", "test_accuracy", "test accuracy", "test"])
def test_choosing_on_test_is_refusal(settings, name):
    assert "would choose on test" in refusal(settings, f"evaluation.metric={name}")


def test_a_dev_that_is_test_is_refused_by_path_and_by_content(settings, tmp_path):
    by_path = refusal(settings, f"data.dev={TEST}")
    assert f"data.dev ({TEST}) and data.test ({TEST}) hold the same rows" in by_path
    shutil.copyfile(TEST, tmp_path / "other.tsv")
    assert "hold the same rows" in refusal(settings, f"data.dev={tmp_path / 'other.tsv'}")
    with (tmp_path / "other.tsv").open("a", encoding="utf-8") as file:
        file.write("1\t再来一次也愿意。\n")
    plan_sweep(settings, [f"data.dev={tmp_path / 'other.tsv'}"], [1], {})  # the negative control
    plan_sweep(settings, [f"data.dev={TEST}", "data.test=null"], [1], {})


def test_a_dev_of_opinions_that_is_test_is_refused_too(settings, tmp_path):
    config = ROOT / "configs" / "quick" / "opinion.yaml"
    shutil.copyfile(SAMPLES / "opinion" / "test.jsonl", tmp_path / "a.jsonl")
    with pytest.raises(ConfigError, match="hold the same rows"):
        plan_sweep(config, [f"data.dev={tmp_path / 'a.jsonl'}"], [1], {})
    plan_sweep(config, [], [1], {})


def test_a_grid_that_makes_test_the_dev_split_is_refusal(settings):
    assert "hold the same rows" in refusal(settings, grid={"data.test": [str(TEST), str(DEV)]})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": []}, "seeds: expected one or more"),
        ({"seeds": [1, 2, 1]}, "seeds: 1 given more than once"),
        ({"grid": {"seed": [1]}}, "grid seed: --seeds names the seeds"),
        ({"grid": {"run_dir": ["a"]}}, "grid run_dir: a sweep names the folders"),
        ({"grid": {"data.dev": ["a", "b"]}}, "dev scores of different data.dev cannot be compared"),
        ({"grid": {"data.fold": [0, 1]}}, "dev scores of different data.fold cannot be compared"),
        ({"grid": {"evaluation.metric": ["accuracy", "loss"]}}, "different evaluation.metric cannot be compared"),
        ({"grid": {"model.dropout": [0.1, 0.1]}}, "grid model.dropout: expected one or more different values"),
        ({"grid": {"model.dropout": []}}, "found none"),
        ({"grid": {"model.dropot": [0.1]}}, "model.dropot: unknown key; did you mean 'dropout'?"),
    ],
)
def test_a_mistake_is_refusal(settings, options, message):
    assert message in refusal(settings, **options)


def test_a_key_is_set_in_one_place(settings):
    assert "seed: --seeds names the seeds" in refusal(settings, "seed=3")
    assert "is also set by KEY=VALUE" in refusal(settings, "model.dropout=0.1", grid={"model.dropout": [0.1, 0.2]})


def test_a_file_that_is_missing_is_found_before_training(settings):
    assert "no such file" in refusal(settings, "data.dev=nowhere.tsv", error=DataError)


def test_a_folder_with_something_else_is_refusal(settings):
    train(settings)
    assert "holds a run, not a sweep" in refusal(settings, "run_dir=runs/x", error=CheckpointError)
    train({**settings, "run_dir": "runs/x-sweep/seed=1"})
    plan_sweep(settings, [], [1], {})  # the same configuration
    message = refusal(settings, "model.dropout=0.5", error=CheckpointError)
    assert "runs/x-sweep/seed=1: holds a run with another configuration" in message
    assert "model.dropout: 0.3 -> 0.5" in message
