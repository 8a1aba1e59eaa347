"""Models exported as ONNX: they answer as the trained ones, load like any other, and need only ONNX Runtime."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from paddle_tasks import load
from paddle_tasks.errors import CheckpointError, ConfigError, ExportError, SetupError
from paddle_tasks.inference import export_int8
from paddle_tasks.inference.export import export
from paddle_tasks.inference.export_check import compare, read_rows, require_epsilons, require_equal
from paddle_tasks.inference.exported import EXPORT, load_exported
from paddle_tasks.inference.model_card import CARDS
from paddle_tasks.inference.pipelines import load_layer
from paddle_tasks.inference.service.models import load_models
from paddle_tasks.models.graphs.onnx_file import OnnxNetworks
from paddle_tasks.tasks.model_settings import read_settings
from paddle_tasks.training.protocol import Evaluation
from paddle_tasks.workflows.evaluate import evaluate
from tests.helpers import CommandLine
from tests.inference.scripts import run_python, run_script

TEXTS = ["房间干净", "早餐太差了", "服务员很热情，下次还来"]


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory) -> Path:
    """Return the folder of an exported model, which no test may change."""
    return export(run.folder, tmp_path_factory.mktemp("exported") / "small", "onnx")


def test_it_predicts_what_the_run_predicts_without_paddle(run, exported):
    model = load(exported)
    assert not model.needs_paddle
    for before, after in zip(load(run.folder)(TEXTS), model(TEXTS), strict=True):
        assert before["label"] == after["label"]
        assert before["probabilities"] == pytest.approx(after["probabilities"], abs=1e-4)


def test_the_script_predicts_the_same_where_paddle_and_the_package_cannot_be_imported(run, exported, tmp_path):
    records = [json.loads(line) for line in run_script(exported, TEXTS, tmp_path).splitlines()]
    for record, expected in zip(records, load(run.folder)(TEXTS), strict=True):
        assert record["label"] == expected["label"]
        assert record["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-4)
    with pytest.raises(AssertionError, match="yaml is blocked"):
        run_python("onnx", ["-c", "import yaml"], tmp_path)


def test_it_is_served_without_what_only_the_run_can_do(exported):
    (model,) = load_models([str(exported)], "cpu")  # computes an example, too
    assert model.name == "small"
    assert "explain" not in model.options
    assert model.describe()["page_options"] == {}
    assert model.compute(TEXTS, {"top_k": 1})[0]["label"] == load(exported)(TEXTS)[0]["label"]


def test_the_command_names_the_run_for_options_that_need_it(exported, capsys, monkeypatch):
    command = CommandLine(capsys, monkeypatch)
    assert "name the run that it was exported from" in command.fails("predict", exported, *TEXTS, "--explain")


def test_it_is_evaluated_like_the_run(run, exported):
    data = str(load_layer(run.folder).task.config.data.test)
    found, expected = (evaluate(one, data=data)["metrics"] for one in (exported, run.folder))
    assert found["accuracy"] == expected["accuracy"]
    assert found["loss"] == pytest.approx(expected["loss"], abs=1e-4)


def test_the_folder_says_what_was_checked_and_has_a_card(exported):
    facts = json.loads((exported / EXPORT).read_text())
    assert facts["format"] == "onnx"
    assert facts["largest_difference"] < 1e-4
    assert facts["rows"] > 0
    assert "predict.py" in (exported / CARDS["en"]).read_text()


def change_a_bias(path: Path) -> None:
    """Change the last bias of a network, which decides between labels."""
    model = onnx.load(path)
    bias = next(one for one in reversed(model.graph.initializer) if list(one.dims) == [2])
    changed = numpy_helper.from_array(numpy_helper.to_array(bias) + np.array([0, 5], np.float32), bias.name)
    bias.CopyFrom(changed)
    onnx.save(model, path)


def test_a_network_that_answers_otherwise_is_refused(run, exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "copy")
    change_a_bias(folder / "model.onnx")
    predictor = load_layer(run.folder)
    rows = read_rows(predictor.task, run.folder, None)
    task, model = load_exported(folder, read_settings(folder), "cpu")
    expected = predictor.task.evaluate(predictor.model, rows.split, lambda: None)
    with pytest.raises(ExportError, match=r"--format onnx: the exported model does not"):
        require_equal(compare(task.evaluate(model, rows.split, lambda: None), expected), run.folder, "onnx")
    require_equal(compare(expected, expected), run.folder, "onnx")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"label": "b", "score": 0.5}, "1 of 1 rows differ, the first in row 0: label is 'b', expected 'a'"),
        ({"label": "a", "score": 0.6}, "values of 1 rows differ by up to 0.1, expected at most 0.0001"),
    ],
)
def test_differences_are_named(found, message):
    expected = Evaluation({}, [{"label": "a", "score": 0.5}])
    with pytest.raises(ExportError, match=message):
        require_equal(compare(Evaluation({}, [found]), expected), "runs/x", "onnx")


def test_another_epsilon_is_refused(run):
    with pytest.raises(ExportError, match="epsilons"):
        require_epsilons({1e-5: 1}, load_layer(run.folder).model)


def test_mistakes_are_named(run, exported, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"has the formats paddle-tasks, onnx, paddle; did you mean 'onnx'\?"):
        export(run.folder, tmp_path / "x", "onxx")
    with pytest.raises(ConfigError, match=r"--int8: is for --format onnx"):
        export(run.folder, tmp_path / "x", "paddle", int8=True)
    with pytest.raises(ConfigError, match=r"--data: is for --format onnx, paddle"):
        export(run.folder, tmp_path / "x", data="x.tsv")
    with pytest.raises(CheckpointError, match="is an exported model already"):
        export(exported, tmp_path / "x", "onnx")
    with pytest.raises(ConfigError, match="no gradients to explain by"):
        load(exported)(TEXTS, explain=True)
    with pytest.raises(SetupError, match="computes on a CPU"):
        load_layer(exported, device="gpu")
    assert not (tmp_path / "x").exists()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(SetupError, match="pip install onnxruntime"):
        OnnxNetworks(exported).run("model", {})


def test_a_damaged_network_is_named(exported, tmp_path):
    folder = shutil.copytree(exported, tmp_path / "copy")
    (folder / "model.onnx").write_bytes(b"x")
    with pytest.raises(SetupError, match=r"model.onnx: cannot be opened by ONNX Runtime"):
        load(folder)(TEXTS)


@pytest.mark.long
def test_int8_is_measured_and_becomes_the_default_only_if_it_pays(run, tmp_path, monkeypatch):
    monkeypatch.setattr(export_int8, "MIN_SPEEDUP", 0.0)
    monkeypatch.setattr(export_int8, "MAX_COST", 100.0)
    chosen = export(run.folder, tmp_path / "fast", "onnx", int8=True)
    facts = json.loads((chosen / EXPORT).read_text())["int8"]
    assert facts["is_default"]
    assert facts["cost_points"] == pytest.approx(100 * (facts["float32"] - facts["int8"]), abs=1e-3)
    assert "model.int8.onnx" in (chosen / "predict.py").read_text()
    assert load(chosen)(TEXTS)[0].keys() == load(run.folder)(TEXTS)[0].keys()
    monkeypatch.setattr(export_int8, "MIN_SPEEDUP", 1e9)
    refused = export(run.folder, tmp_path / "slow", "onnx", int8=True)
    assert not json.loads((refused / EXPORT).read_text())["int8"]["is_default"]
    assert "int8" not in (refused / "predict.py").read_text()
    assert "not the default" in (refused / CARDS["en"]).read_text()


@pytest.mark.long
def test_the_format_of_paddle_predicts_the_same_and_its_script_needs_paddle_alone(run, tmp_path):
    folder = export(run.folder, tmp_path / "small", "paddle")
    facts = json.loads((folder / EXPORT).read_text())
    assert facts["largest_difference"] < 1e-4
    assert isinstance(facts["onednn"], bool)
    expected = load(run.folder)(TEXTS)
    for record, other in zip(load(folder)(TEXTS), expected, strict=True):
        assert record["label"] == other["label"]
        assert record["probabilities"] == pytest.approx(other["probabilities"], abs=1e-4)
    printed = run_script(folder, TEXTS, tmp_path, "paddle")
    records = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    assert [record["label"] for record in records] == [record["label"] for record in expected]
