"""Stopping well when a signal says so: the step in hand is finished and saved, by all processes of the run alike."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from paddle_tasks.errors import Interrupted


def stop_at_once(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Handle a signal as Python does Ctrl-C."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end the block at once, and as `Interrupted`: the same command starts or goes on.

    For what surrounds `StopSignal.listening`: nothing is in hand there that would have to be finished. Several
    processes are left to their launcher, since one that waits for the others cannot be stopped so.

    Raises:
        Interrupted: there was a signal.
    """
    alone = int(os.environ.get("PADDLE_TRAINERS_NUM") or 1) == 1
    if not alone or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop_at_once)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("stopped; give the same command again to go on") from None
    finally:
        signal.signal(signal.SIGTERM, before)


class StopSignal:
    """Notes the first SIGINT or SIGTERM, so that the step in hand can be finished; a second Ctrl-C is not held up.

    Attributes:
        pending: the signal that came to this process.
        received: the signal that all processes of the run know of; with one process alone, the same.
    """

    def __init__(self, *, alone: bool = True) -> None:
        self._alone = alone
        self.pending: str | None = None
        self.received: str | None = None

    def agree(self, n_told: float) -> None:
        """Take in how many processes a signal has come to."""
        if n_told:
            self.received = self.received or self.pending or "a signal to another process"

    def check(self) -> None:
        """Raise `Interrupted` when all processes know of a signal."""
        self._stop_for(self.received)

    def check_here(self) -> None:
        """Raise `Interrupted` when a signal has come to this process; the others are to be told of it."""
        self._stop_for(self.received or self.pending)

    def _stop_for(self, name: str | None) -> None:
        if name:
            raise Interrupted(f"stopped by {name}; give the same command again to go on from here")

    @contextlib.contextmanager
    def listening(self) -> Iterator[StopSignal]:
        """Handle the signals within the block; outside the main thread there is nothing to handle."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.pending and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.pending = self.pending or signal.Signals(number).name
        if self._alone:
            self.received = self.pending
