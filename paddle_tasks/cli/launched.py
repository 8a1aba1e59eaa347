"""A command as several processes, which `python -m paddle.distributed.launch` starts: rank 0 speaks for all."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

import typer

from paddle_tasks.cli import EXIT_USER_ERROR
from paddle_tasks.errors import RunStopped, UserError
from paddle_tasks.training.ranks import Ranks


@contextlib.contextmanager
def one_voice() -> Iterator[Ranks]:
    """Meet the other processes and yield this one's rank; how a run ends, each exits with and rank 0 alone tells."""
    ranks = Ranks.from_environment()
    try:
        yield ranks
    except (UserError, RunStopped) as error:
        if ranks.writes:
            raise
        raise typer.Exit(error.exit_code if isinstance(error, RunStopped) else EXIT_USER_ERROR) from None
    finally:
        if ranks.size > 1:  # the launcher sends SIGTERM to those that end last, whose exit code would be lost
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
