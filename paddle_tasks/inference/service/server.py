"""Running a service until a signal ends it; what is in flight is finished first."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from paddle_tasks.inference.service.connections import with_limits
from paddle_tasks.inference.service.limits import Limits

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Server(uvicorn.Server):
    """A server that ends normally on a signal, where uvicorn would raise it again."""

    stopped_by: int | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals within the block, except those that ``nohup`` ignores."""
        numbers = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop accepting; a second Ctrl-C does not wait for what is in flight."""
        self.stopped_by = self.stopped_by or sig
        super().handle_exit(sig, frame)


def run(app: ASGIApp, listener: socket.socket, limits: Limits) -> int | None:
    """Serve until a signal arrives, and return its number.

    Args:
        app: the service.
        listener: a socket that listens; it is closed at the end.
        limits: those of connections.
    """
    config = uvicorn.Config(
        app,
        http=with_limits(limits),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=int(limits.stream_seconds),
        backlog=limits.n_connections,
    )
    server = _Server(config)
    server.run(sockets=[listener])
    return server.stopped_by
