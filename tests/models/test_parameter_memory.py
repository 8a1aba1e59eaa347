"""Models that do not fit into memory are refused before any memory is taken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from paddle import nn

from paddle_tasks import memory
from paddle_tasks.errors import CheckpointError, SetupError
from paddle_tasks.memory import available_bytes, require_memory
from paddle_tasks.models import parameter_memory
from paddle_tasks.models.parameter_memory import parameters_within_memory
from paddle_tasks.models.pretrained.loading import load_pretrained
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.workflows.train import train


def test_the_available_memory_is_known_and_at_most_that_of_the_machine():
    total = int(Path("/proc/meminfo").read_text("ascii").split()[1]) * 1024
    assert 0 < available_bytes() <= total


def test_the_smallest_limit_counts(tmp_path, monkeypatch):
    for name, text in {
        "memory.max": "5000\n",
        "memory.current": "3000\n",
        "memory.stat": "a 1\ninactive_file 7\nactive_file 3\n",
    }.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert available_bytes() == 5000 - 3000 + 7 + 3
    require_memory(2010, "x")
    with pytest.raises(SetupError, match="x: needs 0"):
        require_memory(2011, "x")
    (tmp_path / "memory.max").write_text("max\n", encoding="ascii")
    assert available_bytes() > 2010


def test_a_layer_that_does_not_fit_is_refused_and_smaller_ones_are_built():
    create_parameter = nn.Layer.create_parameter
    with parameters_within_memory("model"):
        assert nn.Linear(2, 3).weight.shape == [2, 3]
        with pytest.raises(SetupError, match=r"model: needs 40,000\.0 GB of memory"):
            nn.Linear(10**7, 10**6)
    assert nn.Layer.create_parameter is create_parameter


def test_the_sum_counts(monkeypatch):
    monkeypatch.setattr(parameter_memory, "available_bytes", lambda: 4 * 100)
    with parameters_within_memory("model"):
        nn.Embedding(60, 1)
        nn.Embedding(40, 1)
        with pytest.raises(SetupError, match="needs"):
            nn.Embedding(1, 1)


@pytest.mark.parametrize("encoder", ["lstm", pytest.param("transformer", marks=pytest.mark.long), "bert", "textcnn"])
def test_training_a_model_that_does_not_fit_is_refused(small_config, tmp_path, monkeypatch, encoder):
    monkeypatch.setattr(parameter_memory, "available_bytes", lambda: 100_000_000)  # filling all of it takes a minute
    sizes = {"encoder": encoder, "hidden_size": 65_536, "embedding_size": 65_536, "n_layers": 2}
    with pytest.raises(SetupError, match=r"^model: needs .* GB of memory"):
        train(small_config(tmp_path, model=sizes))
    assert not (tmp_path / "run").exists()


@pytest.fixture
def encoder(tmp_path) -> Path:
    return Path(shutil.copytree(ASSETS / "ernie-mini-zh", tmp_path / "encoder"))


CONFIG_VALUES = {
    "num_hidden_layers": [10**9, 10**30, -1, 0, 1.5, "4", [4], True],
    "hidden_size": [10**11, 0, "256"],
    "vocab_size": [10**12, -5],
    "num_attention_heads": [0, 10**9, 7],
    "intermediate_size": [10**12, {}],
    "max_position_embeddings": [10**12],
    "type_vocab_size": [10**10],
    "pad_token_id": [-1, 2**40],
    "layer_norm_eps": ["tiny", -1],
    "hidden_dropout_prob": [2],
    "initializer_range": [1e300],
    "hidden_act": [5, [], {}, "tanhh"],
    "model_type": [5, None, [], {}, "gpt"],
}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in CONFIG_VALUES.items() for value in values])
def test_an_absurd_value_in_config_json_is_one_message(encoder, key, value):
    path = encoder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), key: value}), encoding="utf-8")
    with pytest.raises(CheckpointError) as raised:
        load_pretrained(str(encoder))
    assert str(encoder) in str(raised.value)
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"null", b"[]", b"5", b"{}", b"\xff", b'{"a": ' * 5000, b'{"hidden_size": ' + b"9" * 5000 + b"}"),
        *(b'{"architectures": 5}', b'{"init_args": 5}', b'{"init_args": [{"init_args": [3]}]}'),
    ],
)
def test_a_config_json_that_is_none_is_one_message(encoder, content):
    (encoder / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError) as raised:
        load_pretrained(str(encoder))
    assert str(encoder) in str(raised.value)


def test_what_fits_the_limits_but_not_the_weights_is_one_message(encoder):
    path = encoder / "config.json"
    config = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**config, "hidden_size": 65_536, "intermediate_size": 65_536}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: .* bytes are too few for the model"):
        load_pretrained(str(encoder))
