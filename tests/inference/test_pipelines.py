"""The Python API: train, load and pipeline, as the package's docstring shows them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import paddle_tasks
from paddle_tasks import load, pipeline, tasks, train
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.inference import pipelines as predictor
from paddle_tasks.inference.pipelines import Predictor, model_folder, options_of
from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.build import EncoderSection, build_encoder
from paddle_tasks.models.masked_lm import MaskedLanguageModel, load_masked_lm
from paddle_tasks.models.pretrained import loading as pretrained
from paddle_tasks.models.pretrained.saving import save_pretrained
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer


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
    there = r"\(there is: fill-mask, mood, rewrite\)"
    with pytest.raises(CheckpointError, match=rf"moood: no such run folder.*{there}; did you mean 'mood'"):
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


# ---- built-in pipelines


class Shout:
    """Stands for a pipeline over a masked language model."""

    def __init__(self, model, tokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer

    def __call__(self, texts: list[str], top_k: int = 5) -> list[dict]:
        assert isinstance(texts, list)
        return [{"input": text, "top_k": top_k, "size": len(self.tokenizer)} for text in texts]


@pytest.fixture
def shout(monkeypatch):
    monkeypatch.setattr(predictor, "_fill_mask", Shout)
    filled = replace(predictor.PIPELINES["fill-mask"], build=Shout)
    monkeypatch.setattr(predictor, "PIPELINES", {**predictor.PIPELINES, "fill-mask": filled})


VOCABULARY = [*SPECIAL_TOKENS, *"房间干净味道很差"]


@pytest.fixture(scope="module")
def masked_lm(tmp_path_factory) -> Path:
    """The folder of a small masked language model."""
    folder = tmp_path_factory.mktemp("masked-lm") / "model"
    sizes = {"hidden_size": 8, "n_layers": 1, "n_heads": 2, "max_positions": 16}
    section = EncoderSection.model_validate_json(json.dumps({"encoder": "ernie", **sizes}))
    save_pretrained(MaskedLanguageModel(build_encoder(section, len(VOCABULARY), 0)), folder)
    Tokenizer(VOCABULARY).save(folder)
    return folder


@pytest.mark.usefixtures("shout")
def test_a_built_in_pipeline_is_found_by_name(masked_lm, monkeypatch):
    monkeypatch.setattr(pretrained, "ASSETS", masked_lm.parent)
    ask = pipeline("fill-mask", model="builtin/model")
    assert ask("很", top_k=2) == {"input": "很", "top_k": 2, "size": len(VOCABULARY)}
    assert ask(["很", "差"]) == ask(("很", "差")) == [ask("很"), ask("差")]
    assert ask([]) == []
    model = ask._compute.model
    assert not any(layer.training for layer in model.sublayers(include_self=True))
    assert cpu.is_switched_in(model.cls.predictions.transform)
    with pytest.raises(ConfigError, match="builtin/ernie-mini-zh: no such built-in model"):
        pipeline("fill-mask")
    shutil.copytree(masked_lm, masked_lm.parent / "ernie-mini-zh")
    assert pipeline("fill-mask")("很") == ask("很")


@pytest.mark.usefixtures("shout")
def test_a_run_of_pretraining_stands_for_its_model(masked_lm, tmp_path, monkeypatch):
    shutil.copytree(masked_lm, tmp_path / "run" / "model")
    settings = tmp_path / "run" / "model" / tasks.SETTINGS
    settings.write_text('{"config": {"task": "pretrain"}}', encoding="utf-8")
    task = SimpleNamespace(tokenizer=Tokenizer(VOCABULARY))
    found = {"pretrain": SimpleNamespace(load=lambda folder: (task, load_masked_lm(str(folder))))}
    monkeypatch.setattr(tasks, "find", found.get)
    answer = {"input": "很", "top_k": 5, "size": len(VOCABULARY)}
    for place in (tmp_path / "run", tmp_path / "run" / "model"):
        assert pipeline(place)("很") == load(place)("很") == pipeline("fill-mask", model=place)("很") == answer
        assert options_of(place) == ("top_k",)
    assert load(tmp_path / "run").task is task, "evaluate asks for it"
    with pytest.raises(TypeError, match="explain"):
        load(tmp_path / "run")("很", explain=True)


def test_a_model_that_names_no_tokens_is_refused(run, tmp_path):
    with pytest.raises(CheckpointError, match="config.json is of a textcnn model"):
        pipeline("fill-mask", model=run.folder)
    with pytest.raises(CheckpointError, match="holds no trained model yet"):
        pipeline("rewrite", model=tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        pipeline("rewrite", model=tmp_path / "nowhere")


def test_a_run_has_a_model_of_its_own(run, tmp_path):
    with pytest.raises(ConfigError, match="has a model of its own; one can be chosen for fill-mask, rewrite"):
        pipeline(run.folder, model="builtin/ernie-mini-zh")
    with pytest.raises(CheckpointError, match="no such run folder"):
        pipeline(tmp_path / "nowhere", model="builtin/ernie-mini-zh")


@pytest.mark.parametrize(
    ("name", "right"), [("fil-mask", "fill-mask"), ("fill_mask", "fill-mask"), ("rewite", "rewrite")]
)
def test_the_nearest_pipeline_is_named(name, right):
    for find in (pipeline, options_of):
        with pytest.raises(CheckpointError, match=f"{name}: no such run folder, .*; did you mean '{right}'"):
            find(name)


def test_the_options_of_a_name(run):
    assert options_of(run.folder) == options_of(run.folder / "model") == ("explain",)
    for name, builtin in predictor.PIPELINES.items():
        assert options_of(name) == builtin.options


OPTIONS = {"top_k": 2, "n_variants": 1, "share": 1.0, "rounds": 1, "min_similarity": -1.0, "seed": 3}


@pytest.mark.parametrize("name", sorted(predictor.PIPELINES))
def test_a_pipeline_takes_its_options(name, masked_lm):
    options = {option: OPTIONS[option] for option in predictor.PIPELINES[name].options}
    ask = pipeline(name, model=masked_lm)
    assert ask("房间[MASK]净", **options)["input"] == "房间[MASK]净"
    other = next(option for option in OPTIONS if option not in options)
    with pytest.raises(TypeError, match=other):
        ask("房间[MASK]净", **{other: OPTIONS[other]})


def test_explaining_an_answer(ask):
    first, second = ask(["房间干净", "味道很差"], explain=True)
    assert list(first) == ["input", "label", "probabilities", "attributions", "completeness_error"]
    assert [span[:2] for span in second["attributions"]] == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert ask("味道很差", explain=True).keys() == first.keys()
    with pytest.raises(TypeError, match="top_k"):
        ask("好", top_k=2)
