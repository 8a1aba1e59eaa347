"""Results and gradients of functions of tensors, and their comparison."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import paddle

TOLERANCE = 1e-5

Array = np.ndarray[Any, np.dtype[Any]]
Function = Callable[..., paddle.Tensor]


def normal(*shape: int, seed: int = 0) -> Array:
    """Draw <float32>[shape]."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def tensors(arrays: Collection[Array], frozen: Collection[int] = ()) -> list[paddle.Tensor]:
    """Make tensors that need gradients, except those at the indices ``frozen``."""
    return [paddle.to_tensor(array, stop_gradient=number in frozen) for number, array in enumerate(arrays)]


def outcome(
    function: Function, arrays: Collection[Array], frozen: Collection[int] = (), *, weighted: bool = True
) -> list[Array | None]:
    """Return the result, and the gradient of its randomly weighted sum for each input."""
    inputs = tensors(arrays, frozen)
    result = function(*inputs)
    weights = normal(*result.shape, seed=99) if weighted else np.ones(result.shape)
    (result * paddle.to_tensor(weights.astype(result.numpy().dtype))).sum().backward()
    return [result.numpy(), *(None if tensor.grad is None else tensor.grad.numpy() for tensor in inputs)]


def in_float64(function: Function, arrays: Collection[Array], frozen: Collection[int] = (), **how: Any) -> list[Any]:
    """Return the `outcome` in double precision, which Paddle's own operators compute."""
    return outcome(function, [array.astype(np.float64) for array in arrays], frozen, **how)


def difference(ours: Array, theirs: Array, floor: float = 1e-3) -> float:
    """Return the largest difference relative to the largest value, or to ``floor`` if that is larger."""
    assert ours.shape == theirs.shape
    if not ours.size:
        return 0.0
    return float(np.abs(ours - theirs).max() / max(np.abs(theirs).max(), floor))


def assert_same(
    ours: Collection[Array | None],
    theirs: Collection[Array | None],
    tolerance: float = TOLERANCE,
    floor: float = 1e-3,
) -> None:
    """Compare outcomes one by one; a missing gradient is a difference."""
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert (mine is None) == (other is None), number
        if mine is not None and other is not None:
            assert mine.dtype == np.float32
            assert difference(mine, other, floor) <= tolerance, number


# Views of an input, most of them not contiguous, and the shape of the input for a view of a given shape.
LAYOUTS: dict[str, tuple[Function, Callable[[tuple[int, ...]], tuple[int, ...]]]] = {
    "contiguous": (lambda x: x, lambda shape: shape),
    "transposed": (lambda x: x.transpose(list(range(x.ndim))[::-1]), lambda shape: shape[::-1]),
    "columns": (lambda x: x[..., 1:-1], lambda shape: (*shape[:-1], shape[-1] + 2)),
    "every other": (lambda x: x[::2], lambda shape: (2 * shape[0], *shape[1:])),
}
