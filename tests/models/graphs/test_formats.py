"""The two formats of graphs compute alike, and a model always gives the same file."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import paddle
import pytest

from paddle_tasks.errors import ConfigError
from paddle_tasks.models.classifier import TextClassifier
from paddle_tasks.models.graphs import paddle_file, paddle_graph
from paddle_tasks.models.graphs.causal_lm import language_model_networks
from paddle_tasks.models.graphs.classifier import text_logits
from paddle_tasks.models.graphs.network import TOKENS
from paddle_tasks.models.graphs.paddle_file import PaddleNetworks
from paddle_tasks.models.graphs.seq2seq import translator_networks
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.runtime import child_environment
from paddle_tasks.tasks.classification.exported import logits_network
from tests.models.graphs.saving import encoder, networks, randomise, rows, saved
from tests.models.graphs.test_classifiers import pretrained
from tests.models.graphs.test_writers import causal_model, translator_of

DIMENSIONS = (
    {"batch": 1, "length": 4, "past": 3, "source": 5},
    {"batch": 3, "length": 7, "past": 0, "source": 2},
)


def inputs(network, sizes):
    """Return random inputs of a network, with the free axes of these sizes."""
    generator, given = np.random.default_rng(0), {}
    for name, one in network.inputs.items():
        shape = [axis if isinstance(axis, int) else sizes[axis] for axis in one.axes]
        if one.kind == "float32":
            given[name] = generator.normal(size=shape).astype(np.float32)
        elif name == "lengths":
            given[name] = np.full(shape, sizes["length"])
        elif name.endswith("positions"):
            given[name] = np.broadcast_to(np.arange(shape[1]) + (sizes["past"] if name == "positions" else 0), shape)
        else:
            given[name] = generator.integers(1, 30, shape)
    return given


def check(found, folder, **options):
    """Compare the programs of networks with their ONNX files."""
    exported = networks(found, folder)
    for network in found:
        names = {network.name: paddle_graph.write(network, folder)}
        program = PaddleNetworks(folder, names, **options)
        for sizes in DIMENSIONS:
            given = inputs(network, sizes)
            expected = exported.run(network.name, given)
            for name, values in program.run(network.name, given).items():
                assert values.shape == expected[name].shape
                assert values == pytest.approx(expected[name], abs=5e-5)


@pytest.mark.parametrize("kind", ["bert", "textcnn", "bilstm"])
def test_classifiers(tmp_path, kind):
    section = {"pooling": "mean", "head": "linear", "output": "softmax"}
    model = randomise(TextClassifier(encoder(kind, n_layers=1), n_classes=3, dropout=0.1, **section))
    check([logits_network(saved(model, tmp_path, {"model": section}), text_logits, TOKENS)], tmp_path)


@pytest.mark.parametrize("kind", ["roberta", "albert", "electra"])
def test_encoders_of_paddlenlp(tmp_path, kind):
    section = {"pooling": "cls", "head": "linear", "output": "softmax"}
    model = randomise(TextClassifier(pretrained(kind), n_classes=3, dropout=0.1, **section))
    check([logits_network(saved(model, tmp_path, {"model": section}), text_logits, TOKENS)], tmp_path)


def test_every_norm_of_a_program_has_the_epsilon_of_the_layer(tmp_path):
    section = {"pooling": "cls", "head": "linear", "output": "softmax"}
    model = randomise(TextClassifier(encoder("ernie", n_layers=1), n_classes=3, dropout=0.1, **section))
    paddle_graph.write(logits_network(saved(model, tmp_path, {"model": section}), text_logits, TOKENS), tmp_path)
    assert paddle_file.norm_epsilons(tmp_path / "model.json") == {float(np.float32(1e-12)): 3}


def test_a_step_with_its_cache(tmp_path):
    model, section = causal_model(32)
    check(language_model_networks(saved(model, tmp_path, {"model": section})), tmp_path)


@pytest.mark.parametrize("name", ["transformer", "gru"])
def test_encoders_and_decoders(tmp_path, name):
    model, section = translator_of(name)
    check(translator_networks(saved(model, tmp_path, {"model": section})), tmp_path)


def test_several_recurrent_layers_have_no_program(tmp_path):
    model, section = translator_of("lstm")
    (first, _decoder) = translator_networks(saved(model, tmp_path, {"model": section}))
    with pytest.raises(ConfigError, match="--format onnx takes it"):
        paddle_graph.write(first, tmp_path)
    assert paddle.in_dynamic_mode()


def test_paddle_still_computes_at_once_after_a_program_was_written(tmp_path):
    model, section = causal_model(32)
    for network in language_model_networks(saved(model, tmp_path, {"model": section})):
        paddle_graph.write(network, tmp_path)
    ids, _lengths = rows(1, 3)
    assert paddle.in_dynamic_mode()
    assert model(paddle.to_tensor(ids)).shape == [1, 3, 8]


CONVERSION = """
import hashlib, json, sys, tempfile
from pathlib import Path
from paddle_tasks.models.graphs import onnx_file
from paddle_tasks.models.graphs.classifier import text_logits
from paddle_tasks.models.graphs.encoders import Tokens
from paddle_tasks.models.graphs.network import TOKENS, Network, SavedModel

folder = Path(sys.argv[1])
saved = SavedModel.read(folder, json.loads((folder / "paddle_tasks.json").read_text(encoding="utf-8")))

def build(graph, values):
    return {"logits": text_logits(graph, saved, Tokens(values["input_ids"], None, values["lengths"]))}

with tempfile.TemporaryDirectory() as target:
    path = onnx_file.write(Network("model", TOKENS, build), Path(target))
    print(hashlib.sha256(path.read_bytes()).hexdigest(), *onnx_file.norm_epsilons(path).items())
"""


@pytest.mark.long
def test_twenty_conversions_in_fresh_processes_are_alike():
    command = [sys.executable, "-c", CONVERSION, str(ASSETS / "sentiment")]
    lines = {
        subprocess.run(command, env=child_environment(), capture_output=True, text=True, check=True).stdout
        for _number in range(20)
    }
    (line,) = lines
    assert f"({np.float32(1e-12).item()!r}, 9)" in line
