"""What every task declares for the other layers is there, and its parts agree with each other."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import pytest

from paddle_tasks import tasks
from paddle_tasks.config import validate
from paddle_tasks.errors import ConfigError
from paddle_tasks.training.protocol import Task
from paddle_tasks.training.settings import RunSection
from paddle_tasks.workflows.check_data import check_data, report_lines
from paddle_tasks.workflows.config import load_config

from .comparing import assert_close, inputs_of
from .conftest import fixture_of, quick_config

VARIANT = re.compile("_(deduplicated|of_network|of_ngrams)$")
"""The end of the names of metrics on fewer rows, and of parts of a model."""
REPORT_KEYS = {"rows", "bad_rows", "duplicate_texts", "contradictory_texts", "leaked_texts"}
WITHOUT_NETWORK = [name for name in tasks.names() if tasks.find(name).BASELINE]


def test_a_task_has_every_member_of_the_contract(task):
    members = {member for member in (*Task.__annotations__, *vars(Task)) if not member.startswith("_")}
    assert {"METRICS", "ranks", "train_batches", "score_records", "display"} <= members
    assert not [member for member in members if not hasattr(task, member)]
    assert issubclass(task.Config, RunSection)
    assert isinstance(task.config, task.Config)


def test_metrics_are_declared_once_and_those_that_are_shown_exist(task, model):
    evaluation = task.evaluate(model, task.splits["dev"], lambda: None)
    assert len(set(task.METRICS)) == len(task.METRICS)
    assert task.config.evaluation.metric in task.METRICS
    summary, table = ({VARIANT.sub("", name) for name in names} for names in (task.SUMMARY_METRICS, task.TABLE_METRICS))
    assert summary
    assert summary | table <= {*task.METRICS, *evaluation.metrics}
    assert table | task.LOWER_IS_BETTER <= set(task.METRICS)


def test_a_metric_that_it_does_not_declare_cannot_choose_the_best_model(name):
    with pytest.raises(ConfigError, match=r"evaluation\.metric: .*los.* did you mean 'loss'"):
        load_config(quick_config(name), ["evaluation.metric=los"])


def test_inputs_are_fields_of_its_rows(name):
    declared = tasks.find(name)
    assert declared.INPUT_FIELDS
    assert set(declared.INPUT_FIELDS) <= set(declared.FIELDS)


def test_predict_takes_the_declared_options(task, model):
    parameters = inspect.signature(task.predict).parameters
    assert all(parameters[option].kind is inspect.Parameter.KEYWORD_ONLY for option in task.PREDICT_OPTIONS)
    defaults = {option: parameters[option].default for option in task.PREDICT_OPTIONS}
    inputs = inputs_of(task)[:2]
    assert_close(task.predict(model, inputs, **defaults), task.predict(model, inputs))


def test_record_formats_are_named_like_options_and_have_one_writer(name):
    for option, record_format in tasks.find(name).RECORD_FORMATS.items():
        assert option.isidentifier()
        given = [function for function in (record_format.to_lines, record_format.write_file) if function]
        assert len(given) == 1
        assert all(suffix.startswith(".") for suffix in record_format.suffixes)


def test_a_model_card_names_settings_of_any_configuration(name):
    settings = tasks.find(name).card_settings(load_config(quick_config(name)).model_dump(mode="json"))
    assert settings
    assert json.loads(json.dumps(settings)) == settings


# ---- data check


def layout_of(name: str) -> list[str]:
    """Return the settings by which the task's fixture is read."""
    if "classical" in fixture_of(name).read_text(encoding="utf-8").partition("\n")[0]:
        return ["data.columns={source: classical, target: modern}"]
    return ["data.blank_lines=part"] if fixture_of(name).suffix == ".txt" else []


def report_of(name: str, **sources: Any) -> dict[str, Any]:
    return check_data(name, {split: str(path) for split, path in sources.items()}, layout_of(name))


def test_the_data_report_counts_rows_and_repeated_texts(name):
    path = fixture_of(name)
    report = report_of(name, train=path, dev=path)
    assert set(report) >= REPORT_KEYS
    n_rows = report["rows"]["train"]
    assert report["rows"] == {"train": n_rows, "dev": n_rows}
    assert report["leaked_texts"] == {"dev": n_rows}
    assert n_rows > 3
    assert [report[key] for key in ("bad_rows", "duplicate_texts", "contradictory_texts")] == [0, 0, 0]
    assert_close(json.loads(json.dumps(report)), report)


def test_the_data_report_finds_duplicates_and_names_bad_rows(name, tmp_path):
    path = tmp_path / fixture_of(name).name
    content = fixture_of(name).read_bytes()
    *_, last = content.strip().splitlines()
    path.write_bytes(content.strip() + b"\n\n" * (path.suffix == ".txt") + b"\n" + last + b"\n\xff\xfe\n")
    before, report = report_of(name, train=fixture_of(name)), report_of(name, train=path)
    assert (report["rows"]["train"], report["duplicate_texts"]) == (before["rows"]["train"] + 1, 1)
    assert report["bad_rows"] == 1
    assert report["leaked_texts"] == {}
    lines = list(report_lines(name, report))
    assert any(line.startswith("train ") and str(report["rows"]["train"]) in line for line in lines)
    assert any(f"{path}:" in line for line in lines)


# ---- baseline


@pytest.mark.parametrize("baseline_of", WITHOUT_NETWORK)
def test_a_baseline_has_a_complete_section_and_knows_its_name(baseline_of):
    baseline = tasks.find(baseline_of).BASELINE
    section = baseline.complete({}, {})
    assert baseline.recognises(section["encoder"])
    assert not baseline.recognises("bert")
    validated = validate(section, baseline.model_section, "baseline")
    assert validated.model_dump(mode="json") == {**validated.model_dump(mode="json"), **section}
    assert baseline.complete(section, {}) == section
    assert baseline.options
