"""Running primitives of oneDNN on numpy arrays: descriptors, post-operations, and what each thread keeps.

A primitive is made at its first use with the shapes, strides and types of its arrays and then kept; each thread has its
own, so that threads may compute at the same time.
"""

from __future__ import annotations

import ctypes
import threading
from collections import OrderedDict
from collections.abc import Callable, Container, Hashable, Sequence
from ctypes import byref, c_int64, c_void_p
from typing import Any, NamedTuple, TypeVar

import numpy as np

from paddle_tasks.arrays import Array
from paddle_tasks.onednn import library
from paddle_tasks.onednn.library import OneDNN, check
from paddle_tasks.operating_system import after_fork

BFLOAT16 = np.uint16
"""The numpy type of arrays that hold bfloat16 numbers."""

_TYPES = {"H": 2, "f": 3, "i": 4, "B": 6, "?": 6}
SRC_1 = 2
"""The number of the second array of an operation on two."""
BINARY = {"add": 0x1FFF0, "mul": 0x1FFF1}
_POST_OP = 32768  # times the position of the post-operation, from 1
_LINEAR = 0x26
_ANY_LAYOUT = 1
_QUERY_LAYOUT = 255  # of an argument

_MOST_KEPT, _MOST_KEPT_BESIDE = 2048, 256
"""The most primitives that the main thread and any other keeps: some 50 for each shape of a batch, 0.2 MB each."""


class Scale(NamedTuple):
    """A post-operation: multiply the result by a factor."""

    factor: float


class Combine(NamedTuple):
    """A post-operation: ``add`` adds a contiguous array to the result, ``mul`` multiplies by it; broadcasting works."""

    how: str
    array: Array


class Accumulate(NamedTuple):
    """A post-operation: add what the array of the result held before."""


PostOp = Scale | Combine | Accumulate
Argument = tuple[int, Array]


class _MemoryArgument(ctypes.Structure):
    _fields_ = (("argument", ctypes.c_int), ("memory", c_void_p))


class Builder:
    """Makes the parts of a new primitive, and frees them with `close`; the primitive keeps copies."""

    def __init__(self, dnn: OneDNN) -> None:
        self.dnn, self._made = dnn, list[tuple[str, c_void_p]]()

    def _keep(self, kind: str, handle: c_void_p, status: int, what: object) -> c_void_p:
        if status:  # the message may name whole arrays
            check(status, f"{kind} of {what}")
        self._made.append((kind, handle))
        return handle

    def memory(self, array: Array) -> c_void_p:
        """Return the memory descriptor of an array."""
        sizes, strides = c_int64 * array.ndim, _strides(array)
        create, descriptor = self.dnn.api.dnnl_memory_desc_create_with_strides, c_void_p()
        status = create(byref(descriptor), array.ndim, sizes(*array.shape), _TYPES[array.dtype.char], sizes(*strides))
        return self._keep("memory_desc", descriptor, status, array.shape)

    def memories(self, *arrays: Array) -> list[c_void_p]:
        """Return the memory descriptors of arrays."""
        return [self.memory(array) for array in arrays]

    def any_layout(self, dtype: str, *shape: int) -> c_void_p:
        """Return a memory descriptor whose layout the primitive chooses; see `layout`."""
        create, descriptor = self.dnn.api.dnnl_memory_desc_create_with_tag, c_void_p()
        sizes = (c_int64 * len(shape))(*shape)
        status = create(byref(descriptor), len(shape), sizes, _TYPES[dtype], _ANY_LAYOUT)
        return self._keep("memory_desc", descriptor, status, shape)

    def layout(self, descriptor: c_void_p, number: int) -> c_void_p:
        """Return the memory descriptor of an argument of a primitive; the primitive descriptor owns it."""
        return c_void_p(self.dnn.api.dnnl_primitive_desc_query_md(descriptor, _QUERY_LAYOUT, number))

    def n_bytes(self, descriptor: c_void_p, number: int) -> int:
        """Return the size of the memory of an argument of a primitive; 0 if it has no such argument."""
        return int(self.dnn.api.dnnl_memory_desc_get_size(self.layout(descriptor, number)))

    def attributes(self, post: Sequence[PostOp]) -> c_void_p | None:
        """Return the attributes with a chain of post-operations; None if there are none."""
        if not post:
            return None
        api, attributes, chain = self.dnn.api, c_void_p(), c_void_p()
        self._keep("primitive_attr", attributes, api.dnnl_primitive_attr_create(byref(attributes)), post)
        self._keep("post_ops", chain, api.dnnl_post_ops_create(byref(chain)), post)
        for operation in post:
            check(self._append(chain, operation), f"post-operation {type(operation).__name__}")
        check(api.dnnl_primitive_attr_set_post_ops(attributes, chain), "dnnl_primitive_attr_set_post_ops")
        return attributes

    def _append(self, chain: c_void_p, operation: PostOp) -> int:
        api = self.dnn.api
        if isinstance(operation, Scale):
            return int(api.dnnl_post_ops_append_eltwise(chain, _LINEAR, operation.factor, 0.0))
        if isinstance(operation, Combine):
            if not operation.array.flags.c_contiguous:
                raise ValueError("post-operation: expected a contiguous array, oneDNN ignores its strides")
            return int(api.dnnl_post_ops_append_binary(chain, BINARY[operation.how], self.memory(operation.array)))
        return int(api.dnnl_post_ops_append_sum(chain, 1.0, 0, 0))

    def describe(self, function: str, *arguments: Any) -> c_void_p:
        """Return the primitive descriptor that one of oneDNN's functions makes on this engine."""
        descriptor = c_void_p()
        create = getattr(self.dnn.api, f"dnnl_{function}_primitive_desc_create")
        status = create(byref(descriptor), *arguments)
        return self._keep("primitive_desc", descriptor, status, function)

    def close(self) -> None:
        """Free what was made."""
        for kind, handle in reversed(self._made):
            getattr(self.dnn.api, f"dnnl_{kind}_destroy")(handle)
        self._made.clear()


def _strides(array: Array) -> list[int]:
    """Return the strides in items; those of axes with size 1, where numpy may hold anything, as if contiguous.

    oneDNN 3.6.2 writes no result for a product with a matrix of [1, 3] and strides of 1 and 1.
    """
    strides = [stride // array.itemsize for stride in array.strides]
    for axis in reversed(range(array.ndim)):
        if array.shape[axis] == 1:
            inner = range(axis + 1, array.ndim)
            strides[axis] = max((array.shape[other] * strides[other] for other in inner), default=1)
    return strides


class Primitive:
    """A primitive with a memory object for each of its arguments; not for several threads at once.

    Args:
        builder: what ``descriptor`` was made with.
        descriptor: the primitive descriptor.
        arguments: oneDNN's number of each argument, and an array like those that it will be called with.
        chosen: the numbers of the arguments whose layout the primitive chose; their arrays are plain memory.
    """

    def __init__(
        self, builder: Builder, descriptor: c_void_p, arguments: Sequence[Argument], chosen: Container[int] = ()
    ) -> None:
        self._dnn, self._primitive, self._memories = builder.dnn, c_void_p(), list[c_void_p]()
        create = self._dnn.api.dnnl_memory_create
        check(self._dnn.api.dnnl_primitive_create(byref(self._primitive), descriptor), "dnnl_primitive_create")
        self._arguments = (_MemoryArgument * len(arguments))()
        for slot, (number, array) in zip(self._arguments, arguments, strict=True):
            memory = c_void_p()
            layout = builder.layout(descriptor, number) if number in chosen else builder.memory(array)
            check(create(byref(memory), layout, self._dnn.engine, None), "dnnl_memory_create")
            slot.argument, slot.memory = number, memory
            self._memories.append(memory)

    def __call__(self, arguments: Sequence[Argument]) -> None:
        """Execute it on arrays with the shapes, strides and types of those that it was made for."""
        set_handle = self._dnn.api.dnnl_memory_set_data_handle
        for memory, (_, array) in zip(self._memories, arguments, strict=True):
            set_handle(memory, array.__array_interface__["data"][0])
        count = len(self._memories)
        status = self._dnn.api.dnnl_primitive_execute(self._primitive, self._dnn.stream, count, self._arguments)
        check(status, "dnnl_primitive_execute")

    def __del__(self) -> None:
        for memory in self._memories:
            self._dnn.api.dnnl_memory_destroy(memory)
        self._dnn.api.dnnl_primitive_destroy(self._primitive)


class _Kept(threading.local):
    """What a thread keeps: primitives by what they compute, the one used last at the end."""

    def __init__(self) -> None:
        self.made: OrderedDict[Hashable, Any] = OrderedDict()


_kept = _Kept()


def _forget() -> None:
    """Drop the primitives of this thread: each runs on the number of threads for which it was made."""
    _kept.made.clear()


after_fork(_forget)
Made = TypeVar("Made")


def keep(key: Hashable, make: Callable[[Builder], Made]) -> Made:
    """Return what this thread keeps under a key, made if there is none.

    Args:
        key: what it computes, with the shapes, strides and types of its arrays.
        make: makes one or several primitives.

    Raises:
        RuntimeError: oneDNN cannot be used or is switched off.
    """
    made: Made | None = _kept.made.get(key)
    if made is not None:
        _kept.made.move_to_end(key)
        return made
    made = _kept.made[key] = _build(make)
    if len(_kept.made) > (_MOST_KEPT if threading.current_thread() is threading.main_thread() else _MOST_KEPT_BESIDE):
        _kept.made.popitem(last=False)
    return made


def _build(make: Callable[[Builder], Made]) -> Made:
    dnn = library.get()
    if dnn is None:
        raise RuntimeError(f"oneDNN is not used here: {library.why_not() or 'it is switched off'}")
    builder = Builder(dnn)
    try:
        return make(builder)
    finally:
        builder.close()


Describe = Callable[[Builder], c_void_p]
"""Returns the descriptor of a new primitive."""


def run(name: Hashable, arguments: Sequence[Argument], describe: Describe) -> None:
    """Execute a primitive, which is made if there is none.

    Args:
        name: what it computes, apart from the shapes and types of its arrays.
        arguments: oneDNN's number of each argument, and its array.
        describe: describes a new primitive.
    """
    key = (name, *[(number, array.shape, array.strides, array.dtype.char) for number, array in arguments])
    keep(key, lambda build: Primitive(build, describe(build), arguments))(arguments)


def post_arguments(post: Sequence[PostOp]) -> list[Argument]:
    """Return the arguments that a chain of post-operations adds to those of its primitive."""
    return [
        (_POST_OP * position | SRC_1, operation.array)
        for position, operation in enumerate(post, start=1)
        if isinstance(operation, Combine)
    ]


def post_names(post: Sequence[PostOp]) -> tuple[Hashable, ...]:
    """Return what a chain of post-operations computes, for the name of its primitive."""
    return tuple(
        operation.how if isinstance(operation, Combine) else (type(operation), *operation) for operation in post
    )
