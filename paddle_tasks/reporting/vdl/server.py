"""VisualDL's own server in a child process, on a port that stays reserved while the server restarts."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import paddle_tasks
from paddle_tasks import language, runtime
from paddle_tasks.addresses import base_url, check_address, reachable_host
from paddle_tasks.errors import SetupError, UserError
from paddle_tasks.language import _
from paddle_tasks.operating_system import descriptors_of, hand_over

_START_SECONDS, _STOP_SECONDS = 90.0, 5.0
# The child ends when the pipe to its parent closes, however the parent ended, and then removes its working folder: the
# parent's temporary folder. Its first argument is the folder of this package, which need not be installed.
_SERVER = """
import os, shutil, sys, threading
listener = sys.stdin.readline()
def end():
    os.read(0, 1)
    shutil.rmtree(os.getcwd(), ignore_errors=True)
    os._exit(0)
threading.Thread(target=end, daemon=True).start()
sys.path.append(sys.argv.pop(1))
from paddle_tasks.reporting.vdl.app import main
main(listener)
"""
_PACKAGE = Path(paddle_tasks.__file__).parent


@dataclass(frozen=True)
class ServerAddress:
    """The address that the server listens on.

    Attributes:
        port: None for the first free one from 8040.
        path: the path of the page's URL, for a proxy that forwards the requests below a path.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    path: str = "/app"

    def check(self) -> None:
        """Check that VisualDL can use the address.

        Raises:
            UserError: the path, the port or the host is not valid.
        """
        if not re.fullmatch(r"(/[A-Za-z0-9._~%+-]+)+/?", self.path):
            raise UserError(_("--path {path}: expected a path such as /app or /user/1/app").format(path=self.path))
        check_address(self.host, self.port)

    @property
    def reachable_host(self) -> str:
        """The host at which this machine reaches the server."""
        return reachable_host(self.host)


DEFAULT_ADDRESS = ServerAddress()


class VisualDLServer:
    """VisualDL's server on a folder of logs, in a child process.

    Args:
        folder: the logs.
        address: host and path of the page.
        listener: a socket that listens on the host and port; it stays open when the server stops.
        output: the file for the output of the server.
    """

    def __init__(self, folder: Path, address: ServerAddress, listener: socket.socket, output: Path) -> None:
        self.folder = folder
        self._numeric_host: str
        self.port: int
        self._numeric_host, self.port = listener.getsockname()[:2]
        self._address, self._listener, self._output = address, listener, output
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of the page."""
        return f"{base_url(self._address.host, self.port)}{self._address.path.rstrip('/')}/"

    @property
    def pid(self) -> int | None:
        """The id of the server's process, None when it is stopped."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            SetupError: it ends, or it does not answer in time.
        """
        # Relative: given an absolute path, VisualDL takes an embedding's metadata for its vectors, and the page hangs.
        options = ["--logdir", self.folder.name, "--host", self._numeric_host, "--port", str(self.port)]
        # Telemetry would need a network.
        options += ["--public-path", self._address.path.rstrip("/"), "--disable-telemetry", "--cache-timeout", "1"]
        options += language_options()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _SERVER, str(_PACKAGE.parent), *options],
                pass_fds=descriptors_of(self._listener),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                cwd=self.folder.parent,
                env={**runtime.child_environment(), "NO_PROXY": "*", "no_proxy": "*"},
                start_new_session=True,  # Ctrl-C reaches only this process, which then stops the server
            )
        hand_over(self._listener, self._process)
        limit = time.monotonic() + _START_SECONDS
        while not self._answers():
            self.check()
            if time.monotonic() > limit:
                problem = _("VisualDL does not answer at {url}; run `paddle-tasks doctor`")
                raise SetupError(problem.format(url=self.url))
            time.sleep(0.1)

    def _answers(self) -> bool:
        # The listener accepts connections before the server is ready.
        connection = http.client.HTTPConnection(self._address.reachable_host, self.port, timeout=1)
        try:
            connection.request("GET", "/alive")
            return connection.getresponse().status == 204
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def check(self) -> None:
        """Check that the server has not ended.

        Raises:
            SetupError: it has ended; the message contains the last line of its output.
        """
        if self._process is None or self._process.poll() is None:
            return
        lines = self._output.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = lines[-1] if lines else _("exit code {code}").format(code=self._process.returncode)
        raise SetupError(_("VisualDL's server has ended ({reason}); run `paddle-tasks doctor`").format(reason=reason))

    def wait(self, seconds: float) -> None:
        """Wait for a number of seconds, or until the server ends."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            if self._process is not None:
                self._process.wait(seconds)

    def stop(self) -> None:
        """Stop the server and wait until its process is gone."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._process = None


def language_options() -> list[str]:
    """Return VisualDL's option for the language that was chosen; by default the browser's decides."""
    is_chosen = os.environ.get(language.VARIABLE) in language.LANGUAGES
    return ["--language", language.current()] if is_chosen or language.current() == "zh" else []
