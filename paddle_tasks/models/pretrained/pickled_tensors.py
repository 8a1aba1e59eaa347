"""Reading PaddleNLP's .pdparams, which are pickles: only arrays and plain containers, and no more memory than the file.

A pickle is a program. This one may build dictionaries, lists and tuples, and call the few names of `_Unpickler`; each
of these is a function of this module, so that nothing of numpy or of the standard library is called with a file's
arguments. The instructions are checked before any of them is executed, since some of them reserve memory.
"""

from __future__ import annotations

import pickle
import pickletools
import re
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from paddle_tasks.language import _

_DTYPE = re.compile(r"[fiub][1248]")
_FORBIDDEN = {"BYTEARRAY8", "NEXT_BUFFER", "READONLY_BUFFER", "PERSID", "BINPERSID", "INST", "OBJ", "NEWOBJ_EX"}
_FORBIDDEN |= {"EXT1", "EXT2", "EXT4", "NEWOBJ"}
_WITH_MEMO_INDEX = {"PUT", "BINPUT", "LONG_BINPUT"}


def read_pickled_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a .pdparams file by name; they share no memory with anything else.

    Raises:
        UnpicklingError: the file is damaged, asks for anything that no file of tensors needs, or holds something else.
        OSError: it cannot be read.
    """
    n_bytes = path.stat().st_size
    try:
        with path.open("rb") as file:
            _check_instructions(_BoundedFile(file, n_bytes))
            file.seek(0)
            state = _Unpickler(_BoundedFile(file, n_bytes), encoding="latin1").load()
    except (OSError, pickle.UnpicklingError):
        raise
    except Exception as error:  # a damaged program may fail in any way
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error
    return _arrays(state)


def _arrays(state: Any) -> dict[str, NDArray[Any]]:
    if not isinstance(state, dict):
        raise pickle.UnpicklingError(_("holds a {kind}, not named tensors").format(kind=type(state).__name__))
    # Since Paddle 2.1 each tensor is stored as (parameter name, array), before as the array.
    tensors = {
        name: value[1] if isinstance(value, tuple) and len(value) > 1 else value for name, value in state.items()
    }
    tensors.pop("StructuredToParameterName@@", None)
    others = [name for name, value in tensors.items() if not (isinstance(name, str) and isinstance(value, _Array))]
    if others:
        raise pickle.UnpicklingError(_("{name} is not a tensor").format(name=str(others[0])[:80]))
    return {name: value.restored() for name, value in tensors.items()}


class _BoundedFile:
    """A file that refuses to read more than it holds; Python would first reserve memory for what is asked for."""

    def __init__(self, file: IO[bytes], n_bytes: int) -> None:
        self._file, self._n_bytes = file, n_bytes

    def _check(self, count: int) -> None:
        if not 0 <= count <= self._n_bytes - self._file.tell():
            raise pickle.UnpicklingError(_("it ends before a value of {count:,} bytes").format(count=count))

    def read(self, count: int) -> bytes:
        self._check(count)
        return self._file.read(count)

    def readinto(self, buffer: memoryview) -> int:
        self._check(len(buffer))
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def readline(self) -> bytes:
        return self._file.readline()

    def tell(self) -> int:
        return self._file.tell()


def _check_instructions(file: _BoundedFile) -> None:
    """Check that no instruction asks for a kind of object, or a number of memory cells, that no tensor needs."""
    for number, (instruction, argument, _position) in enumerate(pickletools.genops(file)):  # type: ignore[arg-type]
        name = instruction.name
        if name in _FORBIDDEN:
            raise pickle.UnpicklingError(_("it has the instruction {name}, which no tensor needs").format(name=name))
        # The memory of a pickle is a list of this length, however few of its cells are used.
        if name in _WITH_MEMO_INDEX and not 0 <= (index := int(str(argument))) <= number:
            raise pickle.UnpicklingError(_("it uses memory cell {index:,}").format(index=index))


class _Dtype:
    """What numpy's pickles call ``dtype``: the type and byte order of an array's elements."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_flags: Any) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise pickle.UnpicklingError(
                _("it holds values of the type {code}, no numbers").format(code=repr(code)[:80])
            )
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in {"<", ">", "=", "|"}:
            raise pickle.UnpicklingError(_("damaged description of a tensor"))
        self.order = state[1]


class _Array:
    """What numpy's pickles call an array: the shape, the type, and the bytes of the elements."""

    __slots__ = ("content", "dtype", "fortran", "shape")

    def __init__(self) -> None:
        self.shape: tuple[int, ...] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise pickle.UnpicklingError(_("damaged description of a tensor"))
        _version, self.shape, dtype, self.fortran, content = state
        is_shape = isinstance(self.shape, tuple) and all(type(size) is int and size >= 0 for size in self.shape)
        if not is_shape or not isinstance(dtype, _Dtype) or not isinstance(content, (bytes, str)):
            raise pickle.UnpicklingError(_("damaged description of a tensor"))
        self.dtype, self.content = dtype, content

    def restored(self) -> NDArray[Any]:
        """Return the array.

        Raises:
            UnpicklingError: the shape does not agree with the number of bytes.
        """
        if self.shape is None:
            raise pickle.UnpicklingError(_("damaged description of a tensor"))
        content = self.content.encode("latin1") if isinstance(self.content, str) else self.content
        dtype = np.dtype(self.dtype.order + self.dtype.code)
        if len(self.shape) > 32 or len(content) != prod(self.shape) * dtype.itemsize:
            message = _("a tensor of the shape {shape} has {count:,} bytes")
            raise pickle.UnpicklingError(message.format(shape=str(list(self.shape))[:80], count=len(content)))
        array = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))
        return array.reshape(self.shape, order="F" if self.fortran else "C")


class _Function:
    """A name that a pickle may call. It has no attributes that an instruction could set."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, _state: Any) -> None:
        raise pickle.UnpicklingError(_("it changes a function"))


def _refuse(*_arguments: Any) -> Any:
    raise pickle.UnpicklingError(_("it makes an array without its elements"))


def _reconstruct(kind: Any, _shape: Any, _code: Any) -> _Array:
    """Return an empty array, whose content follows."""
    if kind is not _NDARRAY:
        raise pickle.UnpicklingError(_("damaged description of a tensor"))
    return _Array()


def _tuple(items: Any) -> tuple[Any, ...]:
    """Return a tuple as it is: a copy would take memory."""
    if not isinstance(items, tuple):
        raise pickle.UnpicklingError(_("damaged description of a tensor"))
    return items


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    """Return bytes that a pickle of protocol 2 holds as a text."""
    if not isinstance(text, str) or encoding not in {"latin1", "latin-1"}:
        raise pickle.UnpicklingError(_("damaged description of a tensor"))
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """Return what protocol 2 has for the content of an empty array."""
    return b""


_NDARRAY = _Function(_refuse)


class _Unpickler(pickle.Unpickler):
    """Calls this module's functions only; an ordinary unpickler would run any code that an untrusted file names."""

    def __init__(self, file: _BoundedFile, *, encoding: str) -> None:
        super().__init__(file, encoding=encoding)
        self._n_copied = 0
        reconstruct = _Function(_reconstruct)
        self._functions = {
            ("builtins", "tuple"): _Function(_tuple),
            ("__builtin__", "tuple"): _Function(_tuple),
            ("collections", "OrderedDict"): _Function(self._ordered_dict),
            ("_codecs", "encode"): _Function(_encode),
            ("__builtin__", "bytes"): _Function(_no_bytes),
            ("numpy", "ndarray"): _NDARRAY,
            ("numpy", "dtype"): _Function(_Dtype),
            ("numpy.core.multiarray", "_reconstruct"): reconstruct,
            ("numpy._core.multiarray", "_reconstruct"): reconstruct,
        }

    def find_class(self, module: str, name: str) -> Any:
        """Return the function that stands for a name.

        Raises:
            UnpicklingError: no file of tensors needs this name.
        """
        function = self._functions.get((module, name))
        if function is None:
            full = f"{module}.{name}"[:80]
            raise pickle.UnpicklingError(_("it asks for {name}, which no file of tensors needs").format(name=full))
        return function

    def _ordered_dict(self, pairs: Any = ()) -> dict[Any, Any]:
        """Return a dictionary of pairs; ten thousand copies of one list would be a bomb."""
        self._n_copied += len(pairs)
        if not isinstance(pairs, (list, tuple)) or self._n_copied > _MAX_PAIRS:
            raise pickle.UnpicklingError(_("damaged description of a tensor"))
        return dict(pairs)


_MAX_PAIRS = 1_000_000
