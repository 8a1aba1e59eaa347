"""`paddle-tasks dashboard`: its options, what it prints, and how it is stopped."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddle_tasks.cli.options import Quiet
from paddle_tasks.files import expand_user
from paddle_tasks.training.stopping import stop_at_once

if TYPE_CHECKING:
    from paddle_tasks.reporting.vdl.dashboard import Dashboard


def dashboard(
    logdir: Annotated[
        Path, typer.Argument(parser=expand_user, metavar="LOGDIR", help="A folder of runs, or a single run.")
    ] = Path("runs"),
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Port of the page; by default the first free one from 8040 on.", show_default=False
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="H", help="Address to listen on; 0.0.0.0 means all addresses of this machine.")
    ] = "127.0.0.1",
    path: Annotated[
        str, typer.Option(metavar="P", help="Path of the page behind a proxy (VisualDL's --public-path).")
    ] = "/app",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    quiet: Quiet = False,
) -> None:
    """Show runs in VisualDL, also while they train. Ctrl-C stops it.

    Damaged logs are repaired first: intact records are kept, scalars are restored from metrics.jsonl, and the original
    is kept as damaged-N-.... Logs of unfinished runs are not changed; only a copy is repaired.

    On AI Studio and behind other proxies the server must listen on all addresses: --host 0.0.0.0. If the page stays
    empty there, the proxy forwards the full path of the address in the browser: pass that path as --path. With ssh,
    forward the port instead: ssh -L 8040:127.0.0.1:8040 MACHINE.
    """
    from paddle_tasks.reporting.vdl.dashboard import open_dashboard, open_in_browser
    from paddle_tasks.reporting.vdl.server import ServerAddress

    with _stopped_by_signals(), open_dashboard(logdir, ServerAddress(host, port, path)) as board:
        _print_summary(board, quiet=quiet)
        if not no_browser:
            open_in_browser(board.url)
        board.follow()


def _print_summary(board: Dashboard, *, quiet: bool) -> None:
    from paddle_tasks.reporting.vdl.dashboard import ai_studio_url

    for line in (line for report in board.reports for line in report.lines()):
        sys.stderr.write(f"{line}\n")
    for path, reason in board.unreadable.items():
        sys.stderr.write(f"{path}: not shown: {reason}\n")
    runs = "1 run" if board.n_runs == 1 else f"{board.n_runs} runs"
    sys.stdout.write(f"{board.url}\n" if quiet else f"{runs} at {board.url}   (Ctrl-C stops it)\n")
    studio = ai_studio_url(board.port)
    if studio and not quiet:
        sys.stdout.write(f"On AI Studio open {studio}, with --host 0.0.0.0; if the page is empty, see --help\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP (a closed terminal) end the block like Ctrl-C, except signals that `nohup` ignores."""
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop_at_once) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
