"""PaddleNLP's names: with a small model in the cache, and without a network."""

from __future__ import annotations

import dataclasses
import shutil
import urllib.request
from unittest import mock

import paddle
import pytest

from paddle_tasks import downloads
from paddle_tasks.errors import CheckpointError, SetupError
from paddle_tasks.models.pretrained import hub
from paddle_tasks.models.pretrained.loading import load_pretrained, resolve, tokenizer_folder

from ... import hub as loopback
from ..conftest import GOLDEN
from ..test_golden import TOLERANCE, difference

NAME = "ernie-3.0-nano-zh"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and no network."""
    monkeypatch.setenv("PPNLP_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
        monkeypatch.delenv(variable.upper(), raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    return tmp_path / "models"


@pytest.fixture
def small(cache, monkeypatch):
    """The golden ERNIE in the cache under a PaddleNLP name, with one more layer than its configuration has."""
    model = load_pretrained(str(GOLDEN / "ernie")).model
    state = {f"ernie.{name}": value for name, value in model.state_dict().items()}
    extra = {"ernie.encoder.layers.2.linear1.weight": paddle.ones([32, 64]), "cls.bias": paddle.ones([2])}
    (cache / NAME).mkdir(parents=True)
    paddle.save({**state, **extra}, str(hub.weights_path(NAME)))
    (cache / NAME / "ernie_3.0_nano_zh_vocab.txt").write_text("[PAD]\n[CLS]\n")
    fields = {key: model.config[key] for key in ("hidden_act", "use_task_id", "layer_norm_eps", *SIZES)}
    published = {**hub.usable_models(), NAME: hub.HubModel("ernie", fields, *PUBLISHED, lowercase=True)}
    monkeypatch.setattr(hub, "usable_models", lambda: published)
    return cache / NAME


SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
    "task_type_vocab_size",
)
PUBLISHED = ("https://localhost/ernie_3.0_nano_zh.pdparams", "https://localhost/ernie_3.0_nano_zh_vocab.txt")


def test_the_names_are_paddlenlps():
    names = hub.names()
    for name in ("bert-base-chinese", "bert-wwm-chinese", "bert-wwm-ext-chinese", "ernie-1.0", "ernie-1.0-base-zh"):
        assert name in names
    assert {f"ernie-3.0-{size}-zh" for size in ("xbase", "base", "medium", "mini", "micro", "nano")} <= set(names)
    assert hub.configuration("bert-base-chinese")["model_type"] == "bert"
    assert hub.configuration("ernie-1.0")["hidden_act"] == "relu"
    assert hub.configuration("bert-base-chinese")["type_vocab_size"] == 2


@pytest.mark.parametrize(
    ("name", "model_type", "vocabulary", "lowercase"),
    [
        ("hfl/roberta-wwm-ext", "roberta", "vocab.txt", True),
        ("hfl/rbt3", "roberta", "vocab.txt", True),
        ("albert-chinese-tiny", "albert", "albert-chinese-tiny.vocab.txt", False),
        ("chinese-electra-small", "electra", "vocab.txt", True),
        ("ernie-health-chinese", "electra", "vocab.txt", True),
        ("skep_ernie_1.0_large_ch", "skep", "skep_ernie_1.0_large_ch.vocab.txt", True),
    ],
)
def test_other_kinds_of_paddlenlps(cache, name, model_type, vocabulary, lowercase):
    assert name in hub.names()
    assert hub.configuration(name)["model_type"] == model_type
    assert hub.vocabulary_path(name) == cache / name / vocabulary
    assert hub.usable_models()[name].lowercase == lowercase


@pytest.mark.parametrize("what", [resolve, load_pretrained])
@pytest.mark.parametrize(
    ("name", "kind", "usable"),
    [
        ("albert-base-v2", "sentencepiece model", "albert models: albert-chinese-tiny, "),
        ("roberta-base", "byte-level BPE vocabulary", "roberta models: hfl/roberta-wwm-ext, "),
        ("skep_roberta_large_en", "byte-level BPE vocabulary", "skep models: skep_ernie_1.0_large_ch, "),
    ],
)
def test_names_whose_vocabulary_cannot_be_used(cache, what, name, kind, usable):
    assert name not in hub.names()
    message = f"{name}: its vocabulary is a {kind}, expected one of word pieces; usable {usable}"
    with pytest.raises(SetupError, match=message):
        what(name)


@pytest.mark.parametrize("what", [resolve, load_pretrained, hub.tokenizer_folder])
def test_offline_and_not_cached(cache, what, monkeypatch):
    requests = mock.Mock(wraps=urllib.request.urlopen)
    monkeypatch.setattr(urllib.request, "urlopen", requests)
    with pytest.raises(SetupError) as caught:
        what("bert-base-chinese")
    (request,) = requests.call_args_list  # it neither retries nor asks for the second file
    assert request.kwargs["timeout"] == downloads.PROBE_SECONDS
    for part in (
        "bert-base-chinese: not in PaddleNLP's cache",
        str(cache / "bert-base-chinese"),
        "model_state.pdparams",
    ):
        assert part in str(caught.value)
    assert not list(cache.rglob("*")), "a failed look-up leaves nothing behind"


def test_a_download_that_breaks_off(cache, monkeypatch):
    monkeypatch.setattr(downloads, "check_reachable", lambda url: None)
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0)
    with pytest.raises(SetupError, match="bert-base-chinese: not in PaddleNLP's cache"):
        load_pretrained("bert-base-chinese")


def test_a_cached_model_needs_no_network(small):
    source = resolve(NAME)
    assert (source.is_hub, source.model_type, source.weights) == (True, "ernie", small / "model_state.pdparams")
    assert difference(load_pretrained(NAME), GOLDEN / "ernie") <= TOLERANCE


def test_the_vocabulary_must_be_there_too(small):
    (small / "ernie_3.0_nano_zh_vocab.txt").unlink()
    with pytest.raises(SetupError, match=r"nano_zh_vocab.txt cannot be downloaded(.|\n)*vocab.txt"):
        resolve(NAME)
    (small / "vocab.txt").write_text("[PAD]\n")
    assert (tokenizer_folder(resolve(NAME)) / "vocab.txt").read_text() == "[PAD]\n"


def test_the_tokenizers_folder(small):
    for _ in range(2):
        folder = tokenizer_folder(resolve(NAME))
        assert sorted(path.name for path in folder.iterdir()) == ["tokenizer_config.json", "vocab.txt"]
        assert (folder / "vocab.txt").read_text() == "[PAD]\n[CLS]\n"
        assert '"do_lower_case": true' in (folder / "tokenizer_config.json").read_text()


def test_a_cached_model_that_lacks_weights_is_refused(small):
    state = paddle.load(str(hub.weights_path(NAME)))
    del state["ernie.embeddings.task_type_embeddings.weight"]
    paddle.save(state, str(hub.weights_path(NAME)))
    with pytest.raises(CheckpointError, match=r"1 tensors are missing: embeddings\.task_type_embeddings\.weight"):
        load_pretrained(NAME)


def test_a_cached_file_that_is_cut_short(small):
    weights = hub.weights_path(NAME)
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"not a readable file of tensors(.|\n)*remove this file"):
        load_pretrained(NAME)


# ---- downloads


@pytest.fixture
def server(small, monkeypatch):
    """A mirror that has the files of the small model, whose cache is empty."""
    for variable in loopback.PROXIES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0)
    urls = [f"{downloads.ENDPOINT}/models/{file}" for file in (hub.WEIGHTS, "ernie_3.0_nano_zh_vocab.txt")]
    model = hub.usable_models()[NAME]
    published = {NAME: dataclasses.replace(model, weights=urls[0], vocabulary=urls[1])}
    monkeypatch.setattr(hub, "usable_models", lambda: published)
    with loopback.running() as running:
        monkeypatch.setenv("PPNLP_ENDPOINT", running.url)
        running.files = {f"/models/{file.name}": file.read_bytes() for file in small.iterdir()}
        shutil.rmtree(small)
        yield running


def test_a_model_is_downloaded_by_name(server):
    assert difference(load_pretrained(NAME), GOLDEN / "ernie") <= TOLERANCE
    assert (tokenizer_folder(resolve(NAME)) / "vocab.txt").read_text() == "[PAD]\n[CLS]\n"
    n_asked = len(server.asked)
    load_pretrained(NAME)
    assert len(server.asked) == n_asked


@pytest.mark.parametrize(
    ("faults", "reason"),
    [
        ([loopback.cut(5000), loopback.cut(0), loopback.cut(0)], "the connection broke off after 5,000 of"),
        ([loopback.damage], "what arrived is damaged"),
        ([loopback.status(500)] * 3, "HTTP 500"),
        ([loopback.status(404)], "HTTP 404"),
        ([loopback.login_page], "a web page came instead of the file"),
    ],
)
def test_a_second_try_loads_the_model(server, faults, reason):
    server.faults = list(faults)
    with pytest.raises(SetupError, match=rf"{NAME}: not in PaddleNLP's cache .* cannot be downloaded \({reason}"):
        load_pretrained(NAME)
    assert not hub.is_cached(NAME)
    assert difference(load_pretrained(NAME), GOLDEN / "ernie") <= TOLERANCE


def test_a_model_that_the_server_does_not_have_is_found_out_at_once(server):
    server.files.clear()
    with pytest.raises(SetupError, match=rf"{NAME}: .*{server.url}/models/model_state.pdparams .*HTTP 404"):
        resolve(NAME)
    assert server.gets() == []


def test_a_folder_of_the_same_name_takes_precedence(cache, tmp_path, monkeypatch, golden_copy):
    golden_copy("bert").rename(tmp_path / "bert-base-chinese")
    monkeypatch.chdir(tmp_path)
    assert not resolve("bert-base-chinese").is_hub
