"""Finding, loading and checking Paddle's copy of oneDNN, without Paddle.

The functions and constants are those of oneDNN's C API, version 3: https://uxlfoundation.github.io/oneDNN/.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import threading
from collections.abc import Iterator
from ctypes import POINTER, byref, c_char_p, c_float, c_int, c_int64, c_size_t, c_void_p
from functools import cache
from pathlib import Path

from paddle_tasks.language import _
from paddle_tasks.operating_system import after_fork, load_for_all, loaded

SWITCH = "PADDLE_TASKS_ONEDNN"
"""The environment variable that turns oneDNN off when it is ``0``."""

_FILE, _OPENMP = "libdnnl.so.3", "libiomp5.so"
_MAJOR = 3
_CPU, _IN_ORDER = 1, 1
_BFLOAT16_ISAS = ("avx512_core_bf16", "avx512_core_fp16", "amx", "avx10")
"""Parts of the names of instruction sets that multiply bfloat16 faster than float32."""


class _Version(ctypes.Structure):
    _fields_ = (("major", c_int), ("minor", c_int), ("patch", c_int))


class OneDNN:
    """The loaded library with an engine and a stream on the CPU.

    Attributes:
        api: the C functions.
        version: such as ``3.6.2``.
        isa: the instruction set that it uses, such as ``avx512_core_bf16``.
        engine: the handle of the engine.
        stream: the handle of the stream.
    """

    def __init__(self, path: Path) -> None:
        self.api = _declare(ctypes.CDLL(str(path)))
        version = self.api.dnnl_version().contents
        self.version = f"{version.major}.{version.minor}.{version.patch}"
        if version.major != _MAJOR:
            raise OSError(f"{path.name} is version {self.version}, expected {_MAJOR}.x")
        isa = self.api.dnnl_cpu_isa2str(self.api.dnnl_get_effective_cpu_isa())
        self.isa = isa.decode().removeprefix("cpu_isa_")
        self.engine, self.stream = c_void_p(), c_void_p()
        check(self.api.dnnl_engine_create(byref(self.engine), _CPU, 0), "dnnl_engine_create")
        check(self.api.dnnl_stream_create(byref(self.stream), self.engine, _IN_ORDER), "dnnl_stream_create")

    @property
    def has_bfloat16(self) -> bool:
        """Whether products of bfloat16 numbers are faster than those of float32 on this CPU."""
        return any(part in self.isa for part in _BFLOAT16_ISAS)

    @property
    def can_bfloat16(self) -> bool:
        """Whether it computes products of bfloat16 numbers on this CPU, if slowly."""
        return any(part in self.isa for part in ("avx512", "amx", "avx10", "avx2_vnni_2"))


def check(status: int, function: str) -> None:
    """Raise RuntimeError unless a function of the C API has returned 0."""
    if status:
        raise RuntimeError(f"oneDNN: {function} failed with status {status}")


def _declare(api: ctypes.CDLL) -> ctypes.CDLL:
    """Declare the types of the arguments that ctypes would guess wrongly."""
    api.dnnl_version.restype = POINTER(_Version)
    api.dnnl_cpu_isa2str.restype = c_char_p
    api.dnnl_engine_create.argtypes = [c_void_p, c_int, c_size_t]
    api.dnnl_primitive_desc_query_md.restype = c_void_p
    api.dnnl_memory_desc_get_size.restype = c_size_t
    api.dnnl_memory_set_data_handle.argtypes = [c_void_p, c_void_p]
    api.dnnl_primitive_execute.argtypes = [c_void_p, c_void_p, c_int, c_void_p]
    api.dnnl_post_ops_append_eltwise.argtypes = [c_void_p, c_int, c_float, c_float]
    api.dnnl_post_ops_append_sum.argtypes = [c_void_p, c_float, c_int, c_int]
    api.dnnl_memory_desc_create_with_strides.argtypes = [c_void_p, c_int, POINTER(c_int64), c_int, POINTER(c_int64)]
    return api


@cache
def _load() -> OneDNN | str:
    """Return the library, or why it cannot be used."""
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH}=0"
    paddle = importlib.util.find_spec("paddle")
    folders = [] if paddle is None else paddle.submodule_search_locations or []
    path = next((file for folder in folders if (file := Path(folder, "libs", _FILE)).is_file()), None)
    if path is None:
        return _("{file} was not found").format(file=f"paddle/libs/{_FILE}") if paddle else _("paddle is not installed")
    try:
        _load_openmp(path.with_name(_OPENMP))
        library = OneDNN(path)
    except (OSError, AttributeError, RuntimeError) as error:
        return _("{file} cannot be used: {error}").format(file=_FILE, error=error)
    if "avx2" not in library.isa and "avx512" not in library.isa and "amx" not in library.isa:
        return _("the CPU has neither AVX2 nor AVX-512 (oneDNN uses {isa})").format(isa=library.isa)
    after_fork(_use_one_thread)
    return library


def _load_openmp(path: Path) -> None:
    """Let oneDNN use Intel's OpenMP, as Paddle does and as it does itself if Paddle was imported before it.

    With GNU's, each of the two would have threads of its own, and a training in the same process would take a third
    longer (LSTM and BERT on two cores of an AMD Zen 4).
    """
    with contextlib.suppress(OSError):  # then it is GNU's, which oneDNN names itself
        load_for_all(path)


def forget() -> None:
    """Look for the library again at the next call of `get`, for tests."""
    _load.cache_clear()


def get() -> OneDNN | None:
    """Return the library; None if it cannot be used or is switched off."""
    library = None if _switched_off.value else _load()
    return library if isinstance(library, OneDNN) else None


def why_not() -> str:
    """Return why oneDNN cannot be used; empty if it can."""
    reason = _load()
    return reason if isinstance(reason, str) else ""


class _Flag(threading.local):
    value = False


_switched_off = _Flag()


@contextlib.contextmanager
def switched_off() -> Iterator[None]:
    """Let `get` return None to this thread inside the `with` block, to compare with the path without oneDNN."""
    before, _switched_off.value = _switched_off.value, True
    try:
        yield
    finally:
        _switched_off.value = before


def _use_one_thread() -> None:
    """Compute on one thread in a forked child, where OpenMP's threads are gone and waiting for them never ends.

    oneDNN uses GNU's OpenMP, or Intel's if Paddle was imported before it.
    """
    for name in (None, "libgomp.so.1", "libiomp5.so"):
        with contextlib.suppress(OSError, AttributeError):
            loaded(name).omp_set_num_threads(1)
