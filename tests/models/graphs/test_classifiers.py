"""Exported classifiers compute what their Layers compute, for any batch and length."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddle_tasks.inference.export_check import require_epsilons
from paddle_tasks.models.classifier import TextClassifier
from paddle_tasks.models.encoders.paddlenlp import PretrainedEncoder, build_model
from paddle_tasks.models.graphs.classifier import text_logits
from paddle_tasks.models.graphs.network import PAIRS, TOKENS
from paddle_tasks.models.graphs.onnx_file import norm_epsilons, write
from paddle_tasks.models.graphs.pairs import pair_logits
from paddle_tasks.models.graphs.windows import window_logits
from paddle_tasks.models.long_text import LongTextClassifier, WindowSettings
from paddle_tasks.models.similarity import PairClassifier
from paddle_tasks.tasks.classification.exported import logits_network
from tests.models.graphs.saving import SHAPES, encoder, networks, randomise, rows, saved

TEXTS = [
    ("bert", "cls", "linear", "softmax"),
    ("bert", "mean", "course", "softmax"),
    ("ernie", "cls", "mlp", "sigmoid"),
    ("ernie", "attention", "linear", "softmax"),
    ("transformer", "cls", "linear", "softmax"),
    ("transformer", "max", "mlp", "softmax"),
    ("textcnn", "max", "linear", "softmax"),
    ("textcnn", "mean", "linear", "softmax"),
    ("rnn", "cls", "linear", "softmax"),
    ("gru", "mean", "linear", "softmax"),
    ("lstm", "attention", "linear", "softmax"),
    ("bilstm", "cls", "mlp", "softmax"),
    ("bilstm", "max", "linear", "softmax"),
]


def tensors(*arrays):
    return [paddle.to_tensor(array) for array in arrays]


@pytest.mark.parametrize(("kind", "pooling", "head", "output"), TEXTS, ids="-".join)
def test_texts(tmp_path, kind, pooling, head, output):
    section = {"pooling": pooling, "head": head, "output": output}
    n_classes = 2 if output == "sigmoid" else 3
    model = randomise(TextClassifier(encoder(kind), n_classes=n_classes, dropout=0.3, **section))
    model_folder = saved(model, tmp_path, {"model": section})
    exported = networks([logits_network(model_folder, text_logits, TOKENS)], tmp_path)
    for shape in SHAPES:
        ids, lengths = rows(*shape)
        expected = model(*tensors(ids, np.zeros_like(ids), lengths)).numpy()
        found = exported.run("model", {"input_ids": ids, "lengths": lengths})["logits"]
        assert found == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_positions_and_gelu_of_the_transformer(tmp_path, positions):
    section = {"pooling": "mean", "head": "linear", "output": "softmax"}
    one = encoder("transformer", positions=positions, activation="gelu")
    model = randomise(TextClassifier(one, n_classes=3, dropout=0.1, **section))
    exported = networks([logits_network(saved(model, tmp_path, {"model": section}), text_logits, TOKENS)], tmp_path)
    ids, lengths = rows(3, 9)
    expected = model(*tensors(ids, np.zeros_like(ids), lengths)).numpy()
    assert exported.run("model", {"input_ids": ids, "lengths": lengths})["logits"] == pytest.approx(expected, abs=2e-5)


def test_the_task_embedding_of_ernie_3(tmp_path):
    fields = {"vocab_size": 40, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    fields |= {"intermediate_size": 16, "max_position_embeddings": 16, "type_vocab_size": 4, "use_task_id": True}
    one = PretrainedEncoder(build_model("ernie", {**fields, "task_type_vocab_size": 3, "task_id": 2}))
    section = {"pooling": "cls", "head": "linear", "output": "softmax"}
    model = randomise(TextClassifier(one, n_classes=3, dropout=0.1, **section))
    exported = networks([logits_network(saved(model, tmp_path, {"model": section}), text_logits, TOKENS)], tmp_path)
    ids, lengths = rows(3, 9)
    expected = model(*tensors(ids, np.zeros_like(ids), lengths)).numpy()
    assert exported.run("model", {"input_ids": ids, "lengths": lengths})["logits"] == pytest.approx(expected, abs=2e-5)


PRETRAINED = {
    "bert": {"layer_norm_eps": 1e-6},
    "bert-plain": {"pool_act": "relu"},
    "roberta": {"layer_norm_eps": 1e-5, "pad_token_id": 1},
    "albert": {"layer_norm_eps": 1e-12, "num_hidden_groups": 2, "inner_group_num": 2, "embedding_size": 6},
    "albert-shared": {"num_hidden_groups": 1, "inner_group_num": 1, "embedding_size": 8, "hidden_act": "gelu_new"},
    "electra": {"embedding_size": 6, "hidden_act": "gelu_new"},
    "electra-square": {"embedding_size": 8},
    "skep": {"type_vocab_size": 2},
    "skep-roberta": {"type_vocab_size": 0},
}


def pretrained(name):
    """Return one of PaddleNLP's encoders with random weights."""
    fields = {
        "vocab_size": 40,
        "hidden_size": 8,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "hidden_act": "gelu",
    }
    fields |= {"intermediate_size": 16, "max_position_embeddings": 16, "type_vocab_size": 2, "pad_token_id": 0}
    return PretrainedEncoder(build_model(name.partition("-")[0], {**fields, **PRETRAINED[name]}))


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("name", PRETRAINED)
def test_encoders_of_paddlenlp(tmp_path, name, pooling):
    section = {"pooling": pooling, "head": "linear", "output": "softmax"}
    model = randomise(TextClassifier(pretrained(name), n_classes=3, dropout=0.1, **section))
    network = logits_network(saved(model, tmp_path, {"model": section}), text_logits, TOKENS)
    exported = networks([network], tmp_path)
    require_epsilons(norm_epsilons(tmp_path / "model.onnx"), model)
    for shape in SHAPES:
        ids, lengths = rows(*shape)
        ids[:, -1] = PRETRAINED[name].get("pad_token_id", 0)  # RoBERTa's positions skip padding, wherever it is
        expected = model(*tensors(ids, np.zeros_like(ids), lengths)).numpy()
        found = exported.run("model", {"input_ids": ids, "lengths": lengths})["logits"]
        assert found == pytest.approx(expected, abs=2e-5)


def test_token_types_of_an_encoder_of_paddlenlp(tmp_path):
    section = {"kind": "cross", "pooling": "cls", "head": "linear", "output": "softmax", "ngrams": False}
    model = randomise(PairClassifier(pretrained("roberta"), dropout=0.1, **section))
    exported = networks([logits_network(saved(model, tmp_path, {"model": section}), pair_logits, PAIRS)], tmp_path)
    ids, lengths = rows(3, 9)
    types = (np.arange(9) >= lengths[:, None] // 2).astype(np.int64)
    given = {"input_ids": ids, "token_type_ids": types, "lengths": lengths}
    found, expected = exported.run("model", given)["logits"], model(*tensors(ids, types, lengths)).numpy()
    assert found == pytest.approx(expected, abs=2e-5)
    without = exported.run("model", {**given, "token_type_ids": np.zeros_like(types)})["logits"]
    assert np.abs(without - expected).max() > 1e-3


@pytest.mark.parametrize("kind", ["bert", "ernie"])
def test_every_norm_has_the_epsilon_of_the_layer(tmp_path, kind):
    section = {"pooling": "cls", "head": "linear", "output": "softmax"}
    model = randomise(TextClassifier(encoder(kind), n_classes=3, dropout=0.1, **section))
    path = write(logits_network(saved(model, tmp_path, {"model": section}), text_logits, TOKENS), tmp_path)
    assert norm_epsilons(path) == {float(np.float32(1e-12)): 5}  # of the embeddings, and two for each of two layers


def test_equal_models_give_equal_files(tmp_path):
    section = {"pooling": "cls", "head": "linear", "output": "softmax"}
    model = randomise(TextClassifier(encoder("bert"), n_classes=3, dropout=0.1, **section))
    network = logits_network(saved(model, tmp_path, {"model": section}), text_logits, TOKENS)
    files = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        files.append(write(network, tmp_path / str(number)).read_bytes())
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("ngrams", [False, True])
@pytest.mark.parametrize(("kind", "pooling"), [("cross", "cls"), ("aligned", "mean"), ("bi", "mean")])
def test_pairs(tmp_path, kind, pooling, ngrams):
    section = {"kind": kind, "pooling": pooling, "head": "linear", "output": "softmax", "ngrams": ngrams}
    model = randomise(PairClassifier(encoder("bert"), dropout=0.1, **section))
    exported = networks([logits_network(saved(model, tmp_path, {"model": section}), pair_logits, PAIRS)], tmp_path)
    for n_rows, length in ((1, 6), (3, 9), (4, 14)):
        ids, lengths = rows(n_rows, length)
        ids[:, -3:] = ids[:, :3]  # n-grams that both texts have
        lengths = np.maximum(lengths, 4)
        types = (np.arange(length) >= lengths[:, None] // 2).astype(np.int64) * (np.arange(length) < lengths[:, None])
        expected = model(*tensors(ids, types, lengths)).numpy()
        given = {"input_ids": ids, "token_type_ids": types, "lengths": lengths}
        assert exported.run("model", given)["logits"] == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("pooling", ["mean", "max"])
@pytest.mark.parametrize("kind", ["ernie", "textcnn", "lstm"])
def test_windows(tmp_path, kind, pooling):
    section = {"pooling": "mean", "head": "course", "output": "softmax"}
    model = randomise(
        LongTextClassifier(encoder(kind), n_classes=3, dropout=0.1, windows=WindowSettings(5, pooling), **section)
    )
    config = {
        "model": {**section, "window_pooling": pooling},
        "data": {"truncation": "windows"},
        "training": {"max_length": 5},
    }
    exported = networks([logits_network(saved(model, tmp_path, config), window_logits, TOKENS)], tmp_path)
    for shape in ((2, 4), (1, 5), (3, 11), (4, 20)):
        ids, lengths = rows(*shape)
        expected = model(*tensors(ids, np.zeros_like(ids), lengths)).numpy()
        found = exported.run("model", {"input_ids": ids, "lengths": lengths})["logits"]
        assert found == pytest.approx(expected, abs=2e-5)
