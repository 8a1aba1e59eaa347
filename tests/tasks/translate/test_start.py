"""A training that starts from the weights of another run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_tasks import tasks
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.inference.export import export
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.workflows.train import train

from ..conftest import fixture_of, sources

COLUMNS = {"source": "classical", "target": "modern", "book": "book"}


def config(run_dir: Path, **model: Any) -> dict[str, Any]:
    """Return a configuration whose run keeps a tiny model."""
    data = {name.partition(".")[2]: value for name, value in sources(fixture_of("translate")).items()}
    return {
        "task": "translate",
        "run_dir": str(run_dir),
        "data": {**data, "columns": COLUMNS, "vocabulary": {"min_count": 1}},
        "model": {"architecture": "rnn", "hidden_size": 12, "embedding_size": 8, **model},
        "training": {"epochs": 1, "batch_size": 4},
        "generation": {"max_new_tokens": 5, "num_beams": 1},
        "logging": {"visualdl": False},
    }


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return train(config(tmp_path_factory.mktemp("start") / "first")).folder


def read(settings: dict[str, Any]) -> Any:
    kind = tasks.find("translate")
    task = kind(kind.Config(**settings))
    task.read()
    return task


def arrays(model: Any) -> dict[str, Any]:
    return {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.mark.parametrize("inner", ["", "model"], ids=["run", "model folder"])
def test_training_starts_from_the_weights_and_the_vocabulary_of_a_run(inner, first, tmp_path):
    stored = arrays(load(first).model)
    task = read(config(tmp_path, start=str(first / inner), dropout=0.5))
    found = arrays(task.build_model())
    assert found.keys() == stored.keys()
    assert all(np.array_equal(found[name], stored[name]) for name in stored)
    assert "first" in task.describe_data()[-1]
    fresh = arrays(read(config(tmp_path)).build_model())
    assert any(not np.array_equal(fresh[name], stored[name]) for name in stored)


def test_the_vocabulary_is_not_that_of_train(first, tmp_path):
    settings = config(tmp_path, start=str(first))
    settings["data"]["vocabulary"] = {"min_count": 3}
    known = read(config(tmp_path)).vocabulary.characters
    assert read(settings).vocabulary.characters == known
    assert len(read({**settings, "model": config(tmp_path)["model"]}).vocabulary.characters) < len(known)


def test_the_model_predicts_when_its_start_is_gone(first, tmp_path):
    start = shutil.copytree(first, tmp_path / "copy")
    run = train(config(tmp_path / "second", start=str(start))).folder
    expected = load(run)("学而时习之")
    shutil.rmtree(start)
    assert load(run)("学而时习之") == expected


def test_a_start_that_has_changed_stops_a_resume(first, tmp_path):
    start = shutil.copytree(first, tmp_path / "copy")
    settings = config(tmp_path / "second", start=str(start))
    train({**settings, "training": {**settings["training"], "max_steps": 1}})
    for path in (tmp_path / "second").glob("result.json"):
        path.unlink()
    other = train({**config(tmp_path / "other"), "seed": 5}).folder
    shutil.copy(other / "model" / "model.safetensors", start / "model")
    with pytest.raises(CheckpointError, match=r"model\.start"):
        train({**settings, "training": {**settings["training"], "max_steps": 1}})


def test_books_that_the_start_may_have_read_are_remarked(first, tmp_path):
    settings, lines = config(tmp_path, start=str(first)), fixture_of("translate").read_text("utf-8").splitlines()
    assert not any("may have read" in line for line in read(settings).remarks())
    books = [line.replace("诸书", book) for line, book in zip(lines[1:], "甲乙丙丙丙丙丙丙", strict=True)]
    (tmp_path / "pairs.tsv").write_text("\n".join([lines[0], *books]), encoding="utf-8")
    files = dict.fromkeys(["train", "dev", "test"], str(tmp_path / "pairs.tsv"))
    held_out = {"held_out_books": {"dev": ("甲",), "test": ("乙",)}}
    found = read({**settings, "data": {**settings["data"], **files, **held_out}})
    assert any("may have read" in line for line in found.remarks())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{first}x", "no such run or model folder; did you mean '{first}'"),
        ("builtin/translat", "did you mean 'builtin/translate'"),
        ("builtin/translate", r"sizes .*model\.architecture: 'transformer' -> 'rnn'; model\.hidden_size: 256 -> 12"),
        ("builtin/sentiment", "task sentiment, expected one of translate"),
        ("{damaged}", "characters"),
        ("{exported}", r"has no model\.safetensors; name the run"),
    ],
)
def test_what_cannot_be_a_start_is_refused(name, message, first, tmp_path):
    damaged = shutil.copytree(first / "model", tmp_path / "damaged")
    path = damaged / "paddle_tasks.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), "characters": 5}), encoding="utf-8")
    exported = shutil.copytree(first / "model", tmp_path / "exported")
    (exported / "model.safetensors").unlink()
    names = {"first": str(first), "damaged": str(damaged), "exported": str(exported)}
    with pytest.raises((ConfigError, CheckpointError), match=message.format(**names)):
        read(config(tmp_path, start=name.format(**names)))


def test_the_shipped_model_is_a_start(tmp_path):
    stored = json.loads((ASSETS / "translate" / "paddle_tasks.json").read_text(encoding="utf-8"))
    settings = {**config(tmp_path), "model": {**stored["config"]["model"], "start": "builtin/translate"}}
    task = read(settings)
    assert "".join(task.vocabulary.characters) == stored["characters"]
    assert arrays(task.build_model()).keys() == arrays(load("builtin/translate", device="cpu").model).keys()


@pytest.mark.parametrize("inner", ["", "model"], ids=["run", "model folder"])
def test_a_card_has_the_stages_of_the_start_too(inner, first, tmp_path):
    start = str(first / inner)
    run = train(config(tmp_path / "second", start=start)).folder
    folder = export(run, tmp_path / "exported")
    stages = json.loads((folder / "stages.json").read_text(encoding="utf-8"))
    assert [(stage["run"], stage["config"]["model"]["start"] is None) for stage in stages] == [
        ("first", True),
        ("second", False),
    ]
    again = export(train(config(tmp_path / "third", start=str(folder))).folder, tmp_path / "again")
    stages = json.loads((again / "stages.json").read_text(encoding="utf-8"))
    assert [stage["run"] for stage in stages] == ["first", "second", "third"]
