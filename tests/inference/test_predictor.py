"""The Python API: train, load and pipeline, as the package's docstring shows them."""

from __future__ import annotations

import json
import shutil

import pytest

import paddle_tasks
from paddle_tasks import load, pipeline, train
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.inference import predictor
from paddle_tasks.inference.predictor import Predictor, model_folder


@pytest.fixture(scope="module")
def run(small_config, tmp_path_factory):
    """A finished run, which no test may change."""
    return train(small_config(tmp_path_factory.mktemp("inference")))


@pytest.fixture(scope="module")
def ask(run) -> Predictor:
    return load(run.folder)


# ---- prediction


def test_one_text_gives_one_answer_and_a_list_gives_a_list(ask):
    first, second = ask(["房间干净", "味道很差"])
    assert (first["input"], second["input"]) == ("房间干净", "味道很差")
    assert ask(("房间干净",)) == [ask("房间干净")]
    assert ask([]) == []


def test_an_answer_does_not_depend_on_its_neighbours(ask):
    texts = ["好", "房间干净" * 3, "味道很差", "？" * 100]
    answers = ask(texts)
    assert [answer["input"] for answer in answers] == texts
    for text, answer in zip(texts, answers, strict=True):
        assert answer["probabilities"] == pytest.approx(ask(text)["probabilities"], abs=1e-6)
    assert answers[0]["probabilities"] != pytest.approx(answers[2]["probabilities"], abs=1e-3)


def test_answers_are_what_the_run_wrote(run, ask):
    lines = (run.folder / "predictions" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    for record in map(json.loads, lines):
        answer = ask(record["text"])
        assert answer["label"] == record["predicted"]
        assert answer["probabilities"] == pytest.approx(record["probabilities"], abs=1e-6)


def test_an_answer_can_be_written_as_json(ask):
    assert json.loads(json.dumps(ask("好"))) == ask("好")


# ---- finding a model


@pytest.mark.parametrize("find", [load, pipeline])
def test_a_run_or_its_model_folder(run, ask, find):
    for place in (run.folder, str(run.folder), run.folder / "model"):
        assert find(place)("房间干净") == ask("房间干净")


def test_a_model_that_ships_is_found_by_name(run, ask, tmp_path, monkeypatch):
    shutil.copytree(run.folder / "model", tmp_path / "models" / "mood")
    (tmp_path / "models" / "empty").mkdir()
    monkeypatch.setattr(predictor, "BUILTIN", tmp_path / "models")
    assert pipeline("mood")("房间干净") == ask("房间干净")
    with pytest.raises(CheckpointError, match=r"moood: no such run folder.*\(there is: mood\); did you mean 'mood'"):
        pipeline("moood")
    with pytest.raises(CheckpointError, match="no such run folder"):
        pipeline("empty")


def test_an_interrupted_run_answers_with_its_latest_checkpoint(run, ask, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    shutil.rmtree(folder / "model")
    latest = (folder / "checkpoints" / "latest").read_text().strip()
    assert model_folder(folder) == folder / "checkpoints" / latest / "model"
    assert set(load(folder)("房间干净")) == set(ask("房间干净"))


@pytest.mark.parametrize("find", [load, pipeline])
def test_a_folder_without_a_model_is_refused(tmp_path, find):
    with pytest.raises(CheckpointError, match="holds no trained model yet"):
        find(tmp_path)
    with pytest.raises(CheckpointError, match="no such run folder"):
        find(tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


# ---- train from Python


def test_overrides_may_be_nested_or_dotted(small_config, tmp_path):
    run = train(
        small_config(tmp_path),
        seed=3,
        run_dir=tmp_path / "other",
        training={"max_steps": 1},
        data={"labels": ["positive", "negative"]},
        **{"optimizer.learning_rate": 1e-5, "logging.visualdl": False, "data.test": None},
    )
    assert run.folder == tmp_path / "other"
    assert not (tmp_path / "run").exists()
    assert (run.result["seed"], run.result["train"]["optimizer_steps"]) == (3, 1)
    assert "test" not in run.result
    assert list(run.result["dev"]["per_label"]) == ["positive", "negative"]
    written = paddle_tasks.config.parse_yaml((run.folder / "config.yaml").read_text(encoding="utf-8"), "x")
    assert (written["optimizer"]["learning_rate"], written["training"]["epochs"]) == (1e-5, 2)


def test_an_empty_mapping_is_a_value(small_config, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.train: missing"):
        train(small_config(tmp_path), data={})


def test_mistakes_are_told_and_nothing_is_written(small_config, tmp_path):
    with pytest.raises(ConfigError, match="config: 2 problems"):
        train(small_config(tmp_path), seed=-1, training={"epoch": 3})
    assert list(tmp_path.iterdir()) == []


def test_every_step_is_observed(small_config, tmp_path):
    events: list[str] = []
    train(small_config(tmp_path), observe=lambda event: events.append(type(event).__name__))
    assert {"StepReport", "EvaluationReport", "CheckpointReport"} <= set(events)


# ---- the package


def test_the_docstrings_example(run, monkeypatch):
    example = [line.removeprefix(">>> ") for line in paddle_tasks.__doc__.splitlines() if line.startswith(">>> ")]
    monkeypatch.setattr(paddle_tasks, "train", {"configs/sentiment.yaml": run}.get, raising=False)
    names: dict = {}
    exec("\n".join(example[:-1]), names)
    assert set(eval(example[-1], names)) == {"input", "label", "probabilities"}


def test_the_public_names():
    assert {"train", "load", "pipeline"} == set(paddle_tasks.__all__)
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        paddle_tasks.trian  # noqa: B018
