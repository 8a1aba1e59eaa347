"""Commands that `python -m paddle.distributed.launch` runs as several processes: only rank 0 prints."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import typer

from paddle_tasks.errors import RunStopped, UserError
from paddle_tasks.training.ranks import Ranks


@contextlib.contextmanager
def coordinated_exit() -> Iterator[Ranks]:
    """Join the other processes, yield this process's `Ranks`, and let only rank 0 report an error.

    If the block raises a `UserError` or `RunStopped`, every rank exits with its code. Rank 0 does so by raising the
    error, whose message is then printed; the other ranks print nothing.
    """
    ranks = Ranks.from_environment()
    try:
        yield ranks
    except (UserError, RunStopped) as error:
        if ranks.writes:
            raise
        raise typer.Exit(error.exit_code) from None
    finally:
        if ranks.size > 1:  # the launcher sends SIGTERM to the processes that end last; their exit code would be lost
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
