"""Parameters by formula and on the real Layer."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import paddle
import pytest
from paddle import nn

from paddle_tasks import params
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.models.encoders.architectures import ARCHITECTURES
from paddle_tasks.models.parameters.encoders import encoder_parts
from paddle_tasks.models.parameters.part import Part
from paddle_tasks.models.parameters.published import PUBLISHED
from paddle_tasks.models.pretrained import hub
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.tasks import find
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.parameter_report import ParameterReport

from ..helpers import ROOT

SMALL = {
    "vocab_size": 30,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
}
NETWORKS = [
    {"model": kind, "inputs": 30, "hidden": 12, "layers": layers, "bidirectional": both}
    for kind in ("rnn", "gru", "lstm")
    for layers, both in ((1, False), (3, True))
]


def check(report: ParameterReport) -> None:
    """Every parameter belongs to exactly one part, and each part has as many as its formula gives."""
    for _, part, measured in report.walk():
        assert part.count == measured, part.name
    assert report.count == report.measured
    for name in report.sizes:
        owners = [leaf for leaf in report.parts.leaves() if re.search(leaf.pattern, name)]
        assert len(owners) == 1, name


def of_config(tmp_path, **fields) -> ParameterReport:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    return params(path)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_encoder_has_as_many_as_its_formulas(name):
    check(params(name))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configurations_are_paddlenlps(name):
    expected = hub.configuration(name)
    sizes = PUBLISHED[name].fields
    shared = expected.keys() & sizes.keys()
    assert len(shared) >= 6
    assert {key: expected[key] for key in shared} == {key: sizes[key] for key in shared}


def test_published_counts():
    assert params("bert-base-chinese").measured == 102_267_648
    uncased = params("bert-base-uncased")
    assert uncased.measured == 109_482_240
    assert round(uncased.measured, -7) == 110_000_000


def test_the_published_count_of_bert_large():
    large = params("bert-large-uncased")
    assert large.measured == 335_141_888
    assert large.quoted == "340M"


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_every_kind_has_as_many_as_its_formulas(kind, tmp_path):
    check(of_config(tmp_path, model_type=kind, **SMALL))


QUICK = sorted(path.stem for path in (ROOT / "configs" / "quick").glob("*.yaml"))
SLOW = {"pretrain"}


@pytest.mark.parametrize(
    "stem", [pytest.param(stem, marks=[pytest.mark.long] if stem in SLOW else []) for stem in QUICK]
)
def test_every_tasks_layer_has_as_many_as_its_formulas(stem, monkeypatch):
    monkeypatch.chdir(ROOT)
    check(params(f"configs/quick/{stem}.yaml"))


def test_settings_replace_those_of_a_configuration(monkeypatch):
    monkeypatch.chdir(ROOT)
    found = params("configs/quick/sentiment.yaml", ["model.encoder=lstm", "model.hidden_size=20"])
    lstm = next(part for _, part, _ in found.walk() if part.name == "lstm")
    assert lstm.count == 4 * ((32 + 20) * 20 + 2 * 20)
    check(found)
    with pytest.raises(ConfigError, match="configuration file"):
        params("bert-base-chinese", ["model.encoder=lstm"])


def counted(monkeypatch, **model: object) -> tuple[int, int]:
    """Return the parameters of a quick configuration with other settings, and the entries of its vocabulary."""
    monkeypatch.chdir(ROOT)
    report = params("configs/quick/sentiment.yaml", [f"model.{key}={value}" for key, value in model.items()])
    table = next(part for _, part, _ in report.walk() if part.name == "embedding")
    check(report)
    return report.measured, table.count // table_width(model)


def table_width(model: dict[str, object]) -> int:
    return int(str(model["hidden_size" if model["encoder"] == "transformer" else "embedding_size"]))


def test_a_textcnn_from_its_settings(monkeypatch):
    settings = {"encoder": "textcnn", "kernel_sizes": "[2,5]", "hidden_size": 10, "embedding_size": 6}
    found, n_entries = counted(monkeypatch, **settings)
    assert found == n_entries * 6 + (2 * 6 * 10 + 10) + (5 * 6 * 10 + 10) + (20 * 2 + 2)


def test_a_transformer_from_its_settings(monkeypatch):
    sizes = {"hidden_size": 12, "n_heads": 2, "n_layers": 3, "intermediate_size": 20, "max_positions": 512}
    layer = 4 * (12 * 12 + 12) + (12 * 20 + 20) + (20 * 12 + 12) + 4 * 12
    for positions, n_positions in (("learned", 512), ("sinusoidal", 0)):
        found, n_entries = counted(monkeypatch, encoder="transformer", positions=positions, **sizes)
        assert found == (n_entries + n_positions) * 12 + 3 * layer + (12 * 2 + 2)


def test_a_bilstm_from_its_settings(monkeypatch):
    found, n_entries = counted(monkeypatch, encoder="bilstm", hidden_size=10, embedding_size=6, n_layers=2)
    first, second = (2 * 4 * ((inputs + 5) * 5 + 2 * 5) for inputs in (6, 10))
    assert found == n_entries * 6 + first + second + (10 * 2 + 2)


def test_a_configuration_with_an_encoder_that_is_not_downloaded(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PPNLP_HOME", str(tmp_path))
    monkeypatch.setattr(hub, "check_available", lambda *_: pytest.fail("the network is asked"))
    # A small one, whose weights are quickly drawn.
    settings = ["model.encoder=ernie-3.0-nano-zh", "model.pooling=cls", "model.head=mlp"]
    found = params("configs/quick/sentiment.yaml", settings)
    check(found)
    assert found.measured == params("ernie-3.0-nano-zh").measured + 312 * 256 + 256 + 256 * 2 + 2
    assert not list(tmp_path.iterdir())


def test_a_run_folder_and_a_model_folder_of_a_task(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    config = load_config("configs/quick/sentiment.yaml")
    task = find(config.task)(config)
    task.read()
    task.save_model(task.build_model(), tmp_path / "run" / "model")
    built = params("configs/quick/sentiment.yaml")
    for folder in (tmp_path / "run", tmp_path / "run" / "model"):
        assert params(folder).sizes == built.sizes
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.yaml").write_text("task: sentiment", encoding="utf-8")
    with pytest.raises(CheckpointError, match="no trained model yet"):
        params(tmp_path / "begun")


@pytest.mark.parametrize("name", ["sentiment", "opinion", "builtin/bert-mini-zh", "novel"])
def test_a_shipped_model_counts_with_its_head(name):
    found = params(name)
    check(found)
    assert found.measured > params(ASSETS / "ernie-mini-zh" / "config.json").measured


def embeddings_of(name: str) -> Part:
    published = PUBLISHED[name]
    return encoder_parts(published.model_type, published.fields, has_pooler=True).parts[0]


def test_the_chinese_bert_is_counted_with_the_english_vocabulary():
    embeddings = embeddings_of("bert-base-chinese")
    assert embeddings.course.count == (30522 + 512 + 2) * 768 == 23_835_648
    assert sum(part.count for part in embeddings.parts[:3]) == (21128 + 512 + 2) * 768
    assert "21,128" in embeddings.course.reason
    assert "layer norm" in embeddings_of("bert-base-uncased").course.reason
    assert embeddings_of("ernie-3.0-base-zh").course is embeddings_of("bert-large-uncased").course is None


def test_json_is_the_whole_tree():
    report = params("gru", inputs=3, hidden=4)
    tree = report.to_json()
    assert tree["computed"] == tree["measured"] == report.count
    assert tree["parts"]["course"]["count"] == report.count - 12
    (layer,) = tree["parts"]["parts"]
    assert [part["computed"] for part in layer["parts"]] == [36, 48, 12, 12]
    assert json.loads(json.dumps(tree)) == tree


@pytest.mark.parametrize("task_types", [1, 5])
def test_task_types_count(tmp_path, task_types):
    more = {"model_type": "ernie", "use_task_id": True, "task_type_vocab_size": task_types}
    check(of_config(tmp_path, **SMALL, **more))


@pytest.mark.parametrize("sizes", NETWORKS, ids=str)
def test_recurrent_networks(sizes):
    check(params(**sizes))


def test_a_transformer():
    check(params("transformer", hidden=16, layers=2, heads=4, inner=40))


def test_a_wrong_formula_is_noticed():
    report = params("rnn", inputs=3, hidden=4)
    layer = report.parts.parts[0]
    wrong = replace(layer, parts=(replace(layer.parts[0], own_count=13), *layer.parts[1:]))
    with pytest.raises(AssertionError, match=r"layer|all"):
        check(replace(report, parts=replace(report.parts, parts=(wrong,))))


def test_the_courses_recurrent_answer_has_one_bias_vector():
    report = params("rnn", inputs=300, hidden=128)
    assert report.measured == (300 + 128) * 128 + 2 * 128 == 55_040
    assert report.parts.course.count == (300 + 128) * 128 + 128 == 54_912


def test_the_courses_counts_of_bert_base():
    report = params("bert-base-uncased")
    embeddings, layers, _ = report.parts.parts
    attention, feed, norms = layers.parts
    assert attention.course.count == 28_311_552
    assert feed.course.count == 56_623_104
    assert sum(part.count for part in embeddings.parts[:3]) == 23_835_648
    assert norms.count + embeddings.parts[3].count == 38_400


def test_memory_of_the_optimizer_is_paddles():
    layer = nn.LSTM(5, 7)
    optimizer = paddle.optimizer.AdamW(parameters=layer.parameters())
    layer(paddle.randn([2, 3, 5]))[0].sum().backward()
    optimizer.step()
    states = [value for value in optimizer.state_dict().values() if isinstance(value, paddle.Tensor)]
    assert params("lstm", inputs=5, hidden=7).cost.optimizer == sum(4 * int(value.size) for value in states)


def test_operations_are_those_of_the_products():
    cost = params("bert-base-chinese", length=1).cost
    assert cost.forward_flops == 2 * 12 * (4 * 768 * 768 + 2 * 768 * 3072) + 12 * 4 * 768
    assert params("bert-base-chinese", length=11).cost.forward_flops - cost.forward_flops == 10 * 12 * 4 * 768


def test_a_folder_without_weights_will_do(tmp_path):
    assert of_config(tmp_path, model_type="bert", **SMALL).measured == params(tmp_path).measured


def test_hugging_faces_defaults(tmp_path):
    sizes = {key: value for key, value in SMALL.items() if key != "type_vocab_size"}
    theirs = of_config(tmp_path, model_type="bert", transformers_version="4.0", **sizes)
    assert of_config(tmp_path, model_type="bert", **sizes).measured - theirs.measured == 14 * 24


def test_unknown_models(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'bert-base-chinese'"):
        params("bert-base-chinse")
    with pytest.raises(CheckpointError, match="gpt2 model, expected one of bert"):
        of_config(tmp_path, model_type="gpt2")
    with pytest.raises(ConfigError, match="multiple of 7 heads"):
        params("transformer", heads=7)
    with pytest.raises(ConfigError, match="at least 1, found 0"):
        params("rnn", inputs=0)
