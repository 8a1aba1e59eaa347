"""Results and gradients of a function of tensors, and what comparing two of them means."""

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
    """Make tensors that want gradients, but for those whose numbers are given."""
    return [paddle.to_tensor(array, stop_gradient=number in frozen) for number, array in enumerate(arrays)]


def outcome(
    function: Function, arrays: Collection[Array], frozen: Collection[int] = (), *, weighted: bool = True
) -> list[Array | None]:
    """Return the result and the gradients, of a sum weighted at random, to each input."""
    inputs = tensors(arrays, frozen)
    result = function(*inputs)
    weights = normal(*result.shape, seed=99) if weighted else np.ones(result.shape)
    (result * paddle.to_tensor(weights.astype(result.numpy().dtype))).sum().backward()
    return [result.numpy(), *(None if tensor.grad is None else tensor.grad.numpy() for tensor in inputs)]


def in_float64(function: Function, arrays: Collection[Array], frozen: Collection[int] = (), **how: Any) -> list[Any]:
    """Do what `outcome` does, in Paddle's own operators and double precision."""
    return outcome(function, [array.astype(np.float64) for array in arrays], frozen, **how)


def difference(ours: Array, theirs: Array, floor: float = 1e-3) -> float:
    """Return the largest difference relative to the largest value; below ``floor`` a value counts as that."""
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
    """Compare outcomes, one by one; a gradient that one of them lacks is a difference."""
    for number, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        assert (mine is None) == (other is None), number
        if mine is not None and other is not None:
            assert mine.dtype == np.float32
            assert difference(mine, other, floor) <= tolerance, number


# Views of an input's memory that are not contiguous, and the shape that the input has to have for them.
LAYOUTS: dict[str, tuple[Function, Callable[[tuple[int, ...]], tuple[int, ...]]]] = {
    "contiguous": (lambda x: x, lambda shape: shape),
    "transposed": (lambda x: x.transpose(list(range(x.ndim))[::-1]), lambda shape: shape[::-1]),
    "columns": (lambda x: x[..., 1:-1], lambda shape: (*shape[:-1], shape[-1] + 2)),
    "every other": (lambda x: x[::2], lambda shape: (2 * shape[0], *shape[1:])),
}
