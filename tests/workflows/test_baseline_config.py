"""The configuration of a baseline, made from that of a training run."""

from __future__ import annotations

import pytest

from paddle_tasks.config import read
from paddle_tasks.errors import ConfigError
from paddle_tasks.workflows.baseline import load_config

from ..helpers import ROOT

QUICK, PRETRAIN = ROOT / "configs/quick/sentiment.yaml", ROOT / "configs/quick/pretrain.yaml"


def test_the_default_folder_has_the_suffix_baseline(tmp_path):
    config = tmp_path / "mine.yaml"
    text = QUICK.read_text(encoding="utf-8")
    assert load_config(QUICK).run_dir == "runs/quick-sentiment-baseline"
    config.write_text(text.replace("run_dir: runs/quick-sentiment\n", ""))
    assert load_config(config).run_dir == "runs/mine-baseline"
    config.write_text(text.replace("runs/quick-sentiment", "runs/x/"))
    assert load_config(config).run_dir == "runs/x-baseline"
    assert load_config(config, ["run_dir=runs/y"]).run_dir == "runs/y"


def test_settings_that_a_baseline_does_not_use_are_left_out():
    config = load_config(QUICK, ["seed=4", "data.on_bad_row=skip"])
    assert list(config.model_dump()) == ["task", "seed", "run_dir", "data", "model", "logging"]
    assert (config.seed, config.data.on_bad_row) == (4, "skip")
    unused = ["training.epochs=99", "model.dropout=0.5"]
    assert load_config(QUICK, ["seed=4", "data.on_bad_row=skip", *unused]) == config


def test_options_replace_settings_of_a_baselines_configuration():
    tree = read(QUICK)
    shared = {name: tree[name] for name in ("task", "data")}
    config = {**shared, "run_dir": "x", "model": {"encoder": "tfidf-word-svm", "ngrams": [2, 2], "c": 4.0}}
    kept, other = load_config(config).model, load_config(config, [], {"classifier": "logistic", "c": 1.0}).model
    assert (kept.encoder, kept.ngrams, kept.c, kept.min_df) == ("tfidf-word-svm", (2, 2), 4.0, 2)
    assert (other.encoder, other.ngrams, other.c) == ("tfidf-word-logistic", (2, 2), 1.0)
    assert load_config(config).run_dir == "x"


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        (["model.encodr=lstm"], {}, r"model\.encodr: unknown key; did you mean 'encoder'"),
        (["training.epochs=many"], {}, r"training\.epochs: input should be a valid integer"),
        ([], {"c": -1.0}, r"model\.c: input should be greater than 0, found -1\.0"),
        ([], {"ngrams": (3, 2)}, r"model\.ngrams: expected the shortest and the longest"),
        (["task=sentimnt"], {}, "task: 'sentimnt' is unknown; did you mean 'sentiment'"),
        (
            [],
            {"depth": 3},
            "depth: not an option of the baseline of sentiment, which has features, classifier, c, ngra",
        ),
    ],
)
def test_a_wrong_configuration_is_refused(settings, options, message):
    with pytest.raises(ConfigError, match=message):
        load_config(QUICK, settings, options)


def test_an_option_of_none_is_the_default():
    options = {"features": None, "classifier": None, "c": None, "ngrams": None, "min_df": None}
    assert load_config(QUICK, [], options) == load_config(QUICK)


def test_a_task_without_a_baseline_is_refused_with_the_tasks_that_have_one():
    with pytest.raises(ConfigError, match=r"task: pretrain has no baseline; these tasks have one: .*sentiment"):
        load_config(PRETRAIN)
