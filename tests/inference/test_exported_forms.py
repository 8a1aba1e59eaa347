"""Exported folders of every task are used like runs: by `load`, `predict`, `evaluate` and `serve`, in each form."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from paddle import nn

from paddle_tasks import load, tasks
from paddle_tasks.inference import export_int8
from paddle_tasks.inference.export import export
from paddle_tasks.inference.export_check import TOLERANCE, compare
from paddle_tasks.inference.exported import EXPORT
from paddle_tasks.inference.outputs import rounded
from paddle_tasks.inference.pipelines import load_layer
from paddle_tasks.inference.service.limits import Limits
from paddle_tasks.inference.service.models import load_models
from paddle_tasks.training.capabilities import ExportableTask
from paddle_tasks.training.protocol import Evaluation
from paddle_tasks.workflows.evaluate import evaluate

from ..helpers import CommandLine
from ..tasks.conftest import fixture_of, trained
from .scripts import run_script
from .service.serving import running

pytestmark = pytest.mark.long
NAMES = [name for name in tasks.names() if issubclass(tasks.find(name), ExportableTask)]
OPTIONS = {"novel": {"max_new_tokens": 6}, "translate": {"max_new_tokens": 6}}
LONG = 30
"""How often a text is repeated, to have one that models do not read as a whole."""
ODD = "  全角ＡＢＣ　和 emoji 😀，Ünïcode\u200b…  "
SCRIPT_OPTIONS = {"novel": {"max_new_tokens": 100, "do_sample": False, "top_p": 1.0}, "translate": {"num_beams": 1}}
"""How scripts write."""
NAME = "exported"
"""That of the model in requests."""


class Forms(NamedTuple):
    """A run, and the folders that were exported of it by their form."""

    task: str
    run: Path
    folders: dict[str, Path]

    @property
    def texts(self) -> list[str]:
        """Two inputs of the task."""
        return list(tasks.demonstration(self.task).examples[:2])

    @property
    def options(self) -> dict[str, Any]:
        """The options of a call that takes a moment only."""
        return OPTIONS.get(self.task, {})

    def records(self, folder: Path) -> list[dict[str, Any]]:
        """Return what `load` predicts."""
        return [rounded(record) for record in load(folder)(self.texts, **self.options)]

    def metrics(self, folder: Path) -> dict[str, Any]:
        """Return what `evaluate` finds; texts of novels are compared with train, which only the run has."""
        found = evaluate(folder, data=str(fixture_of(self.task)))["metrics"]
        return {name: found[name] for name in tasks.find(self.task).METRICS}


@pytest.fixture(scope="module", params=NAMES)
def forms(request, tmp_path_factory) -> Forms:
    """Return the exported forms of a small run of each task, which no test may change."""
    folder = tmp_path_factory.mktemp(request.param)
    run = trained(request.param, folder / "run", **{"training.epochs": 2}).folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export_int8, "MIN_SPEEDUP", 0.0)
        patch.setattr(export_int8, "MAX_COST", 100.0)
        int8 = export(run, folder / "int8", "onnx", int8=True)
    others = {form: export(run, folder / form, form) for form in ("onnx", "paddle")}
    return Forms(request.param, run, {**others, "int8": int8})


def assert_alike(found: Any, expected: Any) -> None:
    """Check that records are equal, their numbers nearly so."""
    comparison = compare(Evaluation({}, found), Evaluation({}, expected))
    assert not comparison.different
    assert comparison.largest < TOLERANCE


def test_it_predicts_as_the_run(forms):
    expected = forms.records(forms.run)
    for form in ("onnx", "paddle"):
        assert_alike(forms.records(forms.folders[form]), expected)


def test_every_norm_has_the_epsilon_of_the_layer(forms):
    layers = [layer for layer in load_layer(forms.run).model.sublayers() if isinstance(layer, nn.LayerNorm)]
    expected = Counter(float(np.float32(layer._epsilon)) for layer in layers)
    nodes = [node for path in forms.folders["onnx"].glob("*.onnx") for node in onnx.load(path).graph.node]
    norms = [node for node in nodes if node.op_type == "LayerNormalization"]
    epsilons = {node.name: attribute.f for node in norms for attribute in node.attribute if attribute.name == "epsilon"}
    assert len(norms) == len(layers)
    assert set(epsilons.values()) == expected.keys()
    facts = json.loads((forms.folders["paddle"] / EXPORT).read_text())
    assert facts["layer_norm_epsilons"] == {str(epsilon): count for epsilon, count in expected.items()}


def test_products_in_int8_are_used(forms):
    facts = json.loads((forms.folders["int8"] / EXPORT).read_text())
    assert facts["int8"]["is_default"]
    found, expected = forms.records(forms.folders["int8"]), forms.records(forms.run)
    assert [record.keys() - {"unsure"} for record in found] == [record.keys() - {"unsure"} for record in expected]


LENGTH = {"max_new_tokens": "length"}
"""Options whose name on the command line is another one."""


@pytest.mark.parametrize("form", ["onnx", "int8", "paddle"])
def test_the_command_prints_its_records(forms, form, capsys, monkeypatch):
    command, folder = CommandLine(capsys, monkeypatch), forms.folders[form]
    flags = [part for name, value in forms.options.items() for part in (f"--{LENGTH[name]}", value)]
    outcome = command("predict", folder, *forms.texts, "--json", *flags)
    assert outcome.code == 0, outcome.stderr
    assert_alike([json.loads(line) for line in outcome.stdout.splitlines()], forms.records(folder))


def test_it_is_evaluated_as_the_run(forms):
    expected = forms.metrics(forms.run)
    for form in ("onnx", "paddle"):
        assert_alike([forms.metrics(forms.folders[form])], [expected])
    assert forms.metrics(forms.folders["int8"]).keys() == expected.keys()


@pytest.mark.parametrize("form", ["onnx", "int8", "paddle"])
def test_it_is_served(forms, form):
    folder = forms.folders[form]
    models = load_models([f"{NAME}={folder}"], "cpu")
    assert not (set(models[0].options) & set(getattr(tasks.find(forms.task), "PADDLE_OPTIONS", ())))
    with running(models, Limits(seconds=120)) as client:
        answer = client.predict(forms.texts, model=NAME, options=forms.options, lines=True)
        assert answer.status == 200, answer.body
        assert_alike(answer.json["records"], forms.records(folder))
        if models[0].usage.streams and form != "int8":  # the scales of int8 are those of all rows of a call
            asked = {"model": NAME, "text": forms.texts[0], "options": forms.options}
            lines = client.ask("POST", "/v1/stream", asked).body.decode().splitlines()
            *_pieces, end = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
            assert_alike([end["record"]], answer.json["records"][:1])


def odd_inputs(texts: list[str]) -> list[str]:
    """Return inputs as they are, long ones, and odd ones."""
    fields = [text.split("\t") for text in texts]
    changed = [lambda text: text, lambda text: text * LONG, lambda text: text[:4] + ODD, lambda text: text[:1]]
    return ["\t".join(map(change, parts)) for change in changed for parts in fields]


@pytest.mark.parametrize("form", ["onnx", "paddle"])
def test_the_script_answers_as_the_run(forms, form, tmp_path):
    if forms.task == "opinion":
        pytest.skip("its script decodes otherwise than the run, as docs/export.md says")
    inputs = odd_inputs(forms.texts)
    records = load(forms.run)(inputs, **SCRIPT_OPTIONS.get(forms.task, {}))
    arguments = [part for text in inputs for part in text.split("\t")]
    found = run_script(forms.folders[form], arguments, tmp_path, form)
    if forms.task in SCRIPT_OPTIONS:
        beginnings = inputs if forms.task == "novel" else [""] * len(inputs)
        written = [record["outputs"][0]["text"] for record in records]
        assert found == "".join(f"{before}{text}\n" for before, text in zip(beginnings, written, strict=True))
        return
    answers = [json.loads(line) for line in found.splitlines() if line.startswith("{")]
    printed = {"unsure"}.union(*answers)  # a script leaves out what it cannot tell, such as "truncated"
    assert_alike(answers, [{key: record[key] for key in record if key in printed} for record in records])
