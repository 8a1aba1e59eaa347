"""Translating without Paddle."""

from __future__ import annotations

import subprocess
import sys

import pytest

from paddle_tasks import load, pipeline
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.pipelines import load_layer
from paddle_tasks.tasks.model_settings import read_settings
from paddle_tasks.tasks.translate.predictor import TextTranslator

from .test_task import RNN, build, read

TEXTS = ["学而时习之", " 曰：\n善。 ", "子"]
KINDS = {
    "transformer": {"model.n_layers": 2, "model.n_decoder_layers": 2, "model.n_frequent": 30},
    "gelu": {"model.activation": "gelu"},
    "gru": {**RNN, "model.n_layers": 2, "model.n_decoder_layers": 2},
    "lstm": {**RNN, "model.cell": "lstm", "model.attention": "multiplicative"},
    "none": {**RNN, "model.attention": "none"},
}


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    return save(KINDS[request.param], tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    return save(KINDS["transformer"], tmp_path_factory.mktemp("transformer"))


def save(changes, folder):
    task = read(**changes)
    task.save_model(build(task), folder)
    return folder


@pytest.mark.parametrize("options", [{}, {"num_beams": 1}, {"num_beams": 3, "num_return_sequences": 2}], ids=str)
def test_records_are_those_of_the_layer(folder, options):
    quick, layer = load(folder, device="cpu"), load_layer(folder, device="cpu")
    explain = {} if folder.name.startswith("none") else {"explain": True}
    found, expected = (one(TEXTS, max_new_tokens=12, **explain, **options) for one in (quick, layer))
    assert [not quick.needs_paddle, layer.needs_paddle] == [True, True]
    assert [dict(record) for record in found] == [dict(record) for record in expected]
    assert quick.display(found[0]) == layer.display(expected[0])
    assert ("attention" in found[0]["outputs"][0]) == bool(explain)


def test_a_pipeline_streams_the_greedy_translation(transformer):
    model = pipeline(transformer, device="cpu")
    pieces = list(model.stream_text("学而", max_new_tokens=9))
    assert "".join(pieces) == model("学而", max_new_tokens=9, num_beams=1)["outputs"][0]["text"] != ""
    assert not model.needs_paddle


def test_wrong_options_and_texts_are_refused(transformer):
    model = load(transformer, device="cpu")
    with pytest.raises(ConfigError, match="num_beam"):
        model("学而", num_beam=2)
    with pytest.raises(DataError):
        model(" ")


def test_paddle_is_not_imported(transformer, tmp_path):
    picture = tmp_path / "attention.svg"
    code = (
        "import sys; from pathlib import Path; from paddle_tasks import load\n"
        "from paddle_tasks.tasks.translate.panels import ATTENTION\n"
        f"record = load({str(transformer)!r}, device='cpu')('学而', explain=True, max_new_tokens=5)\n"
        f"ATTENTION.write_file([record], Path({str(picture)!r})); assert 'paddle' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert picture.read_text("utf-8").startswith("<?xml")


@pytest.mark.parametrize("change", [{"architecture": "bert-fc"}, {"n_heads": "many"}], ids=str)
def test_other_models_need_paddle(transformer, tmp_path, change):
    settings = read_settings(transformer)
    assert TextTranslator.load(transformer, settings, bfloat16=False) is not None
    settings["config"]["model"].update(change)
    assert TextTranslator.load(transformer, settings, bfloat16=False) is None
    settings = read_settings(transformer)
    assert TextTranslator.load(tmp_path, settings, bfloat16=False) is None
    assert TextTranslator.load(transformer, {**settings, "characters": "甲乙"}, bfloat16=False) is None
