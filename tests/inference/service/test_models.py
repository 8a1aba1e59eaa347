"""The models of a service: their names, and that their records are those of `pipeline`."""

from __future__ import annotations

import json

import pytest

from paddle_tasks import pipeline
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.inference.outputs import rounded
from paddle_tasks.inference.service import models
from paddle_tasks.inference.service.limits import Limits
from paddle_tasks.inference.service.models import load_models
from paddle_tasks.inference.service.options import OPTIONS
from paddle_tasks.tasks import CLASSES, demonstration, find
from paddle_tasks.training.demonstration import Demonstration

from ...helpers import ROOT
from .serving import Echo, running, served

REVIEWS = ["房间干净，就是早餐太差了", "很好", "位置很方便，服务热情，价格有点贵。" * 4, "空调吵了一整晚"]
TEXTS = {
    "opinion": REVIEWS,
    "news": ["北京房价连续三月上涨", "国足主场战平"],
    "fill-mask": ["味道很不[MASK]。", "今天[MASK]气真好。"],
    "rewrite": ["房间干净，就是早餐太差了"],
    "novel": ["话说宝玉"],
}
OPTIONS_OF = {"novel": {"max_new_tokens": 8, "top_k": 10, "seed": 3}, "rewrite": {"n_variants": 2, "rounds": 1}}


def numbers_apart(value):
    """Return a record without its numbers, and the numbers."""
    found = []

    def walk(part):
        if isinstance(part, float):
            found.append(part)
            return None
        if isinstance(part, dict):
            return {key: walk(inner) for key, inner in part.items()}
        return [walk(inner) for inner in part] if isinstance(part, list) else part

    return walk(json.loads(json.dumps(value))), found


def assert_equal_records(served, expected):
    (shape, numbers), (other_shape, others) = numbers_apart(served), numbers_apart(expected)
    assert shape == other_shape
    assert numbers == pytest.approx(others, abs=2e-5)  # sums of a batch have another order


@pytest.fixture(scope="module")
def sentiment():
    with running(load_models(["sentiment"], "cpu")) as client:
        yield client


def test_records_are_those_of_the_pipeline(sentiment):
    predict = pipeline("sentiment", device="cpu")
    together = sentiment.predict(REVIEWS, model="sentiment").json["records"]
    alone = [sentiment.predict(text, model="sentiment").json["records"][0] for text in REVIEWS]
    expected = [rounded(record) for record in predict(REVIEWS)]
    assert_equal_records(together, expected)
    assert_equal_records(alone, expected)
    assert_equal_records(
        sentiment.predict(REVIEWS[0], model="sentiment", options={"top_k": 1}).json["records"],
        [rounded(predict(REVIEWS[0], top_k=1))],
    )


def test_lines_explain_the_label(sentiment):
    answer = sentiment.predict(REVIEWS[0], model="sentiment", options={"explain": True}, lines=True).json
    ((heading, _space, *characters),) = answer["lines"][0]
    assert heading["text"].startswith("negative 0.")
    assert heading["tone"] == "negative"
    assert "".join(segment["text"] for segment in characters) == REVIEWS[0]
    assert max(segment.get("strength", 0) for segment in characters) == 1
    assert len(answer["records"][0]["attributions"]) == len(REVIEWS[0])


@pytest.mark.long
@pytest.mark.parametrize("name", TEXTS)
def test_records_of_other_models(name):
    options = OPTIONS_OF.get(name, {})
    with running(load_models([name], "cpu"), Limits(seconds=120)) as client:
        records = client.predict(TEXTS[name], model=name, options=options).json["records"]
        assert_equal_records(
            records, [rounded(record) for record in pipeline(name, device="cpu")(TEXTS[name], **options)]
        )
        if name in OPTIONS_OF and client.ask("GET", "/v1/models").json["models"][0]["stream"]:
            answer = client.ask("POST", "/v1/stream", {"model": name, "text": TEXTS[name][0], "options": options})
            *pieces, end = [
                json.loads(line[6:]) for line in answer.body.decode().splitlines() if line.startswith("data")
            ]
            assert_equal_records([end["record"]], records)
            assert "".join(piece["text"] for piece in pieces) == records[0]["outputs"][0]["text"]


STORED = ROOT / "tests" / "stored"
KEYS = {"label": "probabilities", "spans": "spans", "candidates": "masks", "outputs": "outputs"}
"""A key of the records of each kind, which the page reads."""


@pytest.mark.long
def test_runs_of_every_task_are_served(monkeypatch):
    monkeypatch.chdir(ROOT)  # the data paths of stored runs are relative
    runs = sorted(path.parent for path in STORED.glob("*/finished") if (path / "model").is_dir())
    names = [f"my-{run.name}={run / 'finished'}" for run in runs]
    with running(load_models(names, "cpu"), Limits(seconds=180)) as client:
        described = client.ask("GET", "/v1/models").json["models"]
        for model in described:
            options = {**model["page_options"], **({"max_new_tokens": 5} if model["stream"] else {})}
            answer = client.predict(model["examples"][0], model=model["name"], options=options, lines=True)
            assert answer.status == 200, answer.body
            assert KEYS[model["kind"]] in answer.json["records"][0]
            assert answer.json["lines"][0]
    assert {model["kind"] for model in described} == KEYS.keys()
    assert len(described) >= 7


def test_a_model_that_cannot_use_the_example_of_its_task_is_served():
    for example in ("bad", "good"):
        echo = Echo()
        served("echo", echo, demonstration=Demonstration(examples=(example,))).warm_up()
        assert echo.batches == [[example]]
    with pytest.raises(ValueError, match="secret"):
        served("echo", Echo(), demonstration=Demonstration(examples=("boom",))).warm_up()


# ---- names


@pytest.fixture
def named(monkeypatch):
    """Load no model, and return the names that requests would use."""
    monkeypatch.setattr(models, "pipeline", lambda run, device: run)
    monkeypatch.setattr(models, "usage_of", lambda run: run)
    monkeypatch.setattr(models.ServedModel, "warm_up", lambda self: None)
    return lambda *names: {model.name: model.pipeline for model in load_models(names, "cpu")}


def test_the_names_of_models(named, tmp_path, monkeypatch):
    run = tmp_path / "runs" / "hotel"
    (run / "model").mkdir(parents=True)
    assert named("sentiment", str(run)) == {"sentiment": "sentiment", "hotel": str(run)}
    assert named(str(run / "model")) == {"hotel": str(run / "model")}
    assert named("builtin/news", f"mine={run}") == {"news": "builtin/news", "mine": str(run)}
    monkeypatch.chdir(run)
    assert named(".") == {"hotel": "."}
    with pytest.raises(ConfigError, match="same name"):
        named("sentiment", "builtin/sentiment")


def test_models_that_there_are_not():
    with pytest.raises(CheckpointError, match="did you mean 'sentiment'"):
        load_models(["opinion", "sentimen"], "cpu")
    with pytest.raises(CheckpointError, match="--model"):
        load_models(["similarity"], "cpu")


# ---- declarations


@pytest.mark.parametrize("name", CLASSES)
def test_every_task_declares_how_it_is_shown(name):
    shown = demonstration(name)
    task = find(name)
    assert shown.examples
    assert all(len(example.split("\t")) == len(task.INPUT_FIELDS) for example in shown.examples)
    assert shown.options.keys() <= set(task.PREDICT_OPTIONS)
    assert all(OPTIONS[option].problem(value) is None for option, value in shown.options.items())
    assert set(task.PREDICT_OPTIONS) <= OPTIONS.keys()  # each has a range


def test_a_task_that_declares_nothing():
    assert Demonstration() == Demonstration("fields", (), {}, {})
