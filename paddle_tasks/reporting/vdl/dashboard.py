"""VisualDL's server on the logs of runs: they are mended first, and read from copies that follow the training."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from paddle_tasks import runtime
from paddle_tasks.errors import SetupError, UserError, did_you_mean
from paddle_tasks.files import list_siblings
from paddle_tasks.reporting.vdl.live_copy import LiveCopy, sources
from paddle_tasks.reporting.vdl.repair import LogReport, repair_logs

FIRST_PORT, LAST_PORT = 8040, 65_535
_SECONDS_TO_START, _SECONDS_TO_STOP, _SECONDS_BETWEEN_LOOKS = 90.0, 5.0, 2.0
# The child ends with the pipe to its parent, however that one ended. It is handed a socket that listens already, since
# VisualDL's own start would let another program take the port after it was found free. As there, requests are answered
# one by one, so who calls and then says nothing may not keep the others waiting.
_SERVER = """
import os, sys, threading
threading.Thread(target=lambda: (os.read(0, 1), os._exit(0)), daemon=True).start()
listener = int(sys.argv.pop(1))
from visualdl.server.app import create_app
from visualdl.server.args import ParseArgs, parse_args
from werkzeug.serving import WSGIRequestHandler, make_server

class Handler(WSGIRequestHandler):
    timeout = 3.0  # for what is asked; the answer may take its time

    def run_wsgi(self):
        self.connection.settimeout(None)
        super().run_wsgi()

args = ParseArgs(**parse_args())
make_server(args.host, args.port, create_app(args), request_handler=Handler, fd=listener).serve_forever()
"""
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Hosts that mean all addresses of a machine, and the one by which the machine itself gets there."""


@dataclass(frozen=True)
class Place:
    """Where the server answers.

    Attributes:
        port: None for the first free one from 8040.
        path: the path of its address, for a proxy that hands on what lies below a path.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    path: str = "/app"

    def check(self) -> None:
        """Make sure that VisualDL can be told so.

        Raises:
            UserError: it cannot.
        """
        if not re.fullmatch(r"(/[A-Za-z0-9._~%+-]+)+/?", self.path):
            raise UserError(f"--path {self.path}: expected a path such as /app or /user/1/app, as in an address")
        if self.port is not None and not 1 <= self.port <= LAST_PORT:
            raise UserError(f"--port {self.port}: expected a number from 1 to {LAST_PORT}")
        try:
            socket.getaddrinfo(self.host, None)
        except (OSError, UnicodeError) as error:
            raise UserError(f"--host {self.host}: is no address of this machine; 0.0.0.0 means all of them") from error


@dataclass
class Dashboard:
    """A server that runs.

    Attributes:
        address: what to open in a browser.
        reports: what was found in the logs that were damaged.
        unreadable: files that are not shown, and why.
    """

    address: str
    port: int
    n_runs: int
    reports: list[LogReport]
    unreadable: dict[Path, str]
    _server: _Server = field(repr=False)
    _logdir: Path = field(repr=False)

    def follow(self) -> None:
        """Show what is new in the runs, until the caller is interrupted.

        Raises:
            SetupError: the server has ended.
        """
        pause = _SECONDS_BETWEEN_LOOKS
        while True:
            self._server.wait(pause)
            begin = time.monotonic()
            self.look()
            # Long logs take long to read: training beside needs the processor more.
            pause = max(_SECONDS_BETWEEN_LOOKS, 10 * (time.monotonic() - begin))

    def look(self) -> None:
        """Show what is new in the runs; the server is started anew when one has gone or begun anew.

        Raises:
            SetupError: the server has ended.
        """
        self._server.check()
        if not self._server.copy.update():
            self._server.stop()
            self._server.copy = _fresh_copy(self._logdir, self._server.folder)
            self._server.start()


@contextlib.contextmanager
def open_dashboard(logdir: Path, place: Place = Place()) -> Iterator[Dashboard]:
    """Mend the logs in a folder and below, and run VisualDL's server on them until the block ends.

    Raises:
        UserError: there are no logs, or the place cannot be had.
        SetupError: VisualDL cannot be imported, or does not start.
    """
    place.check()
    check_logs(logdir)
    with (
        listen(place.host, place.port) as listener,
        tempfile.TemporaryDirectory(prefix="paddle-tasks-dashboard-") as name,
    ):
        reports = repair_logs(source.log for source in sources(logdir).values() if source.log)
        folder = Path(name).resolve()  # as VisualDL's reader of graphs names it
        copy = _fresh_copy(logdir, folder / "runs")
        server = _Server(folder / "runs", place, listener, folder / "output.txt", copy)
        try:
            server.start()
            yield Dashboard(server.address, server.port, copy.n_runs, reports, copy.unreadable, server, logdir)
        finally:
            server.stop()


def _fresh_copy(logdir: Path, folder: Path) -> LiveCopy:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    copy = LiveCopy(logdir, folder)
    copy.update()
    return copy


def check_logs(logdir: Path) -> None:
    """Make sure that there is something to show.

    Raises:
        UserError: there is not; the message names folders in which there is.
    """
    if logdir.is_dir() and sources(logdir):
        return
    if not logdir.exists():
        what = f"no such folder{did_you_mean(str(logdir), list_siblings(logdir, folders_only=True))}"
    elif not logdir.is_dir():
        what = "is a file, expected a folder of runs"
    else:
        what = "no VisualDL log (vdlrecords) and no metrics.jsonl in it or below"
    raise UserError(f"{logdir}: {what}{_nearest_runs(logdir)}")


def _nearest_runs(logdir: Path) -> str:
    parent = logdir.parent
    near = [
        Path("runs"),
        *map(Path, sorted(list_siblings(logdir, folders_only=True))),
        *(parent / "runs", parent.parent / "runs"),
    ]
    with_runs = [folder for folder in near if _holds_run(folder)]
    return f"; there are runs in {with_runs[0]}" if with_runs else "; `paddle-tasks train` writes runs to runs/"


def _holds_run(folder: Path) -> bool:
    return any(next(folder.glob(f"{depth}metrics.jsonl"), None) for depth in ("", "*/", "*/*/"))


def listen(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens at a port, or at the first free one from 8040.

    Raises:
        UserError: it is taken (the message has the nearest free one), or the host is none of this machine.
    """
    try:
        _listener(host, 0).close()
    except OSError as error:
        raise UserError(f"--host {host}: is no address of this machine ({error.strerror})") from error
    if port is None:
        return _next_free(host, FIRST_PORT)
    try:
        return _listener(host, port)
    except PermissionError:
        problem, next_port = "may not be used", FIRST_PORT
    except OSError:
        problem, next_port = "is taken", port + 1
    with _next_free(host, next_port) as free:
        raise UserError(f"--port {port}: {problem}; {free.getsockname()[1]} is free")


def _next_free(host: str, first: int) -> socket.socket:
    for port in chain(range(first, LAST_PORT + 1), range(FIRST_PORT, first)):
        with contextlib.suppress(OSError):
            return _listener(host, port)
    raise UserError(f"--host {host}: no port is free from {FIRST_PORT}")


def _listener(host: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A name such as localhost may stand for both; people type 127.0.0.1.
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        # What ended a moment ago does not keep its port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


class _Server:
    """VisualDL's server in a process of its own; the port stays ours while it is started again."""

    def __init__(self, folder: Path, place: Place, listener: socket.socket, output: Path, copy: LiveCopy) -> None:
        self.folder, self.copy = folder, copy
        self._numeric_host, self.port = listener.getsockname()[:2]
        self._place, self._listener, self._output = place, listener, output
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        host = _EVERYWHERE.get(self._place.host, self._place.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}{self._place.path.rstrip('/')}/"

    def start(self) -> None:
        """Start it and wait until it answers."""
        place = self._place
        # Relative: with an absolute one VisualDL mistakes an embedding's metadata for its vectors, and that page hangs.
        options = ["--logdir", self.folder.name, "--host", self._numeric_host, "--port", str(self.port)]
        # Its own message to its makers would need a network.
        options += ["--public-path", place.path.rstrip("/"), "--disable-telemetry", "--cache-timeout", "1"]
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVER, str(self._listener.fileno()), *options],
                pass_fds=[self._listener.fileno()],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self.folder.parent,
                env={**runtime.child_environment(), "NO_PROXY": "*", "no_proxy": "*"},
                start_new_session=True,  # Ctrl-C comes to this process alone, which ends that one
            )
        limit = time.monotonic() + _SECONDS_TO_START
        while not self._answers():
            self.check()
            if time.monotonic() > limit:
                raise SetupError(f"VisualDL does not answer at {self.address}; run `paddle-tasks doctor`")
            time.sleep(0.1)

    def _answers(self) -> bool:
        host = _EVERYWHERE.get(self._place.host, self._place.host)
        connection = http.client.HTTPConnection(host, self.port, timeout=1)  # the port takes calls before it is served
        try:
            connection.request("GET", "/alive")
            return connection.getresponse().status == 204
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def check(self) -> None:
        """Make sure that it runs.

        Raises:
            SetupError: it has ended; the message has its last line.
        """
        if self._process is None or self._process.poll() is None:
            return
        lines = self._output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = lines[-1] if lines else f"exit code {self._process.returncode}"
        raise SetupError(f"VisualDL's server has ended ({said}); run `paddle-tasks doctor`")

    def wait(self, seconds: float) -> None:
        """Wait so long, or until it ends."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process is not None:
                self._process.wait(seconds)

    def stop(self) -> None:
        """End it and wait until it is gone."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._process = None


def has_browser() -> bool:
    """Tell whether a browser with windows can be opened here."""
    told = any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"))
    if sys.platform.startswith("linux") and not told:
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def show(address: str) -> bool:
    """Open an address in a browser, and tell whether there is one."""
    return has_browser() and webbrowser.open(address)


def ai_studio_address(port: int) -> str | None:
    """Return where AI Studio shows a port of this machine, or None on another one; it tells so by its environment."""
    prefix = os.environ.get("STUDIO_MODEL_API_URL_PREFIX")
    if prefix is None:
        return None
    return f"{prefix.rstrip('/')}{os.environ.get('JUPYTERHUB_SERVICE_PREFIX', '/')}gradio/{port}/"
