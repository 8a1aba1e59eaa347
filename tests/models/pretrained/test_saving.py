"""Saved models: loaded here, and by PaddleNLP if the encoder is one of its own."""

from __future__ import annotations

import json
import warnings

import numpy as np
import paddle
import pytest
from safetensors.numpy import load_file, save_file

from paddle_tasks.errors import CheckpointError
from paddle_tasks.models.encoders.architectures import classes
from paddle_tasks.models.pretrained.loading import load_pretrained
from paddle_tasks.models.pretrained.saving import load_encoder, load_state, save_pretrained
from paddle_tasks.models.sentiment import SentimentClassifier

from ..conftest import ENCODERS, GOLDEN, PRETRAINED, batch, make_encoder


def classifier(encoder):
    return SentimentClassifier(encoder, n_classes=2, pooling="cls", head="mlp", output="softmax", dropout=0.1)


def same(first, second):
    """Return whether two Layers have the same parameters, by name and bit for bit."""
    first, second = first.state_dict(), second.state_dict()
    return first.keys() == second.keys() and all(np.array_equal(first[k].numpy(), second[k].numpy()) for k in first)


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_is_saved_and_loaded(tmp_path, name):
    encoder = make_encoder(name)
    save_pretrained(encoder, tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["config.json", "model.safetensors"]
    paddle.seed(99)
    loaded = load_encoder(tmp_path / "new")
    assert same(encoder, loaded)
    encoder.eval()
    loaded.eval()
    for before, after in zip(encoder(*batch()), loaded(*batch()), strict=True):
        np.testing.assert_array_equal(before.numpy(), after.numpy())


@pytest.mark.parametrize("name", ENCODERS)
def test_a_tasks_layer_is_saved_and_loaded(tmp_path, name):
    model = classifier(make_encoder(name))
    save_pretrained(model, tmp_path)
    paddle.seed(99)
    loaded = classifier(load_encoder(tmp_path))
    assert same(model.encoder, loaded.encoder)
    assert not same(model, loaded), "the head is still at random"
    load_state(loaded, tmp_path)
    assert same(model, loaded)


@pytest.mark.parametrize("name", PRETRAINED)
@pytest.mark.parametrize("with_head", [False, True])
def test_paddlenlp_reads_what_we_save(tmp_path, name, with_head):
    encoder = make_encoder(name)
    save_pretrained(classifier(encoder) if with_head else encoder, tmp_path)
    kind, _ = classes(encoder.model_type)
    theirs = kind.from_pretrained(str(tmp_path))
    assert same(encoder.model, theirs)
    assert theirs.config.type_vocab_size == 2
    assert encoder.prefix == f"{theirs.base_model_prefix}."


def test_names_in_the_file(tmp_path):
    for name, encoders in (
        ("golden/ernie", "ernie."),
        ("bert", "bert."),
        ("paddlenlp/albert", "transformer."),
        ("paddlenlp/electra", "electra."),
        ("bilstm", "encoder."),
        ("textcnn", "encoder."),
        ("transformer", "encoder."),
    ):
        model = classifier(make_encoder(name))
        save_pretrained(model, tmp_path)
        names = set(load_file(tmp_path / "model.safetensors"))
        heads = {"head.hidden.weight", "head.hidden.bias", "head.output.weight", "head.output.bias"}
        assert heads <= names
        assert all(name.startswith(encoders) for name in names - heads)
        assert len(names) == len({id(tensor) for tensor in model.state_dict().values()}), "each tensor once"


def test_configurations_in_the_folder(tmp_path):
    save_pretrained(make_encoder("textcnn", kernel_sizes=(2, 5)), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["model_type"], config["kernel_sizes"]) == ("textcnn", [2, 5])
    assert (config["vocabulary_size"], config["pad_id"]) == (50, 0)
    assert "encoder" not in config
    save_pretrained(make_encoder("golden/ernie"), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["model_type"], config["architectures"], config["use_task_id"]) == ("ernie", ["ErnieModel"], True)


def test_a_model_without_pooler_stays_without(tmp_path, golden_copy):
    folder = golden_copy("bert", tensors=lambda found: {k: v for k, v in found.items() if "pooler" not in k})
    model = classifier(load_pretrained(str(folder)))
    save_pretrained(model, tmp_path)
    loaded = classifier(load_encoder(tmp_path))
    load_state(loaded, tmp_path)
    assert same(model, loaded)


def test_the_tanh_approximation_survives(tmp_path, golden_copy):
    encoder = load_pretrained(str(golden_copy("bert", {"hidden_act": "gelu_new"})))
    save_pretrained(encoder, tmp_path / "saved")
    loaded = load_encoder(tmp_path / "saved")
    encoder.eval()
    loaded.eval()
    np.testing.assert_array_equal(encoder(*batch())[0].numpy(), loaded(*batch())[0].numpy())
    exact = load_pretrained(str(GOLDEN / "bert"))
    exact.eval()
    assert np.abs(encoder(*batch())[0].numpy() - exact(*batch())[0].numpy()).max() > 1e-5


def changed(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "np"})


@pytest.mark.parametrize("name", ["bilstm", "golden/bert"])
def test_a_state_that_does_not_fit_is_refused(tmp_path, name):
    model = classifier(make_encoder(name))
    for message, change in (
        ("1 tensors are missing: head.output.bias", lambda found: found.pop("head.output.bias")),
        ("1 tensors do not belong to the model: crf", lambda found: found.update(crf=np.ones(2))),
        (
            r"head.output.bias: shape \[3\], expected \[2\]",
            lambda found: found.update({"head.output.bias": np.ones(3)}),
        ),
    ):
        save_pretrained(model, tmp_path)
        changed(tmp_path, change)
        with pytest.raises(CheckpointError, match=message):
            load_state(model, tmp_path)


def test_missing_and_foreign_folders(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        load_state(make_encoder("bilstm"), tmp_path)
    with pytest.raises(CheckpointError, match=r"no config.json"):
        load_encoder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bilstm", "vocabulary_size": 5}')
    with pytest.raises(CheckpointError, match="not an encoder's configuration"):
        load_encoder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt"}')
    with pytest.raises(CheckpointError, match="of a gpt model"):
        load_encoder(tmp_path)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["textcnn", "bert"])
def test_half_precision_is_saved_as_float32_and_comes_back(tmp_path, name, dtype):
    """So a model trained in half precision loads everywhere, and its run resumes exactly."""
    model, other, wide = (classifier(make_encoder(name)) for _ in range(3))
    model.to(dtype=dtype)
    for parameter in (*other.parameters(), *wide.parameters()):
        parameter.set_value(paddle.zeros(parameter.shape))
    other.to(dtype=dtype)
    save_pretrained(model, tmp_path)
    assert {array.dtype for array in load_file(tmp_path / "model.safetensors").values()} == {np.dtype(np.float32)}
    load_state(other, tmp_path)
    assert same(model, other)
    assert {str(parameter.dtype) for parameter in other.parameters()} == {f"paddle.{dtype}"}
    load_state(wide, tmp_path)
    for parameter, expected in zip(wide.parameters(), model.parameters(), strict=True):
        np.testing.assert_array_equal(parameter.numpy(), expected.astype("float32").numpy())


def test_a_file_with_both_names_of_a_tensor_is_read(tmp_path):
    """Older versions wrote a tensor once for each of its names."""
    encoder = make_encoder("bilstm")
    save_pretrained(encoder, tmp_path)
    doubled = {f"encoder.{name}": tensor.numpy() for name, tensor in encoder.state_dict().items()}
    assert len(doubled) > len(load_file(tmp_path / "model.safetensors"))
    save_file(doubled, tmp_path / "model.safetensors")
    other = load_encoder(tmp_path)
    for name, tensor in other.state_dict().items():
        assert np.array_equal(tensor.numpy(), encoder.state_dict()[name].numpy())


@pytest.mark.parametrize("kind", ["bilstm", "lstm", "textcnn"])
def test_nothing_warns_when_a_state_is_loaded(tmp_path, kind):
    """Paddle warns about every name that is missing, even the second name of a tensor."""
    encoder = make_encoder(kind)
    save_pretrained(encoder, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_state(encoder, tmp_path)
