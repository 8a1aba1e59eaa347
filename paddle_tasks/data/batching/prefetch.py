"""Run an iterator ahead in a thread."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True)
class _End:
    error: BaseException | None = None


class _Worker(Generic[T]):
    """A thread that consumes an iterator, at most ``depth`` items ahead."""

    def __init__(self, source: Iterator[T], depth: int) -> None:
        self._source = source
        self._ready: queue.Queue[_Item[T] | _End] = queue.Queue(depth)
        self._stop = threading.Event()
        # A daemon, so that the interpreter can exit even if the consumer is never closed.
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for value in self._source:
                if not self._put(_Item(value)):
                    return
            self._put(_End())
        except BaseException as error:
            self._put(_End(error))

    def _put(self, item: _Item[T] | _End) -> bool:
        while not self._stop.is_set():
            with contextlib.suppress(queue.Full):
                self._ready.put(item, timeout=_POLL_SECONDS)
                return True
        return False

    def __iter__(self) -> Iterator[T]:
        while isinstance(item := self._ready.get(), _Item):
            yield item.value
        if item.error is not None:
            raise item.error

    def close(self) -> None:
        """Stop the thread and wait for it."""
        self._stop.set()
        with contextlib.suppress(queue.Empty):  # frees a slot, so that a waiting thread sees the stop at once
            self._ready.get_nowait()
        self._thread.join()


@contextlib.contextmanager
def prefetch(source: Iterator[T], depth: int = 3, *, enabled: bool = True) -> Generator[Iterator[T], None, None]:
    """Consume an iterator in a thread, at most ``depth`` items ahead, and yield an iterator of its items in order.

    An exception of the source is raised in place of its next item. Leaving the block, also by Ctrl-C, ends the thread
    and drops the items in the queue. The source must not depend on the consumer's thread.

    Args:
        source: the iterator.
        depth: the maximum number of items in the queue.
        enabled: False yields the source itself.
    """
    if not enabled:
        yield source
        return
    worker = _Worker(source, depth)
    try:
        yield iter(worker)
    finally:
        worker.close()
