"""Graceful stopping on SIGINT and SIGTERM: all processes of a run finish the current step and save."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from paddle_tasks.errors import Interrupted
from paddle_tasks.language import _


def stop_at_once(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    """Handle a signal like Ctrl-C: raise KeyboardInterrupt."""
    raise KeyboardInterrupt


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Turn SIGTERM and Ctrl-C within the block into `Interrupted` at once; the same command starts or continues.

    It is meant for the code around `StopSignal.listening`, where no step has to be finished first. A launch of several
    processes is left to its launcher, because a process that waits for the others cannot be stopped like this.

    Raises:
        Interrupted: a signal arrived.
    """
    single_process = int(os.environ.get("PADDLE_TRAINERS_NUM") or 1) == 1
    if not single_process or threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, stop_at_once)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(_("stopped; run the same command again to continue")) from None
    finally:
        signal.signal(signal.SIGTERM, previous)


class StopSignal:
    """Records the first SIGINT or SIGTERM, so that the current step can be finished; a second Ctrl-C stops at once.

    Attributes:
        pending: name of the signal that this process received.
        received: name of the signal that all processes of the run know about; in a single process, same as `pending`.
    """

    def __init__(self, *, single_process: bool = True) -> None:
        self._single_process = single_process
        self.pending: str | None = None
        self.received: str | None = None

    def agree(self, n_signalled: float) -> None:
        """Record how many processes have received a signal; all processes call this with the same number."""
        if n_signalled:
            self.received = self.received or self.pending or _("a signal to another process")

    def check(self) -> None:
        """Raise `Interrupted` if all processes know about a signal."""
        self._raise_for(self.received)

    def check_local(self) -> None:
        """Raise `Interrupted` if this process received a signal; the caller must make the other processes stop too."""
        self._raise_for(self.received or self.pending)

    def _raise_for(self, name: str | None) -> None:
        if name:
            if name == signal.SIGINT.name:
                raise Interrupted(_("stopped (Ctrl-C); run the same command again to continue from here"))
            message = _("stopped by {signal}; run the same command again to continue from here")
            raise Interrupted(message.format(signal=name))

    @contextlib.contextmanager
    def listening(self) -> Iterator[StopSignal]:
        """Handle the signals within the block; outside the main thread, where Python allows no handlers, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        previous = {number: signal.signal(number, self._record) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield self
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _record(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.pending and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.pending = self.pending or signal.Signals(number).name
        if self._single_process:
            self.received = self.pending
