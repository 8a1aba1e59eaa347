"""The configuration of a run: settings laid over it, its default folder, and settings that older versions wrote."""

from __future__ import annotations

from typing import Any

import pytest

from paddle_tasks import tasks
from paddle_tasks.config import dump, list_differences, parse_yaml, read, validate
from paddle_tasks.errors import ConfigError
from paddle_tasks.tasks.encoder import CLASSIFIER_DEFAULTS
from paddle_tasks.workflows.config import assignments, load_config

from ..helpers import ROOT

CONFIGS = ROOT / "configs"
QUICK = CONFIGS / "quick"
SHIPPED = sorted(CONFIGS.rglob("*.yaml"))
each_task = pytest.mark.parametrize("task", ["opinion", "pretrain"])
OLDER_TRAINING: dict[str, Any] = {
    "loss": {
        "label_smoothing": 0.0,
        "class_weights": None,
        "focal_gamma": 0.0,
        "r_drop": 0.0,
        "teachers": [],
        "teacher_weight": 0.5,
    },
    "cache_frozen": True,
}
"""What older versions wrote into ``training`` of every task."""


def with_training(task: str, **training: Any) -> dict[str, Any]:
    """Return the quick configuration of a task with other keys in its ``training`` section."""
    tree = read(QUICK / f"{task}.yaml")
    return {**tree, "training": {**tree["training"], **training}}


# ---- files, mappings and settings


def test_settings_are_laid_over_a_file():
    config = load_config(QUICK / "sentiment.yaml", ["seed=9", "training.epochs=4", "data.test=null"])
    assert (config.seed, config.training.epochs, config.data.test) == (9, 4, None)
    assert config.run_dir == "runs/quick-sentiment"


def test_a_mapping_is_left_unchanged(small_config, tmp_path):
    tree, same = small_config(tmp_path), small_config(tmp_path)
    assert load_config(tree, ["training.epochs=7", "optimizer.beta1=0.5"]).training.epochs == 7
    assert tree == same


def test_the_default_run_folder_has_the_name_of_the_file(small_config, tmp_path):
    tree = read(QUICK / "sentiment.yaml")
    del tree["run_dir"]
    file = tmp_path / "mine.yaml"
    text = (QUICK / "sentiment.yaml").read_text(encoding="utf-8")
    file.write_text(text.replace("run_dir: runs/quick-sentiment\n", ""), encoding="utf-8")
    assert load_config(file).run_dir == "runs/mine"
    assert load_config(tree).run_dir == "runs/run"
    assert load_config(file, ["run_dir=elsewhere"]).run_dir == "elsewhere"


def test_every_mistake_is_listed_with_its_key():
    settings = ["training.epoch=3", "evaluation.metric=acuracy", "seed=-1"]
    with pytest.raises(ConfigError) as raised:
        load_config(QUICK / "sentiment.yaml", settings)
    lines = str(raised.value).splitlines()
    assert lines[0] == f"{QUICK / 'sentiment.yaml'}: 3 problems"
    assert any(line.startswith("  training.epoch: unknown key; did you mean 'epochs'?") for line in lines)
    assert any(line.startswith("  evaluation.metric: 'acuracy' is unknown; did you mean 'accuracy'?") for line in lines)
    assert any(line.startswith("  seed: ") for line in lines)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("evaluation.metric=acuracy", r"evaluation\.metric: 'acuracy' is unknown; did you mean 'accuracy'\?"),
        ("data.columns.text=[1]", r"data\.columns\.text: expected a name or a position.*found \[1\]"),
        ("data.labels=[a, b, a]", r"data\.labels: expected each label once"),
        ("optimizer.learning_rate=-1", r"optimizer\.learning_rate: input should be greater than 0"),
        ("optimizer.learning_rate=.nan", r"optimizer\.learning_rate: input should be a valid number"),
        ("model.dropout=1", r"model\.dropout: input should be less than 1"),
        ("task=sentimnt", r"task: 'sentimnt' is unknown; did you mean 'sentiment'\?"),
        ("task=null", r"task: missing \(one of "),
    ],
)
def test_a_mistake_is_reported_with_its_key(setting, message):
    with pytest.raises(ConfigError, match=message):
        load_config(CONFIGS / "sentiment.yaml", [setting])


def test_sections_and_dotted_keys_become_assignments():
    values = {"training": {"epochs": 2, "freeze": ["a.*"]}, "model.dropout": 0.1, "data": {"test": None}}
    items = assignments(values)
    assert [item.partition("=")[0] for item in items] == [
        "training.epochs",
        "training.freeze",
        "model.dropout",
        "data.test",
    ]
    assert [parse_yaml(item.partition("=")[2], "x") for item in items] == [2, ["a.*"], 0.1, None]


def test_an_empty_section_is_an_assignment_of_an_empty_mapping():
    (item,) = assignments({"optimizer": {"learning_rates": {}}})
    assert item.partition("=")[0] == "optimizer.learning_rates"
    assert parse_yaml(item.partition("=")[2], "x") == {}


# ---- dumps load back equal


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_every_configuration_loads_and_dumps_back_equal(path):
    merged = load_config(path)
    again = parse_yaml(dump(merged), "dump")
    schema = tasks.find(merged.task).Config
    assert validate(again, schema, "dump") == merged
    assert list_differences(merged, validate(again, schema, "dump")) == []


def test_there_are_configurations():
    assert {"sentiment.yaml", "quick/sentiment.yaml"} <= {str(path.relative_to(CONFIGS)) for path in SHIPPED}


# ---- settings of classifiers that older versions wrote for every task: their defaults load, other values are refused


@each_task
def test_the_defaults_of_retired_settings_load_and_are_left_out(task):
    config = load_config(with_training(task, **OLDER_TRAINING))
    assert config == load_config(with_training(task))
    assert not {"loss", "cache_frozen"} & set(config.model_dump()["training"])


@each_task
def test_the_retired_settings_are_those_that_older_versions_wrote(task):
    written = {f"training.{name}": value for name, value in OLDER_TRAINING.items()}
    assert type(load_config(with_training(task))).RETIRED == written == CLASSIFIER_DEFAULTS


@each_task
@pytest.mark.parametrize("n_keys", range(6))
def test_a_retired_loss_with_fewer_keys_loads(task, n_keys):
    """Versions before them did not have all keys."""
    loss = dict(list(OLDER_TRAINING["loss"].items())[:n_keys])
    assert load_config(with_training(task, loss=loss)) == load_config(with_training(task))


@each_task
def test_a_mapping_with_retired_settings_is_left_unchanged(task):
    tree = with_training(task, **OLDER_TRAINING)
    load_config(tree)
    assert tree == with_training(task, **OLDER_TRAINING)


@each_task
@pytest.mark.parametrize(
    "loss",
    [
        {"label_smoothing": 0.1},
        {"label_smoothing": False},
        {"class_weights": "balanced"},
        {"focal_gamma": 2.0},
        {"r_drop": 1.0},
        {"teachers": ["runs/other"]},
        {"teacher_weight": 0.4},
        {"smoothing": 0.0},
        None,
        [],
        0.0,
    ],
)
def test_another_value_of_the_retired_loss_is_refused(task, loss):
    if isinstance(loss, dict):
        loss = {**OLDER_TRAINING["loss"], **loss}
    check_refused(task, "training.loss", loss=loss)


@each_task
@pytest.mark.parametrize("value", [False, None, 1, "true"])
def test_another_value_of_the_retired_cache_frozen_is_refused(task, value):
    check_refused(task, "training.cache_frozen", cache_frozen=value)


@each_task
def test_all_refused_settings_are_reported_together(task):
    check_refused(task, "training.loss", "training.cache_frozen", loss={"r_drop": 1.0}, cache_frozen=False)


def check_refused(task: str, *keys: str, **training: Any) -> None:
    """Check that these keys, and no others, are unknown."""
    with pytest.raises(ConfigError) as raised:
        load_config(with_training(task, **training))
    lines = str(raised.value).splitlines()[1:]
    assert sorted(line.split(": unknown key")[0].strip() for line in lines) == sorted(keys)


def test_a_classifier_has_retired_nothing():
    """The negative control: there these settings have an effect."""
    loss = {**OLDER_TRAINING["loss"], "label_smoothing": 0.1}
    config = load_config(with_training("sentiment", loss=loss, cache_frozen=False))
    assert type(config).RETIRED == {}
    assert (config.training.loss.label_smoothing, config.training.cache_frozen) == (0.1, False)
