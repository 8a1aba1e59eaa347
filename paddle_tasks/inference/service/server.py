"""Running a service until a signal ends it; what is in flight is finished first."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from paddle_tasks.inference.service.connections import with_limits
from paddle_tasks.inference.service.limits import Limits
from paddle_tasks.operating_system import stop_signals


class Server(uvicorn.Server):
    """A server that ends normally on a signal, where uvicorn would raise it again.

    Attributes:
        stopped_by: the number of the first signal.
    """

    stopped_by: int | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals within the block, except those that ``nohup`` ignores; another thread gets none."""
        is_main = threading.current_thread() is threading.main_thread()
        numbers = [number for number in stop_signals() if is_main and signal.getsignal(number) is not signal.SIG_IGN]
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


def make_server(app: ASGIApp, limits: Limits) -> Server:
    """Return a server for a service; its ``run(sockets=[listener])`` returns when a signal has ended it."""
    return Server(
        uvicorn.Config(
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
    )
