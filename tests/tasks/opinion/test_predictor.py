"""Predicting opinions without Paddle: equal to the Layer's, from threads, in windows; and models that need Paddle."""

from __future__ import annotations

import json
import shutil
import threading
from typing import Any

import pytest

from paddle_tasks import load, tasks
from paddle_tasks.errors import CheckpointError
from paddle_tasks.inference.pipelines import load_layer
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.onednn import library
from paddle_tasks.tasks.opinion.predictor import OpinionPredictor
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.train import train

from ..conftest import quick_config

REVIEWS = ("房间干净，就是早餐太差了", "屏幕清晰，手感也不错，但是电池不耐用。", "太贵了", "。", "a")
LONG = "。".join(REVIEWS[:2] * 8)
TINY = [
    *("model.n_layers=2", "model.n_heads=2", "model.hidden_size=16", "model.pair_size=8"),
    *("training.max_steps=2", "training.epochs=1", "training.max_length=40"),
]
needs_onednn = pytest.mark.skipif(library.get() is None, reason=f"oneDNN cannot be used: {library.why_not()}")


def flat(value: Any) -> list[Any]:
    """Return the values of nested records with their keys, in order."""
    if isinstance(value, dict):
        return [item for key, own in value.items() for item in (key, *flat(own))]
    if isinstance(value, (list, tuple)):
        return [len(value), *(item for own in value for item in flat(own))]
    return [value]


def assert_equal_records(found, expected):
    wanted = flat([dict(record) for record in expected])
    assert flat([dict(record) for record in found]) == [
        pytest.approx(value, abs=1e-5) if isinstance(value, float) else value for value in wanted
    ]


@needs_onednn
def test_the_shipped_models_records_are_those_of_the_layer():
    quick, layer = load("builtin/opinion"), load_layer("builtin/opinion")
    texts = [*REVIEWS, LONG * 3]
    found = quick(texts, explain=True)
    assert_equal_records(found, layer(texts))
    assert_equal_records([quick(text) for text in texts], found)
    assert quick.display(found[0]) == layer.display(found[0])
    assert [quick.needs_paddle, layer.needs_paddle] == [False, True]
    assert len(found[0]["triplets"]) == 2
    assert quick([]) == []


@needs_onednn
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(["model.head=linear", "model.decoding=viterbi"], marks=pytest.mark.long),
        ["model.head=crf", "model.decoding=marginals", "model.overlaps=true"],
        ["model.head=bilstm_crf", "data.window_overlap=8"],
        ["model.pairs=false", "data.by_character=false"],
    ],
    ids=" ".join,
)
def test_every_head_and_decoding(settings, tmp_path):
    text = quick_config("opinion").read_text("utf-8").replace("encoder: bilstm\n  embedding_size: 64", "encoder: ernie")
    (tmp_path / "tiny.yaml").write_text(text, encoding="utf-8")
    config = load_config(tmp_path / "tiny.yaml", [*TINY, *settings, f"run_dir={tmp_path / 'run'}"])
    run = train(config.model_dump(mode="json", exclude_unset=True))
    quick, layer = load(run.folder), load_layer(run.folder)
    assert not quick.needs_paddle
    texts = [*REVIEWS, LONG]
    assert_equal_records(quick(texts), layer(texts))
    assert sum(len(record["spans"]) for record in layer(texts)) > 0


@needs_onednn
def test_threads_share_a_predictor():
    predictor, found = load("builtin/opinion"), []
    expected = predictor(REVIEWS)
    threads = [threading.Thread(target=lambda: found.append(predictor(REVIEWS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_it_declares_what_the_task_declares():
    quick, task = tasks.find_paddle_free("opinion"), tasks.find("opinion")
    assert quick is OpinionPredictor
    for member in ("FIELDS", "INPUT_FIELDS", "PREDICT_OPTIONS", "RECORD_FORMATS"):
        assert getattr(quick, member) == getattr(task, member), member


@pytest.mark.parametrize(
    "spoil",
    [
        lambda config, _: config.update(model_type="roberta"),
        lambda _, settings: settings["config"]["model"].update(head="crf"),
        lambda _, settings: settings["config"]["model"].update(head="none"),
        lambda _, settings: settings["labels"].append("more"),
        lambda _, settings: settings["polarities"].clear(),
        lambda _, settings: settings["config"]["training"].update(max_length=600),
        lambda _, settings: settings["config"]["data"].pop("window_overlap"),
    ],
)
def test_other_models_need_paddle(spoil, tmp_path):
    folder = copy_of_the_shipped_model(tmp_path)
    config, settings = (json.loads((folder / name).read_text("utf-8")) for name in ("config.json", "paddle_tasks.json"))
    assert (OpinionPredictor.load(folder, settings, bfloat16=False) is None) == (library.get() is None)
    spoil(config, settings)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    assert OpinionPredictor.load(folder, settings, bfloat16=False) is None


def test_tensors_of_other_shapes_get_the_message_of_paddles_path(tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = copy_of_the_shipped_model(tmp_path)
    arrays = load_file(folder / "model.safetensors")
    for name in ("output.weight", "tag_lstm.weight_hh_l0", "pairs.aspect.weight", "pairs.distance.weight", "crf.end"):
        save_file({**arrays, name: arrays[name][:-1]}, folder / "model.safetensors")
        with pytest.raises(CheckpointError, match=name.replace(".", r"\.")):
            load(folder)


def copy_of_the_shipped_model(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(ASSETS / "opinion", folder)
    return folder
