"""What `paddle-tasks dashboard` prints, and how it is stopped."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddle_tasks.cli.options import Quiet
from paddle_tasks.training.stopping import stop_at_once

if TYPE_CHECKING:
    from paddle_tasks.reporting.vdl.dashboard import Dashboard


def dashboard(
    logdir: Annotated[Path, typer.Argument(metavar="[LOGDIR]", help="A folder of runs, or one run.")] = Path("runs"),
    port: Annotated[
        int | None,
        typer.Option(metavar="N", help="Port of the page; the first free one from 8040.", show_default=False),
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="H", help="Address to answer at; 0.0.0.0 is every one of this machine's.")
    ] = "127.0.0.1",
    path: Annotated[
        str, typer.Option(metavar="P", help="Path of the page, for a proxy (VisualDL's --public-path).")
    ] = "/app",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser.")] = False,
    quiet: Quiet = False,
) -> None:
    """Show runs in VisualDL, while they train too; Ctrl-C ends it.

    Logs that are damaged are mended first: whole records are kept, scalars come from metrics.jsonl, and the original
    is set aside as damaged-N-.... Logs of runs that are not finished are left alone and mended in a copy.

    On AI Studio, and behind any proxy, the page has to answer at every address: --host 0.0.0.0. When it stays empty
    there, the proxy hands on the whole path of the address in the browser: give that path as --path. With ssh, forward
    the port instead: ssh -L 8040:127.0.0.1:8040 MACHINE.
    """
    from paddle_tasks.reporting.vdl.dashboard import Place, open_dashboard, show

    with _stopped_by_signals(), open_dashboard(logdir, Place(host, port, path)) as board:
        _tell(board, quiet=quiet)
        if not no_browser:
            show(board.address)
        board.follow()


def _tell(board: Dashboard, *, quiet: bool) -> None:
    from paddle_tasks.reporting.vdl.dashboard import ai_studio_address

    for line in (line for report in board.reports for line in report.lines()):
        sys.stderr.write(f"{line}\n")
    for path, reason in board.unreadable.items():
        sys.stderr.write(f"{path}: is not shown: {reason}\n")
    runs = "1 run" if board.n_runs == 1 else f"{board.n_runs} runs"
    sys.stdout.write(f"{board.address}\n" if quiet else f"{runs} at {board.address}   (Ctrl-C ends it)\n")
    studio = ai_studio_address(board.port)
    if studio and not quiet:
        sys.stdout.write(f"AI Studio shows it at {studio} with --host 0.0.0.0; see --help when the page is empty\n")
    sys.stdout.flush()


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and the end of the terminal end the block as Ctrl-C does, those aside that `nohup` has ignored."""
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop_at_once) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
