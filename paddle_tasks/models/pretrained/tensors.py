"""Reading and writing files of named tensors: safetensors, and reading PaddleNLP's .pdparams."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file as save_safetensors

from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import default_file_mode
from paddle_tasks.language import _
from paddle_tasks.memory import require_memory
from paddle_tasks.models.pretrained.pickled_tensors import read_pickled_tensors

Arrays = dict[str, NDArray[Any]]
_UNKNOWN_DTYPE = (TypeError, AttributeError)
"""Errors of safetensors for a type that numpy does not have."""


def read(path: Path) -> Arrays:
    """Read every tensor of a .safetensors or .pdparams file; floats of any precision become float32.

    Raises:
        CheckpointError: the file is truncated, has another format, is a pickle with more than tensors, or holds NaN or
            infinity.
    """
    require_memory(2 * path.stat().st_size if path.is_file() else 0, str(path))  # the file, and its float32
    try:
        arrays = _read_safetensors(path) if path.suffix == ".safetensors" else read_pickled_tensors(path)
    except (SafetensorError, pickle.UnpicklingError, ValueError, KeyError, OSError, *_UNKNOWN_DTYPE) as error:
        raise CheckpointError(
            _("{path}: not a readable file of tensors ({error}); fetch or save it again").format(path=path, error=error)
        ) from error
    wide = {name: _float32(array) for name, array in arrays.items()}
    check_finite(wide, path)
    return wide


def check_finite(arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Check that all values are finite: with NaN or infinity in a weight, every prediction is meaningless.

    Args:
        arrays: arrays by name.
        path: the file that they were read from, for the message.

    Raises:
        CheckpointError: an array holds NaN or infinity; the message names the first one.
    """
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            n_bad = np.count_nonzero(~np.isfinite(array))
            raise CheckpointError(
                _(
                    "{path}: {bad} of the {count} values of {name} are NaN or infinite, expected finite numbers; "
                    "training has diverged or the file is damaged: train again with --fresh and a lower "
                    "optimizer.learning_rate, or fetch the file again"
                ).format(path=path, bad=n_bad, count=array.size, name=name)
            )


def write(path: Path, arrays: Mapping[str, NDArray[Any]], *, half: bool = False) -> None:
    """Write a .safetensors file; floats of any precision are written as float32, or as float16 with ``half``.

    PaddleNLP only reads files whose metadata says `np`.

    Raises:
        CheckpointError: a weight is too large for float16.
        OSError: the disk is full, for example.
    """
    wide = {name: np.ascontiguousarray(_float32(array)) for name, array in arrays.items()}
    written = {name: _float16(name, array) for name, array in wide.items()} if half else wide
    save_file(written, path, metadata={"format": "np"})


def save_file(arrays: Mapping[str, NDArray[Any]], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write arrays of any dtype as a .safetensors file with the default file mode.

    Raises:
        OSError: the disk is full, for example; safetensors has an error of its own for that.
    """
    with default_file_mode(path):
        try:
            save_safetensors(dict(arrays), path, metadata=metadata)
        except SafetensorError as error:
            number = re.search(r"\(os error (\d+)\)", str(error))
            if not number:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def _float16(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype != np.float32:
        return array
    with np.errstate(over="ignore"):
        rounded = array.astype(np.float16)
    if not np.isfinite(rounded[np.isfinite(array)]).all():
        raise CheckpointError(
            _("{name}: {value:g} is too large for float16, whose largest is 65504").format(
                name=name, value=np.abs(array).max()
            )
        )
    return rounded


def _float32(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype == np.uint16:  # how Paddle saves bfloat16: the upper half of a float32's bits
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array if array.dtype.kind in "iub" else array.astype(np.float32, copy=False)


def _read_safetensors(path: Path) -> Arrays:
    with safe_open(path, framework="np") as file:
        names = file.keys()  # the file object is not a mapping
        return {name: file.get_tensor(name) for name in names}
