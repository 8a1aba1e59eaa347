"""Inspecting every kind of model, one word in several texts, probes and files."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest

from paddle_tasks import inspect, tasks
from paddle_tasks.errors import CheckpointError, ConfigError, DataError
from paddle_tasks.workflows.attention_page import attention_page, write_attention_page, write_features
from paddle_tasks.workflows.config import load_config
from paddle_tasks.workflows.probe import probe_layers
from paddle_tasks.workflows.word_in_texts import read_lines, word_in_texts

from ..helpers import ROOT

BERT, ERNIE = "builtin/bert-mini-zh", "builtin/ernie-mini-zh"
OPENED = ["他开车去上班。", "我不会开车。", "公园里的花开了。", "春天桃花开得很好看。"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a function that writes the model folder of a quick configuration, without training."""

    def make(name: str, *settings: str) -> Path:
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(ROOT)
            config = load_config(f"configs/quick/{name}.yaml", settings)
            task = tasks.find(config.task)(config)
            task.read()
            folder = tmp_path_factory.mktemp(name)
            task.save_model(task.build_model(), folder)
        return folder

    return make


def largest(found) -> float:
    assert found.checks
    return max(check.difference for check in found.checks)


# ---- every kind of model


def test_a_pair_of_texts_in_a_model_of_a_task():
    found = inspect("sentiment", "房间干净", "早餐差", length=16)
    assert found.tokens[:3] == ("[CLS]", "房", "间")
    assert found.steps.token_type_ids.tolist() == [0] * 6 + [1] * 4
    assert len(found.steps.padded_ids) == 16
    assert found["hidden_states"].shape == (5, 10, 256)
    assert largest(found) < 5e-6


def test_every_state_of_a_model_that_needs_the_first_only(made):
    sizes = ("hidden_size=16", "n_layers=2", "n_heads=2", "encoder=bert", "pooling=cls")
    folder = made("sentiment", *(f"model.{size}" for size in sizes))
    found = inspect(folder, "房间干净")
    assert found["hidden_states"].shape == (3, 6, 16)
    assert largest(found) < 5e-6
    assert np.isfinite(word_in_texts(folder, "好", ["很好", "好吃"]).cosines).all()


def test_a_model_that_reads_characters():
    found = inspect("opinion", "wifi慢")
    assert len(found.tokens) == 2 + len("wifi慢")
    assert found["last_hidden_state"].shape == (7, 256)
    with pytest.raises(ConfigError, match="reads one text"):
        inspect("opinion", "慢", "快")


def test_the_shipped_model_that_writes():
    found = inspect("novel", "话说宝玉")
    assert largest(found) < 5e-6
    assert len(found.findings.checks) == 3


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_random_weights_are_the_same_each_time(kind):
    first, second = (inspect(kind, "今天天气真好") for _ in range(2))
    key = first.outputs[-1].name
    assert np.array_equal(first[key], second[key])
    assert largest(first) < 5e-6


def test_a_model_that_writes(made):
    found = inspect(made("novel"), "话说宝玉")
    assert found.tokens[0] == "[CLS]"
    assert found["past_keys"].shape[2] == len(found.tokens) == 5
    assert largest(found) < 5e-6


def test_a_translator_reads_a_target_or_writes_its_own(made):
    folder = made("translate")
    given, own = inspect(folder, "学而时习之", "今天天气"), inspect(folder, "学而时习之")
    assert given.target == ("[CLS]", "今", "天", "天", "气")
    assert given["cross_attentions"].shape[-2:] == (5, 5)
    assert own.target[0] == "[CLS]"
    assert largest(own) < 5e-6


def test_a_model_over_windows_of_characters(made):
    section = load_config(ROOT / "configs" / "novel-bert-fc.yaml").model.model_dump(mode="json")
    found = inspect(made("novel", f"model={json.dumps(section)}", "data.window=16"), "话说宝玉")
    assert (found.tokens[0], found.tokens[-1]) == ("[CLS]", "[SEP]")
    assert found["hidden_states"].shape == (5, 6, 256)
    assert largest(found) < 5e-6


def test_mistakes_have_messages(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'sentiment'"):
        inspect("sentimen", "好")
    with pytest.raises(DataError, match="inspect: "):
        inspect(BERT, " ")
    with pytest.raises(CheckpointError, match="config"):
        inspect(tmp_path, "好")
    with pytest.raises(ConfigError, match="unknown encoder"):
        word_in_texts("nothing-like-it", "好", ["好"])


# ---- one word in several texts


def test_a_word_with_two_senses():
    found = word_in_texts(ERNIE, "开", [*OPENED, "没有这个字。"])
    assert found.texts == tuple(OPENED)
    cosines = found.cosines
    assert np.allclose(np.diag(cosines), 1, atol=1e-5)
    same, other = (cosines[0, 1] + cosines[2, 3]) / 2, cosines[:2, 2:].mean()
    assert same > other + 0.2
    assert found.static_cosines.shape == (4,)


def test_a_vector_is_the_state_of_the_word():
    found, inside = word_in_texts(BERT, "开车", OPENED[:2]), inspect(BERT, OPENED[0])
    assert np.allclose(found.contextual[0], inside["last_hidden_state"][2:4].mean(axis=0), atol=5e-6)
    assert np.allclose(found.static, inside["words"][2:4].mean(axis=0), atol=1e-6)


def test_too_few_texts_with_the_word():
    with pytest.raises(DataError, match="found in 1 of 2"):
        word_in_texts(BERT, "桃", OPENED[2:])


def test_lines_of_a_file(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("一\n\n二\n", encoding="utf-8")
    assert read_lines(path) == ["一", "二"]
    with pytest.raises(DataError, match="one a line"):
        read_lines(tmp_path / "none.txt")


# ---- probes


@pytest.mark.long
def test_a_probe_finds_that_layers_know_more_than_chance():
    found = probe_layers(ERNIE, ROOT / "configs" / "quick" / "news.yaml")
    assert len(found.accuracies) == 5
    assert found.accuracies[found.best] == max(found.accuracies) > found.majority + 0.3
    assert (found.n_train, found.n_dev) == (360, 120)


def test_a_probe_needs_labels_and_layers():
    with pytest.raises(ConfigError, match="one label to one text"):
        probe_layers(ERNIE, ROOT / "configs" / "quick" / "opinion.yaml")
    with pytest.raises(ConfigError, match="Transformer layers"):
        probe_layers("lstm", ROOT / "configs" / "quick" / "news.yaml")


# ---- files


@pytest.fixture(scope="module")
def long_text():
    return inspect(ERNIE, "酒店位置很好，离地铁站近，" * 5, length=64)


def test_the_page_has_every_weight_and_needs_nothing_else(long_text, tmp_path):
    write_attention_page(long_text, tmp_path / "page.html", "a <b>")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r"const data = (.*), head = ", page)[1])
    levels = np.frombuffer(base64.b64decode(data["weights"]), np.uint8).reshape(data["shape"])
    assert np.abs(levels / 255 - long_text["attentions"]).max() <= 0.5 / 255 + 1e-6
    assert data["queries"] == data["keys"] == list(long_text.tokens)
    assert len(data["keys"]) == 64
    assert len(page.encode()) < 300_000
    assert "a &lt;b&gt;" in page
    assert "://" not in page


def test_a_model_without_attention_has_no_page():
    with pytest.raises(ConfigError, match="no attention"):
        attention_page(inspect("textcnn", "好"), "textcnn")


def test_features_are_the_outputs(long_text, tmp_path):
    write_features(long_text, tmp_path / "new" / "features.npz")
    stored = np.load(tmp_path / "new" / "features.npz")
    assert np.array_equal(stored["hidden_states"], long_text["hidden_states"])
    assert stored["tokens"].tolist() == list(long_text.tokens)
    with pytest.raises(ConfigError, match=r"ends in \.npz"):
        write_features(long_text, tmp_path / "features.txt")
