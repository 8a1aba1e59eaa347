"""Files of tensors: what is read back, and what is never run."""

from __future__ import annotations

import collections
import os
import pickle

import numpy as np
import paddle
import pytest

from paddle_tasks.errors import CheckpointError
from paddle_tasks.models.pretrained import tensors

ARRAYS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(3), "c": np.array(2.5, np.float32)}


def test_safetensors_come_back(tmp_path):
    tensors.write(tmp_path / "x.safetensors", {**ARRAYS, "turned": ARRAYS["a"].T})
    found = tensors.read(tmp_path / "x.safetensors")
    assert set(found) == {"a", "b", "c", "turned"}
    np.testing.assert_array_equal(found["turned"], ARRAYS["a"].T)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_what_paddle_saves_comes_back(tmp_path, protocol):
    layer = paddle.nn.Linear(2, 3)
    paddle.save(layer.state_dict(), str(tmp_path / "x.pdparams"), protocol=protocol)
    found = tensors.read(tmp_path / "x.pdparams")
    assert set(found) == {"weight", "bias"}
    np.testing.assert_array_equal(found["weight"], layer.weight.numpy())


def test_what_older_versions_of_paddle_saved_comes_back(tmp_path):
    old = {**ARRAYS, "StructuredToParameterName@@": {"a": "linear_0.w_0"}}
    for state in (old, collections.OrderedDict(old)):
        (tmp_path / "x.pdparams").write_bytes(pickle.dumps(state, protocol=2))
        found = tensors.read(tmp_path / "x.pdparams")
        assert set(found) == set(ARRAYS)
        np.testing.assert_array_equal(found["a"], ARRAYS["a"])


def test_half_precision_of_paddles_becomes_float32(tmp_path):
    values = paddle.to_tensor([1.5, -2.25, 3e38])
    state = {
        "half": values[:2].astype("float16"),
        "brain": values.astype("bfloat16"),
        "double": values.astype("float64"),
    }
    paddle.save(state, str(tmp_path / "x.pdparams"))
    found = tensors.read(tmp_path / "x.pdparams")
    assert {array.dtype for array in found.values()} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(found["half"], [1.5, -2.25])
    np.testing.assert_allclose(found["brain"], values.numpy(), rtol=4e-3)
    np.testing.assert_array_equal(found["double"], values.numpy())


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_that_calls_something_is_refused_before_it_does(tmp_path, monkeypatch, protocol):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.pdparams").write_bytes(pickle.dumps({"a": Malicious()}, protocol=protocol))
    with pytest.raises(CheckpointError, match="mkdir, which no file of tensors needs"):
        tensors.read(tmp_path / "x.pdparams")
    assert not (tmp_path / "made-by-a-pickle").exists()
    pickle.loads((tmp_path / "x.pdparams").read_bytes())
    assert (tmp_path / "made-by-a-pickle").exists(), "the pickle was harmless, so the test proves nothing"


@pytest.mark.parametrize("value", [[1], {"a": "text"}, {"a": {"b": ARRAYS["a"]}}])
def test_a_pickle_of_something_else_is_refused(tmp_path, value):
    (tmp_path / "x.pdparams").write_bytes(pickle.dumps(value))
    with pytest.raises(CheckpointError, match="not a readable file of tensors"):
        tensors.read(tmp_path / "x.pdparams")


@pytest.mark.parametrize("name", ["x.pdparams", "x.safetensors"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x80\x04", None])
def test_files_that_cannot_be_read(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        tensors.read(tmp_path / name)


def test_others_may_read_the_file_as_any_new_one(tmp_path):
    """Safetensors writes files that only their owner can read, which breaks shared installations."""
    tensors.write(tmp_path / "model.safetensors", {"a": np.zeros(3, "float32")})
    (tmp_path / "other").touch()
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
