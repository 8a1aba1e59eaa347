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
from paddle_tasks.cli.output import print_lines, print_notice
from paddle_tasks.files import expand_user
from paddle_tasks.language import _, plural
from paddle_tasks.operating_system import stop_signals
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
        print_notice(line)
    for path, reason in board.unreadable.items():
        print_notice(_("{path}: not shown: {reason}").format(path=path, reason=reason))
    runs = plural("{count} run", "{count} runs", board.n_runs)
    line = _("{runs} at {url}   (Ctrl-C stops it)").format(runs=runs, url=board.url)
    print_lines(board.url if quiet else line)
    studio = ai_studio_url(board.port)
    if studio and not quiet:
        print_lines(
            _("On AI Studio open {url}, with --host 0.0.0.0; if the page is empty, see --help").format(url=studio)
        )
    sys.stdout.flush()


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the block like Ctrl-C, except signals that `nohup` ignores."""
    numbers = [number for number in stop_signals() if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop_at_once) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
