"""result.json: what is written is read back equal, and files that cannot be read are refused with file and key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.errors import DataError
from paddle_tasks.training.result import FILE, ModelFacts, RunResult, SplitFacts, TrainFacts, describe_splits

from ..helpers import ROOT

STORED = sorted((ROOT / "tests" / "stored").glob("*/*/result.json"))
each_stored = pytest.mark.parametrize("path", STORED, ids=lambda path: "-".join(path.parts[-3:-1]))


def a_result(**changes: Any) -> RunResult:
    fields: dict[str, Any] = {
        "schema": 1,
        "task": "sentiment",
        "status": "finished",
        "seed": 3,
        "model": ModelFacts(encoder="textcnn", parameters=12),
        "data": {"train": SplitFacts(path="train.tsv", rows=4, sha256="ab")},
        "dev": {"accuracy": 0.5, "per_label": {"好": {"f1": 0.25}}},
        "train": TrainFacts(epochs=2, seconds=1.5, tokens=None),
        "environment": {"device": "cpu"},
    }
    return RunResult(**{**fields, **changes})


def a_tree() -> dict[str, Any]:
    """Return the object of a result, to be changed."""
    return json.loads(json.dumps(a_result().to_json()))


def write(folder: Path, content: Any) -> Path:
    path = folder / FILE
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


# ---- writing and reading


@pytest.mark.parametrize("changes", [{}, {"test": {"accuracy": 0.25}}, {"dev": None, "status": "failed"}])
def test_a_result_is_read_back_equal(tmp_path, changes):
    result = a_result(**changes)
    result.write(tmp_path)
    again = RunResult.read(tmp_path)
    assert again == result
    assert again.to_json() == result.to_json()


def test_a_file_has_what_was_given_under_its_names(tmp_path):
    """A value that was given as None is null; one that was not given is missing."""
    a_result().write(tmp_path)
    assert json.loads((tmp_path / FILE).read_text(encoding="utf-8")) == {
        "schema": 1,
        "task": "sentiment",
        "status": "finished",
        "seed": 3,
        "model": {"encoder": "textcnn", "parameters": 12},
        "data": {"train": {"path": "train.tsv", "rows": 4, "sha256": "ab"}},
        "dev": {"accuracy": 0.5, "per_label": {"好": {"f1": 0.25}}},
        "train": {"epochs": 2, "seconds": 1.5, "tokens": None},
        "environment": {"device": "cpu"},
    }


def test_unknown_keys_are_kept(tmp_path):
    tree = a_tree()
    tree["note"] = {"by": "somebody"}
    for part in (tree["model"], tree["train"], tree["data"]["train"], tree["dev"]):
        part["later"] = [1, None, "x"]
    write(tmp_path, tree)
    result = RunResult.read(tmp_path)
    assert result.to_json() == tree
    result.write(tmp_path)
    assert RunResult.read(tmp_path) == result


def test_a_folder_without_a_result_has_none(tmp_path):
    assert RunResult.read(tmp_path) is None


@each_stored
def test_a_result_of_an_earlier_version_loads_and_is_written_back_equal(tmp_path, path):
    stored = json.loads(path.read_text(encoding="utf-8"))
    RunResult.read(path.parent).write(tmp_path)
    written = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    assert written == stored
    assert list(written) == list(stored)


def test_there_are_results_of_an_earlier_version():
    assert {path.parts[-3] for path in STORED} >= {"baseline", "news", "opinion", "pretrain", "sentiment"}
    assert {path.parts[-2] for path in STORED} == {"finished", "interrupted"}


# ---- what is read from it


def test_scores_are_those_of_the_splits_that_were_scored():
    assert a_result().scores == {"dev": a_result().dev}
    assert a_result(test={"accuracy": 0.25}).scores == {"dev": a_result().dev, "test": {"accuracy": 0.25}}
    assert a_result(dev=None).scores == {}


@pytest.mark.parametrize(("status", "is_finished"), [("finished", True), ("interrupted", False), ("failed", False)])
def test_only_one_status_is_finished(status, is_finished):
    assert a_result(status=status).is_finished is is_finished


def test_the_facts_of_a_split_are_its_rows_and_its_file():
    examples = [LabelledText("很好", "1", "train.tsv:2")]
    split = Split("train", Path("train.tsv"), "ab", examples, bad_rows=["train.tsv:3: empty"])
    facts = describe_splits({"train": split})["train"].model_dump()
    assert facts == {"path": "train.tsv", "rows": 1, "sha256": "ab", "skipped_rows": 1}


# ---- files that are refused


def refusal(folder: Path, content: Any) -> str:
    """Return the message for a file, without its path, which comes first."""
    path = write(folder, content)
    with pytest.raises(DataError) as raised:
        RunResult.read(folder)
    message = str(raised.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("content", ["", "{", '{"schema": 1,', "\x00"])
def test_damaged_json_is_refused(tmp_path, content):
    assert refusal(tmp_path, content).startswith("not valid JSON (")


@pytest.mark.parametrize("schema", [2, 0, None, "1"])
def test_another_schema_is_refused(tmp_path, schema):
    message = refusal(tmp_path, {**a_tree(), "schema": schema})
    assert message.startswith(f"expected an object with schema 1, found {schema!r}")


@pytest.mark.parametrize("content", ["[]", "null", "1", "{}"])
def test_something_else_than_a_result_is_refused(tmp_path, content):
    assert refusal(tmp_path, content).startswith("expected an object with schema 1, found None")


@pytest.mark.parametrize(
    "key", ["task", "status", "seed", "model", "model.encoder", "data", "data.train.sha256", "data.train.rows", "train"]
)
def test_a_missing_key_is_named(tmp_path, key):
    tree = a_tree()
    *parents, last = key.split(".")
    part = tree
    for name in parents:
        part = part[name]
    del part[last]
    assert refusal(tmp_path, tree) == f"{key}: missing"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "done"}, "status: input should be 'finished', 'interrupted' or 'failed'"),
        ({"seed": "x"}, "seed: input should be a valid integer"),
        ({"dev": [0.5]}, "dev: input should be an object, found [0.5]"),
        ({"data": {"eval": {"path": "a", "rows": 1, "sha256": "b"}}}, "data.eval.[key]: input should be 'train', "),
    ],
)
def test_a_wrong_value_is_named_with_its_key(tmp_path, changes, message):
    assert refusal(tmp_path, {**a_tree(), **changes}).startswith(message)
