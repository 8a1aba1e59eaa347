"""Make things ready in a thread before they are asked for."""

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
    """A thread that runs through an iterator, at most ``depth`` items ahead."""

    def __init__(self, source: Iterator[T], depth: int) -> None:
        self._source = source
        self._ready: queue.Queue[_Item[T] | _End] = queue.Queue(depth)
        self._stop = threading.Event()
        # A daemon: were the consumer never closed, the interpreter could end all the same.
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
        with contextlib.suppress(queue.Empty):  # so that a thread that waits for room sees the stop at once
            self._ready.get_nowait()
        self._thread.join()


@contextlib.contextmanager
def prefetched(source: Iterator[T], depth: int = 3, *, enabled: bool = True) -> Generator[Iterator[T], None, None]:
    """Run through an iterator in a thread, at most ``depth`` items ahead of the consumer; the order stays.

    What the source raises is raised where its next item would have come. Leaving the block, also by Ctrl-C, ends the
    thread; items made by then are dropped. The source must not need the thread that consumes it.

    Args:
        source: what to make ready.
        depth: most items that wait.
        enabled: False gives the source itself.
    """
    if not enabled:
        yield source
        return
    worker = _Worker(source, depth)
    try:
        yield iter(worker)
    finally:
        worker.close()
