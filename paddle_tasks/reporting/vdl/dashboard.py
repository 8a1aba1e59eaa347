"""The dashboard: VisualDL's server on repaired copies of the logs, which follow runs while they train."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from paddle_tasks.addresses import listen
from paddle_tasks.errors import UserError, nearest_path
from paddle_tasks.files import exists, is_dir, list_siblings, short_name
from paddle_tasks.language import _
from paddle_tasks.reporting.vdl.live_copy import LiveCopy, find_sources
from paddle_tasks.reporting.vdl.repair import RepairReport, repair_logs
from paddle_tasks.reporting.vdl.server import DEFAULT_ADDRESS, ServerAddress, VisualDLServer

REFRESH_SECONDS = 2.0


@dataclass
class Dashboard:
    """A running dashboard.

    Attributes:
        n_runs: the number of runs when it was opened.
        reports: one for each damaged log.
        unreadable: files that are not shown, with the reason.
        server: the server of the page.
    """

    n_runs: int
    reports: list[RepairReport]
    unreadable: dict[Path, str]
    server: VisualDLServer = field(repr=False)
    _logdir: Path = field(repr=False)
    _copy: LiveCopy = field(repr=False)

    @property
    def url(self) -> str:
        """The URL to open in a browser."""
        return self.server.url

    @property
    def port(self) -> int:
        """The port of the page."""
        return self.server.port

    def follow(self, min_pause: float = REFRESH_SECONDS) -> None:
        """Refresh the page's data until the caller is interrupted.

        Args:
            min_pause: seconds between two refreshes; more when a refresh takes long.

        Raises:
            SetupError: the server has ended.
        """
        pause = min_pause
        while True:
            self.server.wait(pause)
            begin = time.monotonic()
            self.refresh()
            # Reading long logs takes long, and training on the same machine needs the processor more.
            pause = max(min_pause, 10 * (time.monotonic() - begin))

    def refresh(self) -> None:
        """Copy what is new in the runs; the server is restarted when a run is gone or was started anew.

        Raises:
            SetupError: the server has ended.
        """
        self.server.check()
        if not self._copy.update():
            self.server.stop()
            self._copy = _make_copy(self._logdir, self.server.folder)
            self.server.start()


@contextlib.contextmanager
def open_dashboard(logdir: Path, address: ServerAddress = DEFAULT_ADDRESS) -> Iterator[Dashboard]:
    """Repair the logs in a folder and below it, and run VisualDL's server on them until the block ends.

    Raises:
        UserError: there are no logs, or the address cannot be used.
        SetupError: VisualDL cannot be imported, or its server does not start.
    """
    address.check()
    check_logs(logdir)
    with (
        listen(address.host, address.port) as listener,
        tempfile.TemporaryDirectory(prefix="paddle-tasks-dashboard-") as temporary,
    ):
        reports = repair_logs(source.log for source in find_sources(logdir).values() if source.log)
        folder = Path(temporary).resolve()  # VisualDL's reader of graphs resolves its paths too
        copy = _make_copy(logdir, folder / "runs")
        server = VisualDLServer(folder / "runs", address, listener, folder / "output.txt")
        try:
            server.start()
            yield Dashboard(copy.n_runs, reports, copy.unreadable, server, logdir, copy)
        finally:
            server.stop()


def _make_copy(logdir: Path, folder: Path) -> LiveCopy:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    copy = LiveCopy(logdir, folder)
    copy.update()
    return copy


def check_logs(logdir: Path) -> None:
    """Check that a folder has runs to show.

    Raises:
        UserError: it has none; the message names a folder that has some.
    """
    if is_dir(logdir) and find_sources(logdir):
        return
    if not exists(logdir):
        problem = _("{folder}: no such folder")
    elif not logdir.is_dir():
        problem = _("{folder}: is a file, expected a folder of runs")
    else:
        problem = _("{folder}: no VisualDL log (vdlrecords) and no metrics.jsonl in it or below")
    nearest = "" if exists(logdir) else nearest_path(logdir, list_siblings(logdir, folders_only=True))
    raise UserError(problem.format(folder=short_name(logdir)) + nearest + _suggest_runs(logdir))


def _suggest_runs(logdir: Path) -> str:
    parent, siblings = logdir.parent, sorted(list_siblings(logdir, folders_only=True))
    candidates = [Path("runs"), *map(Path, siblings), parent / "runs", parent.parent / "runs"]
    with_runs = [folder for folder in candidates if _has_runs(folder)]
    if with_runs:
        return _("; there are runs in {folder}").format(folder=with_runs[0])
    return _("; `paddle-tasks train` writes runs to runs/")


def _has_runs(folder: Path) -> bool:
    return any(next(folder.glob(f"{parents}metrics.jsonl"), None) for parents in ("", "*/", "*/*/"))


def has_browser() -> bool:
    """Return whether a graphical browser can be opened on this machine."""
    has_display = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if sys.platform.startswith("linux") and not has_display:
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def open_in_browser(url: str) -> bool:
    """Open a URL in a browser, and return whether there is one."""
    return has_browser() and webbrowser.open(url)


def ai_studio_url(port: int) -> str | None:
    """Return the URL at which AI Studio shows a port of this machine; None on other machines.

    AI Studio is recognised by its environment variables.
    """
    prefix = os.environ.get("STUDIO_MODEL_API_URL_PREFIX")
    if prefix is None:
        return None
    return f"{prefix.rstrip('/')}{os.environ.get('JUPYTERHUB_SERVICE_PREFIX', '/')}gradio/{port}/"
