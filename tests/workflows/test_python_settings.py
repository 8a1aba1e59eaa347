"""Settings that Python code gives: numpy's values as overrides, in mappings, in grids and as options of a baseline."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from paddle_tasks import train
from paddle_tasks.errors import ConfigError
from paddle_tasks.workflows.baseline import baseline
from paddle_tasks.workflows.config import assignments, load_config
from paddle_tasks.workflows.sweep import sweep
from paddle_tasks.workflows.sweep.plan import plan_sweep


def test_numpy_values_are_overrides(small_config, tmp_path):
    for seed in np.arange(2):
        run = train(
            small_config(tmp_path / "x"),
            seed=seed,
            run_dir=tmp_path / f"{seed}",
            training={"max_steps": np.int32(1)},
            **{
                "optimizer.learning_rate": np.float32(0.25),
                "logging.visualdl": np.bool_(False),
                "model.kernel_sizes": np.array([2]),
                "data.labels": np.array(["positive", "negative"]),
            },
        )
        plain: dict[str, Any] = {
            "training.max_steps": 1,
            "training.precision": "float32",  # what auto became
            "optimizer.learning_rate": 0.25,
            "logging.visualdl": False,
            "model.kernel_sizes": [2],
            "data.labels": ["positive", "negative"],
        }
        same = assignments({"seed": int(seed), "run_dir": tmp_path / f"{seed}", **plain})
        config = load_config(run.folder / "config.yaml")
        assert config == load_config(small_config(tmp_path / "x"), same)
        assert run.result["seed"] == seed


def test_numpy_values_in_a_mapping(small_config, tmp_path):
    config = small_config(tmp_path)
    changed = {
        **config,
        "seed": np.int64(1),
        "model": MappingProxyType({**config["model"], "dropout": np.float64(0.3)}),
    }
    assert load_config(MappingProxyType(changed)) == load_config(config)


@pytest.mark.parametrize("start", [train, baseline, lambda config, **kwargs: sweep(config, seeds=[1], **kwargs)])
def test_other_values_are_refused_before_anything_is_written(small_config, tmp_path, start):
    with pytest.raises(
        ConfigError, match=r"overrides: 2 problems\n  data\.labels: .* of type set.*\n  data\.x\.None: "
    ):
        start(small_config(tmp_path), data={"labels": {"positive", "negative"}, "x": {None: 1}})
    with pytest.raises(ConfigError, match=r"config: 1 problem\n  seed: expected .*, found b'1' of type bytes"):
        start({**small_config(tmp_path), "seed": b"1"})
    with pytest.raises(ConfigError, match=r"config: 1 problem\n  None: expected a text as the key, .* type NoneType"):
        start({**small_config(tmp_path), None: 1})
    assert list(tmp_path.iterdir()) == []


def test_a_key_with_an_equals_sign_is_kept_whole(small_config, tmp_path):
    names = {"a=b": "x", "c": "y"}
    written = assignments({"data": {"label_names": names}})
    assert load_config(small_config(tmp_path), written).data.label_names == names


def test_numpy_values_in_a_sweep(small_config, tmp_path):
    config = small_config(tmp_path)
    rates = [0.5, 0.25]
    plan = plan_sweep(config, [], np.arange(1, 3), {"optimizer.learning_rate": np.array(rates)})
    same = plan_sweep(config, [], [1, 2], {"optimizer.learning_rate": rates})
    assert plan == same
    assert plan_sweep(config, [], range(1, 3), {"optimizer.learning_rate": (np.float64(0.5), 0.25)}) == same
    done = sweep(config, seeds=np.array([3]), grid={"model.dropout": np.array([0.25])}, training={"max_steps": 1})
    assert (done.summary["seeds"], done.summary["grid"]) == ([3], {"model.dropout": [0.25]})
    assert (done.folder / "dropout=0.25,seed=3" / "result.json").is_file()


@pytest.mark.parametrize(
    ("seeds", "grid", "message"),
    [
        (1, {}, r"seeds: expected a list of numbers, as in \[1, 2, 3\], found 1"),
        ("12", {}, "seeds: expected a list of numbers, .* found '12'"),
        ({1}, {}, "  seeds: expected .* of type set"),
        (np.array([]), {}, "seeds: expected one or more"),
        (np.array([1, 1]), {}, "seeds: 1 given more than once"),
        ([1], {"model.encoder": "bert"}, r"grid model\.encoder: expected a list of values, as in \['bert'\]"),
        ([1], {"training.epochs": 2}, r"grid training\.epochs: expected a list of values, as in \[2\], found 2"),
        ([1], {"training.epochs": {2}}, r"  training\.epochs: expected .* of type set"),
        ([1], {"training.epochs": np.array([2, 2])}, "expected one or more different values, found 2, 2"),
        ([1], {"training.epochs": np.array([])}, "expected one or more different values, found none"),
    ],
)
def test_seeds_and_grids_are_lists(small_config, tmp_path, seeds, grid, message):
    with pytest.raises(ConfigError, match=message):
        sweep(small_config(tmp_path), seeds=seeds, grid=grid)
    assert list(tmp_path.iterdir()) == []


def test_numpy_values_as_options_of_a_baseline(small_config, tmp_path):
    options = {"c": np.float64(1.0), "min_df": np.int64(1), "features": np.str_("char")}
    run = baseline(small_config(tmp_path), options=options)
    section = baseline(small_config(tmp_path), options={"c": 1.0, "min_df": 1, "features": "char"})
    assert section.folder == run.folder  # the same configuration: it is finished
    with pytest.raises(ConfigError, match=r"options: 1 problem\n  c: expected .* of type set"):
        baseline(small_config(tmp_path / "other"), options={"c": {1.0}})
