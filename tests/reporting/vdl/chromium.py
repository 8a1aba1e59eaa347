"""A headless Chromium, controlled by its DevTools protocol: pages are opened and read as their scripts fill them.

The messages are JSON ended by a zero byte, on the browser's file descriptors 3 (to it) and 4 (from it).
https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PATIENCE = 180.0
"""Seconds until a browser that does not answer, or a page that does not fill, fails the test."""
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--no-proxy-server",
    "--window-size=1280,1024",
    "--remote-debugging-pipe",
)
# subprocess cannot give a child descriptors of chosen numbers: this child renumbers them and becomes Chromium.
_LAUNCHER = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for end, number in zip(ends, (3, 4)):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Chromium:
    """A browser that runs.

    Args:
        commands: writable descriptor of the browser's commands.
        answers: readable descriptor of its answers and events.
        log: the file of its messages, whose end is part of an error's message.
    """

    def __init__(self, commands: int, answers: int, log: Path) -> None:
        self._commands, self._answers, self._log = commands, answers, log
        self._selector = selectors.DefaultSelector()
        self._selector.register(answers, selectors.EVENT_READ)
        self._received = b""
        self._last_id = 0

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, and return its result."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        try:
            os.write(self._commands, json.dumps(message).encode() + b"\0")
        except BrokenPipeError as error:
            raise AssertionError(f"{method}: Chromium has ended\n{self._last_lines()}") from error
        deadline = time.monotonic() + PATIENCE
        while (answer := self._receive(deadline, method)).get("id") != self._last_id:
            pass  # an event
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def _receive(self, deadline: float, method: str) -> dict[str, Any]:
        while b"\0" not in self._received:
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                raise AssertionError(f"{method}: Chromium does not answer\n{self._last_lines()}")
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise AssertionError(f"{method}: Chromium has ended\n{self._last_lines()}")
            self._received += data
        message, _, self._received = self._received.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed

    def _last_lines(self) -> str:
        return "\n".join(self._log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])

    @contextlib.contextmanager
    def open(self, url: str) -> Iterator[Page]:
        """Open a page, and close it when the block ends."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        try:
            session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            self.call("Page.navigate", session, url=url)
            yield Page(self, session)
        finally:
            self.call("Target.closeTarget", targetId=target)


class Page:
    """An open page."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self._browser, self._session = browser, session

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol on this page."""
        return self._browser.call(method, self._session, **parameters)

    def go(self, url: str) -> None:
        """Open another page, and wait until its size does not change any more; it needs no scripts."""
        self.call("Page.navigate", url=url)
        deadline, sizes = time.monotonic() + PATIENCE, [{}, {"width": 0}]
        while sizes[-1] != sizes[-2] or not sizes[-1]["width"]:
            assert time.monotonic() < deadline, f"{url}: its size keeps changing"
            time.sleep(0.5)
            sizes.append(self.call("Page.getLayoutMetrics")["cssContentSize"])

    def html(self) -> str:
        """Return the elements of the page as they are now."""
        answer = self._browser.call(
            "Runtime.evaluate",
            self._session,
            expression="document.documentElement ? document.documentElement.outerHTML : ''",
            returnByValue=True,
        )
        return str(answer["result"].get("value", ""))

    def run(self, script: str) -> Any:
        """Return the JSON value of an expression, once the promise is kept if it is one."""
        answer = self._browser.call(
            "Runtime.evaluate", self._session, expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + PATIENCE
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"{condition}: {self.html()[-2000:]}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press a key, such as ``Tab``, and release it."""
        for kind in ("keyDown", "keyUp"):
            self._browser.call("Input.dispatchKeyEvent", self._session, type=kind, key=key, code=key)

    def resize(self, width: int, height: int) -> None:
        """Show the page in a window of this size, in pixels."""
        self._browser.call(
            "Emulation.setDeviceMetricsOverride",
            self._session,
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def screenshot(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        answer = self._browser.call("Page.captureScreenshot", self._session, format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(answer["data"]))


@contextlib.contextmanager
def start_chromium(profile: Path) -> Iterator[Chromium]:
    """Run a Chromium with a new profile in an empty folder until the block ends."""
    assert BROWSER
    commands_read, commands = os.pipe()
    answers, answers_write = os.pipe()
    log = profile.with_suffix(".log")
    launcher = [sys.executable, "-c", _LAUNCHER, str(commands_read), str(answers_write)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*launcher, BROWSER, *_OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(commands_read, answers_write),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "HOME": str(profile.parent)},
            start_new_session=True,
        )
    os.close(commands_read)
    os.close(answers_write)
    try:
        yield Chromium(commands, answers, log)
    finally:
        _end(process)
        os.close(commands)
        os.close(answers)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the browser with all of its processes."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
