"""Hostile .pdparams: nothing is run, no memory is taken, and each ends in one message."""

from __future__ import annotations

import builtins
import os
import pickle
import struct
import subprocess
import tracemalloc
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddle_tasks.errors import CheckpointError, SetupError
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.models.pretrained.pickled_tensors import read_pickled_tensors

from ...fuzzing import damaged, examples, outcome

DOCUMENT = b"\x80\x02}X\x01\x00\x00\x00a"
"""The start of a pickle of a dictionary with the key "a"; the value and ``s.`` follow."""


class Call:
    """Is pickled as a call."""

    def __init__(self, function: Callable[..., Any], *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments, state) if state is not None else (function, arguments)

    def __reduce__(self) -> Any:
        return self.parts


def named(value: Any, protocol: int = 2) -> bytes:
    return pickle.dumps({"a": value}, protocol=protocol)


RECONSTRUCT = np.zeros(1).__reduce__()[0]
FLOAT = np.dtype("f4")


def array_of(shape: Any, dtype: Any = FLOAT, content: Any = b"\0" * 8) -> Call:
    return Call(RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, shape, dtype, False, content))


HOSTILE = {
    "a call": named(Call(os.mkdir, "made")),
    "a call of eval": named(Call(builtins.eval, "__import__('os').mkdir('made')")),
    "a process": named(Call(subprocess.Popen, ["mkdir", "made"])),
    "a deeper name": b"\x80\x04cnumpy\nndarray.__class__\n.",
    "a name of another module": named(Call(np.zeros, 2**40)),
    "an array without elements": named(Call(np.ndarray, (2**40,))),
    "a subclass": named(Call(RECONSTRUCT, np.matrix, (0,), b"b")),
    "a huge shape": named(array_of((2**40,))),
    "a huge shape of no elements": named(array_of((2**62, 0, 2**62), content=b"x")),
    "a negative shape": named(array_of((-1, -2))),
    "a shape of 100 dimensions": named(array_of((1,) * 100, content=b"\0" * 4)),
    "a shape of texts": named(array_of(("a",))),
    "objects": named(np.array([None, 1], dtype=object)),
    "texts": named(np.array(["text"])),
    "records": named(np.zeros(2, dtype=[("x", "f4")])),
    "dates": named(np.zeros(2, dtype="M8[s]")),
    "a list of elements": named(array_of((2,), content=[1.0, 2.0])),
    "no elements yet": named(Call(RECONSTRUCT, np.ndarray, (0,), b"b")),
    "bytes by zlib": named(Call(__import__("_codecs").encode, b"\0" * 100, "zlib")),
    "bytes of 2**62": DOCUMENT + b"\x8e" + struct.pack("<Q", 2**62) + b"xs.",
    "bytes of 2**38": DOCUMENT + b"\x8e" + struct.pack("<Q", 2**38) + b"xs.",
    "a text of 2**31": DOCUMENT + b"X" + struct.pack("<I", 2**31) + b"xs.",
    "a bytearray of 2**40": DOCUMENT + b"\x96" + struct.pack("<Q", 2**40) + b"xs.",
    "a frame of 2**40": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"}.",
    "memory cell 2**32": DOCUMENT + b"Nr" + struct.pack("<I", 2**32 - 1) + b"s.",
    "memory cell in text": DOCUMENT + b"Np999999999\ns.",
    "a changed function": DOCUMENT + b"cnumpy\nndarray\n}X\x04\x00\x00\x00namesbs.",
    "an object by its class": DOCUMENT + b"ccollections\nOrderedDict\n)\x81s.",
    "a persistent object": DOCUMENT + b"Pname\ns.",
    "another number of bytes": named(array_of((3,))),
    "an integer as key": pickle.dumps({1: np.zeros(2)}, protocol=2),
    "an empty tuple": named(()),
    "nothing": b"",
    "a half": named(np.zeros(100, "f4"))[:200],
    "another format": b"PK\x03\x04",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_one_message(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("x.pdparams").write_bytes(HOSTILE[name])
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError) as raised:
            tensors.read(Path("x.pdparams"))
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("x.pdparams: not a readable file of tensors (")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pdparams"]


@pytest.mark.parametrize("name", ["a call", "a call of eval", "a process"])
def test_pickle_itself_runs_what_is_refused(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    value = pickle.loads(HOSTILE[name])["a"]
    if isinstance(value, subprocess.Popen):
        value.wait()
    assert Path("made").is_dir()


def test_copies_of_a_dictionary_are_counted(tmp_path):
    """A file of 10 MB could ask for a million copies of a list of a million pairs."""
    pairs = [(str(number), None) for number in range(1000)]
    state = {str(number): Call(OrderedDict, pairs) for number in range(1001)}
    (tmp_path / "x.pdparams").write_bytes(pickle.dumps(state, protocol=2))
    with pytest.raises(CheckpointError, match="damaged description"):
        tensors.read(tmp_path / "x.pdparams")


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i4", "i8", "u1", "u2", "b1"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_every_array_comes_back(tmp_path, protocol, dtype, shape):
    array = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape) % 2, dtype)
    (tmp_path / "x.pdparams").write_bytes(pickle.dumps({"a": array, "b": array.T}, protocol=protocol))
    found = read_pickled_tensors(tmp_path / "x.pdparams")
    np.testing.assert_array_equal(found["a"], array)
    np.testing.assert_array_equal(found["b"], array.T)
    assert found["a"].dtype == np.dtype(dtype).newbyteorder("=")
    assert found["a"].flags.writeable


WHOLE = pickle.dumps({"a": np.arange(6, dtype="f4").reshape(2, 3), "b": ("b", np.zeros(3))}, protocol=4)


def is_read_or_refused(path: Path) -> bool:
    found = outcome(tensors.read, path)
    if isinstance(found, CheckpointError):
        return str(found).startswith(str(path))
    return isinstance(found, dict) and all(isinstance(array, np.ndarray) for array in found.values())


@examples(200)
@given(content=damaged(WHOLE))
def test_a_damaged_pickle_gives_arrays_or_one_message(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "damaged.pdparams"
    path.write_bytes(content)
    assert is_read_or_refused(path)


@pytest.fixture(scope="module")
def safetensors(tmp_path_factory) -> Path:
    path: Path = tmp_path_factory.mktemp("whole") / "whole.safetensors"
    tensors.write(path, {"a": np.arange(6, dtype="f4").reshape(2, 3), "b": np.zeros(3)})
    return path


@examples(200)
@given(data=st.data())
def test_damaged_safetensors_give_arrays_or_one_message(safetensors, data):
    path = safetensors.with_name("damaged.safetensors")
    path.write_bytes(data.draw(damaged(safetensors.read_bytes())))
    assert is_read_or_refused(path)


def test_a_file_larger_than_the_memory_is_refused_unread(tmp_path):
    path = tmp_path / "x.safetensors"
    with path.open("wb") as file:
        file.truncate(2**43)  # a sparse file
    with pytest.raises(SetupError, match=r"x\.safetensors: needs 17,592\.2 GB of memory, .* available"):
        tensors.read(path)
