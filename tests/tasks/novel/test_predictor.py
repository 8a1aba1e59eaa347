"""Continuing texts without Paddle."""

from __future__ import annotations

import subprocess
import sys

import pytest

from paddle_tasks import load
from paddle_tasks.errors import ConfigError
from paddle_tasks.inference.pipelines import load_layer
from paddle_tasks.tasks.model_settings import read_settings
from paddle_tasks.tasks.novel.predictor import TextWriter

from .test_task import build, read

OPTIONS = {"max_new_tokens": 12, "seed": 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    task = read(**{"data.replace": {"．": "。"}})
    folder = tmp_path_factory.mktemp("novel")
    task.save_model(build(task), folder)
    return folder


@pytest.mark.parametrize("options", [{}, {"top_k": 3}, {"num_beams": 2, "num_return_sequences": 2}], ids=str)
def test_records_are_those_of_the_layer(folder, options):
    texts = ["船头的人．", "月"]
    quick, layer = load(folder, device="cpu"), load_layer(folder, device="cpu")
    found, expected = (one(texts, **OPTIONS, **options) for one in (quick, layer))
    assert [not quick.needs_paddle, layer.needs_paddle] == [True, True]
    assert [dict(record) for record in found] == [dict(record) for record in expected]
    assert quick.display(found[0]) == layer.display(expected[0])


def test_a_stream_writes_the_text_of_a_call(folder):
    model = load(folder, device="cpu")
    pieces = list(model.stream_text("船头", **OPTIONS))
    assert "".join(pieces) == model("船头", **OPTIONS)["outputs"][0]["text"]
    assert len(pieces) == 12
    assert not model.needs_paddle


def test_a_wrong_option_is_refused(folder):
    with pytest.raises(ConfigError, match="top_q"):
        load(folder, device="cpu")("船头", top_q=0.5)


def test_paddle_is_not_imported(folder):
    code = (
        "import sys; from paddle_tasks import load\n"
        f"next(load({str(folder)!r}, device='cpu').stream_text('船头')); assert 'paddle' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("change", [{"architecture": "bert-fc"}, {"n_heads": "many"}], ids=str)
def test_other_models_need_paddle(folder, tmp_path, change):
    settings = read_settings(folder)
    assert TextWriter.load(folder, settings, bfloat16=False) is not None
    settings["config"]["model"].update(change)
    assert TextWriter.load(folder, settings, bfloat16=False) is None
    settings = read_settings(folder)
    assert TextWriter.load(tmp_path, settings, bfloat16=False) is None
    assert TextWriter.load(folder, {**settings, "characters": "甲乙"}, bfloat16=False) is None
