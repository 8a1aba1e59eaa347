"""Exported classifiers with n-grams: networks, scripts, float16 copies and services answer as the run does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paddle_tasks import load
from paddle_tasks.inference.export import export
from paddle_tasks.inference.service.models import load_models
from paddle_tasks.tasks.classification.ngrams import FILE, KEY
from paddle_tasks.workflows.evaluate import evaluate
from paddle_tasks.workflows.train import Run, train

from ..tasks.conftest import trained
from .scripts import run_script

TEXTS = ["房间干净", "早餐  太差了", "服务员很热情，下次还来，送得很快，味道也很好。" * 3]


@pytest.fixture(scope="module")
def mixed(small_config, tmp_path_factory) -> Run:
    """Return a finished run with n-grams, whose folder no test may change."""
    folder = tmp_path_factory.mktemp("mixed")
    run = train(small_config(folder, model={"ngrams": {"min_df": 1}}, training={"calibrate": True, "epochs": 1}))
    assert weight_of(run.folder / "model") > 0
    return run


def weight_of(folder: Path) -> float:
    return float(json.loads((folder / "paddle_tasks.json").read_text(encoding="utf-8"))[KEY])


def assert_alike(records, expected) -> None:
    for record, other in zip(records, expected, strict=True):
        assert record["label"] == other["label"]
        assert record["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)


@pytest.fixture(scope="module")
def exported(mixed, tmp_path_factory) -> Path:
    return export(mixed.folder, tmp_path_factory.mktemp("exported") / "mixed", "onnx")


def test_networks_and_script_answer_as_the_run(mixed, exported, tmp_path):
    model, expected = load(exported), load(mixed.folder)(TEXTS)
    assert not model.needs_paddle
    assert_alike(model(TEXTS), expected)
    records = [json.loads(line) for line in run_script(exported, TEXTS, tmp_path).splitlines()]
    assert_alike(records, expected)
    assert [record.get("unsure", False) for record in records] == [one.get("unsure", False) for one in expected]


def test_the_script_without_ngrams_would_answer_otherwise(mixed, exported, tmp_path):
    settings = json.loads((exported / "paddle_tasks.json").read_text(encoding="utf-8"))
    folder = tmp_path / "network"
    folder.mkdir()
    for path in exported.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "paddle_tasks.json").write_text(json.dumps({**settings, KEY: 0.0}), encoding="utf-8")
    (tmp_path / "scratch").mkdir()
    lines = run_script(folder, TEXTS, tmp_path / "scratch").splitlines()
    with pytest.raises(AssertionError):
        assert_alike(map(json.loads, lines), load(mixed.folder)(TEXTS))


def test_it_is_evaluated_and_served_as_the_run(mixed, exported):
    data = mixed.result["data"]["test"]["path"]
    found, expected = (evaluate(one, data=data)["metrics"] for one in (exported, mixed.folder))
    for name in ("accuracy", "accuracy_of_network", "accuracy_of_ngrams", KEY):
        assert found[name] == expected[name]
    (model,) = load_models([str(exported)], "cpu")
    assert model.compute(TEXTS, {})[0]["label"] == load(mixed.folder)(TEXTS)[0]["label"]


def test_the_float16_copy_keeps_the_ngrams(mixed, tmp_path):
    copy = export(mixed.folder, tmp_path / "half")
    assert (copy / FILE).read_bytes() == (mixed.folder / "model" / FILE).read_bytes()
    for record, other in zip(load(copy)(TEXTS), load(mixed.folder)(TEXTS), strict=True):
        assert record["probabilities"] == pytest.approx(other["probabilities"], abs=0.01)


@pytest.mark.long
def test_other_forms_and_long_texts(mixed, tmp_path):
    int8 = export(mixed.folder, tmp_path / "int8", "onnx", int8=True)
    assert json.loads((int8 / "export.json").read_text(encoding="utf-8"))["int8"]["float32"] >= 0
    program = export(mixed.folder, tmp_path / "paddle", "paddle")
    assert_alike(load(program)(TEXTS), load(mixed.folder)(TEXTS))
    (tmp_path / "scratch").mkdir()
    assert_alike(
        map(json.loads, run_script(program, TEXTS, tmp_path / "scratch", "paddle").splitlines()), load(program)(TEXTS)
    )
    run = trained("long_text", tmp_path / "run", **{"model.ngrams": {"min_df": 1}, "training.epochs": 1})
    assert weight_of(run.folder / "model") > 0
    folder = export(run.folder, tmp_path / "long", "onnx")
    lines = run_script(folder, TEXTS, tmp_path / "scratch").splitlines()
    assert_alike(map(json.loads, lines), load(run.folder)(TEXTS))
