"""The processes of one run, as `python -m paddle.distributed.launch` starts them; one process alone is rank 0 of 1.

Every rank does the same steps on its share of each batch's rows, so it decides the same at every turn; what could
differ (a signal, memory that is full, a file that cannot be read) is exchanged before anything follows from it.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import paddle
from paddle import Tensor

from paddle_tasks.errors import RunStopped, UserError

T = TypeVar("T")
Table = np.ndarray[Any, np.dtype[np.float64]]

# 64 MB of float32: one exchange costs some milliseconds however short it is, and a buffer doubles what it holds.
_MOST_IN_BUFFER = 1 << 24
_SECONDS_BETWEEN_SIGNS = 5.0


@dataclass(frozen=True)
class Ranks:
    """This process among those of its run.

    Attributes:
        rank: counted from 0; rank 0 writes.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Ranks:
        """Return the rank that the launcher gave this process, once all of them have found each other.

        One process alone neither imports nor prepares anything.
        """
        size = int(environment.get("PADDLE_TRAINERS_NUM") or 1)
        if size == 1:
            return cls()
        _meet()
        return cls(int(environment["PADDLE_TRAINER_ID"]), size)

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder and speaks."""
        return self.rank == 0

    def share(self, items: Sequence[T]) -> Sequence[T]:
        """Return every ``size``-th item: shares of rows sorted by length are alike, and may be empty."""
        return items[self.rank :: self.size]

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its sum over the ranks.

        A parameter that has a gradient on some ranks has it on all of them afterwards; one without stays without.
        """
        if self.size > 1:
            for bucket in buckets([parameter for parameter in parameters if not parameter.stop_gradient]):
                fill(bucket, self._sum(flat(bucket)))

    def table(self, values: Sequence[float]) -> Table:
        """Return every rank's numbers, <float64>[size, len(values)], the same on each rank."""
        rows = np.zeros((self.size, len(values)))
        rows[self.rank] = values
        return rows if self.size == 1 else np.asarray(self._sum(paddle.to_tensor(rows)).numpy())

    def sum_array(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the sum of an array over the ranks, in its own type."""
        return array if self.size == 1 else np.asarray(self._sum(paddle.to_tensor(array)).numpy())

    def objects(self, value: T) -> list[T]:
        """Return the value of every rank; for what happens seldom, since it is pickled."""
        if self.size == 1:
            return [value]
        found: list[T] = []
        _distributed().all_gather_object(found, value)
        return found

    def wait(self) -> None:
        """Wait for all ranks: what rank 0 has written by then can be read."""
        self.table([0.0])

    def take_over(self, tensors: Iterable[Tensor]) -> None:
        """Fill tensors with those of rank 0."""
        if self.size > 1:
            for tensor in tensors:
                _distributed().broadcast(tensor, src=0)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """End this block on all ranks at the same time, and with an error on all when one of them has one.

        The error of the lowest rank is raised everywhere, as `RunStopped` with its traceback when it is none of the
        user's. The block must not exchange anything itself.
        """
        if self.size == 1:
            yield
            return
        error: UserError | RunStopped | None = None
        try:
            yield
        except (UserError, RunStopped) as caught:
            error = caught
        except Exception:
            error = RunStopped(f"process {self.rank} of {self.size} failed\n{traceback.format_exc()}")
        if self.table([error is not None]).any():
            raise self._first(self.objects(error))

    def in_turn(self, work: Callable[[], None]) -> None:
        """Have rank 0 do something that takes long, and then the others: what it fetches or makes, they find.

        The ranks tell each other all the while that they are alive, without which gloo gives up after 30 seconds.
        An error of one of them is raised on all, as by `together`.
        """
        if self.size == 1:
            work()
            return
        for is_my_turn in (self.writes, not self.writes):
            done = _Background(work) if is_my_turn else None
            while self.table([done is not None and not done.wait(_SECONDS_BETWEEN_SIGNS)]).any():
                pass
            with self.together():
                if done:
                    done.result()

    def _first(self, errors: Sequence[Exception | None]) -> Exception:
        rank, error = next((rank, error) for rank, error in enumerate(errors) if error is not None)
        if rank and isinstance(error, UserError):  # files may differ from machine to machine
            return type(error)(f"process {rank} of {self.size}: {error}")
        return error

    def _sum(self, tensor: Tensor) -> Tensor:
        _distributed().all_reduce(tensor)
        return tensor


class _Background:
    """A function at work in a thread of its own, which ends with the process."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:
            self._error = error

    def wait(self, seconds: float) -> bool:
        """Wait so long at most, and tell whether it is done."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> None:
        """Raise the error that has ended it, if one has, in a form that lets the other ranks know."""
        if isinstance(self._error, Exception):
            raise self._error
        if self._error:
            raise RuntimeError("the work has asked for the end of the process") from self._error


def _distributed() -> Any:
    return paddle.distributed


@cache
def _meet() -> None:
    # Paddle prints its flags there, which nobody has asked for.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        _distributed().init_parallel_env()


# ---- gradients as few large arrays


def buckets(parameters: Sequence[Tensor], most: int = _MOST_IN_BUFFER) -> Iterator[list[Tensor]]:
    """Yield runs of parameters of one type, of at most so many elements; a larger one stands alone."""
    bucket: list[Tensor] = []
    n_elements = 0
    for parameter in parameters:
        if bucket and (n_elements + parameter.size > most or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket, n_elements = [], 0
        bucket.append(parameter)
        n_elements += parameter.size
    if bucket:
        yield bucket


@paddle.no_grad()  # type: ignore[untyped-decorator]
def flat(bucket: Sequence[Tensor]) -> Tensor:
    """Return the gradients as one array, zeros where there is none, and behind them a 1 for each that is there."""
    gradients = [paddle.zeros_like(value) if value.grad is None else value.grad for value in bucket]
    is_there = paddle.to_tensor([float(value.grad is not None) for value in bucket], dtype=bucket[0].dtype)
    return paddle.concat([*(gradient.flatten() for gradient in gradients), is_there])


@paddle.no_grad()  # type: ignore[untyped-decorator]
def fill(bucket: Sequence[Tensor], summed: Tensor) -> None:
    """Take the gradients from a sum of such arrays."""
    *gradients, n_there = paddle.split(summed, [*(int(value.size) for value in bucket), len(bucket)])
    for value, gradient, number in zip(bucket, gradients, n_there.astype("float32").numpy(), strict=True):
        if number > 0:
            value.grad = gradient.reshape(value.shape)
