"""The processes (ranks) of one run, as started by `python -m paddle.distributed.launch`; one process is rank 0 of 1.

Every rank runs the same steps on its shard of each batch and therefore makes the same decisions. Whatever may differ
between ranks (a signal, a full memory, an unreadable file) is exchanged before anything depends on it.
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
from paddle_tasks.language import _
from paddle_tasks.models.gradients import without_gradients

T = TypeVar("T")
Table = np.ndarray[Any, np.dtype[np.float64]]

HEARTBEAT_SECONDS = 5.0
"""Interval at which waiting ranks exchange a sign of life; gloo gives up after 30 seconds of silence."""

# 64 MB of float32. Few large exchanges are fast, since each costs some milliseconds however short it is; but a buffer
# doubles the memory of the gradients that it holds.
_MAX_BUFFER_ELEMENTS = 1 << 24


@dataclass(frozen=True)
class Ranks:
    """This process among the processes of its run.

    Attributes:
        rank: index of this process, from 0; rank 0 writes files and reports progress.
        size: number of processes.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Ranks:
        """Return the rank that the launcher assigned to this process, after connecting it to the others.

        A single process connects to nothing.
        """
        size = int(environment.get("PADDLE_TRAINERS_NUM") or 1)
        if size == 1:
            return cls()
        connect_ranks()
        return cls(int(environment["PADDLE_TRAINER_ID"]), size)

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder and reports progress."""
        return self.rank == 0

    def shard(self, items: Sequence[T]) -> Sequence[T]:
        """Return this rank's items, which may be none: every ``size``-th item, starting with item ``rank``.

        Shards of rows that are sorted by length have similar lengths.
        """
        return items[self.rank :: self.size]

    def sum_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace every gradient by its sum over the ranks.

        A parameter with a gradient on some ranks has one on all ranks afterwards; a parameter without any has none.
        """
        if self.size > 1:
            for bucket in bucket_parameters([parameter for parameter in parameters if not parameter.stop_gradient]):
                assign_gradients(bucket, self.all_reduce(flatten_gradients(bucket)))

    def gather_numbers(self, values: Sequence[float]) -> Table:
        """Return the numbers of every rank, <float64>[size, len(values)]; the result is the same on all ranks."""
        table = np.zeros((self.size, len(values)))
        table[self.rank] = values
        return table if self.size == 1 else np.asarray(self.all_reduce(paddle.to_tensor(table)).numpy())

    def sum_array(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the sum of an array over the ranks, in the same dtype."""
        return array if self.size == 1 else np.asarray(self.all_reduce(paddle.to_tensor(array)).numpy())

    def gather_objects(self, value: T) -> list[T]:
        """Return the value of every rank, in the order of ranks; values are pickled, so call it rarely."""
        if self.size == 1:
            return [value]
        values: list[T] = []
        _distributed().all_gather_object(values, value)
        return values

    def barrier(self) -> None:
        """Wait until all ranks arrive here; files that rank 0 wrote before can then be read."""
        self.gather_numbers([0.0])

    def broadcast(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors with their values on rank 0."""
        if self.size > 1:
            for tensor in tensors:
                _distributed().broadcast(tensor, src=0)

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """Return a tensor after replacing it by its sum over the ranks."""
        _distributed().all_reduce(tensor)
        return tensor

    @contextlib.contextmanager
    def raise_together(self) -> Iterator[None]:
        """Leave the block on all ranks at the same time, with an error on all ranks if it failed on any.

        The error of the lowest failing rank is raised everywhere. A `UserError` or `RunStopped` keeps its type; any
        other error becomes a `RunStopped` with the traceback. The block must not exchange anything with other ranks.
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
            error = RunStopped(
                _("process {rank} of {size} failed\n{traceback}").format(
                    rank=self.rank, size=self.size, traceback=traceback.format_exc()
                )
            )
        if self.gather_numbers([error is not None]).any():
            raise self._first_error(self.gather_objects(error))

    def run_rank_0_first(self, work: Callable[[], None]) -> None:
        """Run something slow on rank 0, then on the others, which find what rank 0 downloaded or computed.

        Meanwhile the waiting ranks exchange signs of life, so that gloo does not give up. An error on one rank is
        raised on all, as in `raise_together`.
        """
        if self.size == 1:
            work()
            return
        for is_my_turn in (self.writes, not self.writes):
            call = BackgroundCall(work) if is_my_turn else None
            while self.gather_numbers([call is not None and not call.wait(HEARTBEAT_SECONDS)]).any():
                pass
            with self.raise_together():
                if call:
                    call.result()

    def _first_error(self, errors: Sequence[Exception | None]) -> Exception:
        rank, error = next((rank, error) for rank, error in enumerate(errors) if error is not None)
        if rank and isinstance(error, UserError):  # name the rank, as files may differ from machine to machine
            return type(error)(_("process {rank} of {size}: {error}").format(rank=rank, size=self.size, error=error))
        return error


class BackgroundCall:
    """A function call in a daemon thread."""

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
        """Wait for at most ``seconds`` and return whether the call has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> None:
        """Raise the error of the call, if there was one.

        Raises:
            RuntimeError: the call raised SystemExit or KeyboardInterrupt, which `raise_together` would not pass on.
        """
        if isinstance(self._error, Exception):
            raise self._error
        if self._error:
            raise RuntimeError(f"the call was ended by {type(self._error).__name__}") from self._error


def _distributed() -> Any:
    return paddle.distributed


@cache
def connect_ranks() -> None:
    """Connect this process to the other ranks, once."""
    # Paddle prints its flags, which would confuse the user.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        _distributed().init_parallel_env()


# ---- gradients as a few large arrays


def bucket_parameters(parameters: Sequence[Tensor], max_elements: int = _MAX_BUFFER_ELEMENTS) -> Iterator[list[Tensor]]:
    """Split parameters, in their order, into groups of one dtype and at most ``max_elements`` elements.

    A parameter that is larger than that has a group to itself. Sizes 2, 3, 9, 1 with ``max_elements=5`` are grouped as
    [2, 3], [9], [1].
    """
    bucket: list[Tensor] = []
    n_elements = 0
    for parameter in parameters:
        if bucket and (n_elements + parameter.size > max_elements or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket, n_elements = [], 0
        bucket.append(parameter)
        n_elements += parameter.size
    if bucket:
        yield bucket


@without_gradients
def flatten_gradients(bucket: Sequence[Tensor]) -> Tensor:
    """Return the gradients of a bucket as one array, <float>[elements + parameters].

    A missing gradient is filled with zeros. The last part holds 1 for each parameter that has a gradient, else 0.
    """
    gradients = [paddle.zeros_like(value) if value.grad is None else value.grad for value in bucket]
    has_gradient = paddle.to_tensor([float(value.grad is not None) for value in bucket], dtype=bucket[0].dtype)
    return paddle.concat([*(gradient.flatten() for gradient in gradients), has_gradient])


@without_gradients
def assign_gradients(bucket: Sequence[Tensor], summed: Tensor) -> None:
    """Set the gradients of a bucket from the sum of the ranks' `flatten_gradients`."""
    *gradients, n_ranks = paddle.split(summed, [*(int(value.size) for value in bucket), len(bucket)])
    for value, gradient, number in zip(bucket, gradients, n_ranks.astype("float32").numpy(), strict=True):
        if number > 0:
            value.grad = gradient.reshape(value.shape)
