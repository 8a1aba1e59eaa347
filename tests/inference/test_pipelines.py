"""The Python API: train, load and pipeline, as the package's docstring shows them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import paddle_tasks
from paddle_tasks import load, pipeline, tasks, train
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.inference import model_folders, pipelines
from paddle_tasks.inference.model_folders import model_folder
from paddle_tasks.inference.pipelines import Predictor
from paddle_tasks.inference.usage import Usage, usage_of
from paddle_tasks.models import cpu
from paddle_tasks.models.encoders.build import EncoderSection, build_encoder
from paddle_tasks.models.masked_lm import MaskedLanguageModel
from paddle_tasks.models.pretrained import loading as pretrained
from paddle_tasks.models.pretrained.saving import save_pretrained
from paddle_tasks.text.tokenizer import SPECIAL_TOKENS, Tokenizer
from paddle_tasks.workflows.config import load_config

from ..helpers import ROOT


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
    monkeypatch.setattr(model_folders, "ASSETS", tmp_path / "models")
    assert pipeline("mood")("房间干净") == ask("房间干净")
    names = r"and no shipped model or pipeline \(embed, fill-mask, mood, rewrite\)"
    with pytest.raises(CheckpointError, match=rf"moood: no such run folder, {names}; did you mean 'mood'"):
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


@pytest.mark.parametrize("find", [load, pipeline])
def test_a_shipped_model_has_a_name_everywhere(find):
    expected = pipeline("sentiment")("太吵了")
    for name in ("builtin/sentiment", "sentiment", "sentiment-analysis", "text-classification"):
        assert find(name)("太吵了") == expected
    with pytest.raises(CheckpointError, match="did you mean 'sentiment'"):
        find("sentimint")
    with pytest.raises(CheckpointError, match="no such run folder"):
        find("builtin/bert-maxi-zh")


def test_an_existing_folder_is_what_load_means(run, ask, tmp_path, monkeypatch):
    shutil.copytree(run.folder, tmp_path / "sentiment")
    monkeypatch.chdir(tmp_path)
    assert load("sentiment")("太吵了") == ask("太吵了")
    assert load("builtin/sentiment")("太吵了") == pipeline("sentiment")("太吵了") != ask("太吵了")


def test_a_model_can_be_chosen_for_a_general_name(run, ask):
    assert pipeline("text-classification", model=run.folder)("太吵了") == ask("太吵了")
    news = pipeline("text-classification", model="builtin/news")("国足主场战平")
    assert news["label"] == "sports"


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


def test_mistakes_are_reported_and_nothing_is_written(small_config, tmp_path):
    with pytest.raises(ConfigError, match="config: 2 problems"):
        train(small_config(tmp_path), seed=-1, training={"epoch": 3})
    assert list(tmp_path.iterdir()) == []


def test_every_step_is_observed(small_config, tmp_path):
    events: list[str] = []
    train(small_config(tmp_path), observe=lambda event: events.append(type(event).__name__))
    assert {"StepReport", "EvaluationReport", "CheckpointReport"} <= set(events)


# ---- built-in pipelines


class Shout:
    """Stands in for `FillMask`; its records contain the options and the size of the vocabulary."""

    def __init__(self, model, tokenizer) -> None:
        self.model, self.tokenizer = model, tokenizer

    def __call__(self, texts: list[str], top_k: int = 5) -> list[dict]:
        assert isinstance(texts, list)
        return [{"input": text, "top_k": top_k, "size": len(self.tokenizer)} for text in texts]


@pytest.fixture
def shout(monkeypatch):
    replaced = replace(pipelines.PIPELINES["fill-mask"], build=Shout)
    monkeypatch.setattr(pipelines, "PIPELINES", {**pipelines.PIPELINES, "fill-mask": replaced})


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
    model = ask.compute.model
    assert not any(layer.training for layer in model.sublayers(include_self=True))
    assert cpu.is_switched_in(model.cls.predictions.transform)
    with pytest.raises(ConfigError, match="builtin/ernie-mini-zh: no such built-in model"):
        pipeline("fill-mask")
    shutil.copytree(masked_lm, masked_lm.parent / "ernie-mini-zh")
    assert pipeline("fill-mask")("很") == ask("很")


def test_a_run_of_pretraining_is_a_model_of_fill_mask(masked_lm, tmp_path):
    config = load_config(ROOT / "configs" / "quick" / "pretrain.yaml", ["data.next_sentence=false"])
    shutil.copytree(masked_lm, tmp_path / "run" / "model")
    settings = json.dumps({"config": config.model_dump(mode="json")})
    (tmp_path / "run" / "model" / tasks.SETTINGS).write_text(settings, encoding="utf-8")
    text, answer = "房间[MASK]净", pipeline("fill-mask", model=masked_lm)("房间[MASK]净", top_k=3)
    assert len(answer["fillings"]) == 3
    for folder in (tmp_path / "run", tmp_path / "run" / "model"):
        for ask in (pipeline(folder), load(folder), pipeline("fill-mask", model=folder)):
            assert ask(text, top_k=3) == answer
        assert usage_of(folder).options == ("top_k",)
    with pytest.raises(TypeError, match="explain"):
        load(tmp_path / "run")(text, explain=True)


def test_a_model_that_predicts_no_tokens_is_refused(run, tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json is of a textcnn model"):
        pipeline("fill-mask", model=run.folder)
    with pytest.raises(CheckpointError, match="holds no trained model yet"):
        pipeline("rewrite", model=tmp_path)
    with pytest.raises(ConfigError, match="no such folder"):
        pipeline("rewrite", model=tmp_path / "nowhere")


def test_a_run_has_a_model_of_its_own(run, tmp_path):
    with pytest.raises(ConfigError, match="has its own model; a model can be chosen for fill-mask and rewrite"):
        pipeline(run.folder, model="builtin/ernie-mini-zh")
    with pytest.raises(CheckpointError, match="no such run folder"):
        pipeline(tmp_path / "nowhere", model="builtin/ernie-mini-zh")


def test_a_task_takes_a_run_of_it(run):
    assert pipeline("sentiment", model=run.folder)("味道不错") == load(run.folder)("味道不错")
    with pytest.raises(ConfigError, match="is a model of the task sentiment, expected one of opinion"):
        pipeline("opinion", model=run.folder)


@pytest.mark.parametrize(
    ("name", "right"), [("fil-mask", "fill-mask"), ("fill_mask", "fill-mask"), ("rewite", "rewrite")]
)
def test_the_nearest_pipeline_is_named(name, right):
    for find in (pipeline, usage_of):
        with pytest.raises(CheckpointError, match=f"{name}: no such run folder, .*; did you mean '{right}'"):
            find(name)


def test_the_usage_of_a_name(run):
    for folder in (run.folder, run.folder / "model"):
        usage = usage_of(folder)
        assert (usage.fields, usage.options, usage.takes_model) == (("text",), ("explain", "top_k"), False)
        assert (list(usage.formats), usage.task) == (["clue"], tasks.find_paddle_free("sentiment"))
    for name, builtin in pipelines.PIPELINES.items():
        expected = Usage(("text",), builtin.options, {}, builtin.display, takes_model=True)
        assert usage_of(name) == replace(expected, demonstration=builtin.demonstration)


OPTIONS = {"top_k": 2, "n_variants": 1, "share": 1.0, "rounds": 1, "min_similarity": -1.0, "seed": 3}


@pytest.mark.parametrize("name", sorted(pipelines.PIPELINES))
def test_a_pipeline_takes_its_options(name, masked_lm):
    options = {option: OPTIONS[option] for option in pipelines.PIPELINES[name].options}
    ask = pipeline(name, model=masked_lm)
    assert ask("房间[MASK]净", **options)["input"] == "房间[MASK]净"
    other = next(option for option in OPTIONS if option not in options)
    with pytest.raises(TypeError, match=other):
        ask("房间[MASK]净", **{other: OPTIONS[other]})


def test_explaining_an_answer(ask):
    first, second = ask(["房间干净", "味道很差"], explain=True)
    assert list(first) == ["input", "label", "score", "probabilities", "attributions", "completeness_error"]
    assert [span[:2] for span in second["attributions"]] == [[0, 1], [1, 2], [2, 3], [3, 4]]
    assert ask("味道很差", explain=True).keys() == first.keys()
    with pytest.raises(TypeError, match="n_variants"):
        ask("好", n_variants=2)
