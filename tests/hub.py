"""A server on the loopback interface in the layout of PaddleNLP's, with faults that are chosen by a test."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


class Hub(ThreadingHTTPServer):
    """A server of files, which can break.

    Attributes:
        files: their content, by path.
        faults: what goes wrong with the next answers to GET, one after the other; None: nothing.
        asked: method, path and range of each request.
        has_ranges: whether it continues files.
        headers: further headers of each answer.
        sends_checksum: whether it sends Content-MD5.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.faults: list[Callable[[_Handler, bytes], None] | None] = []
        self.asked: list[tuple[str, str, str | None]] = []
        self.has_ranges, self.sends_checksum, self.sends_tag = True, True, True
        self.headers: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def gets(self) -> list[str | None]:
        """Return the ranges of all GET requests."""
        return [part for method, _path, part in self.asked if method == "GET"]


@contextlib.contextmanager
def running() -> Iterator[Hub]:
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield hub
        hub.shutdown()


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *arguments) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.server.asked.append((self.command, self.path, self.headers.get("Range")))
        content = self.server.files.get(re.sub("^http://[^/]*", "", self.path))
        fault = self.server.faults.pop(0) if self.server.faults and self.command == "GET" else None
        if fault:
            fault(self, content or b"")
        elif content is None:
            self.send_error(404)
        else:
            self.start(content)
            self.send(self.wanted(content))

    def send(self, content: bytes) -> None:
        if self.command == "GET":
            with contextlib.suppress(OSError):  # the client may have gone
                self.wfile.write(content)

    def tag(self, content: bytes) -> str:
        return f'"{hashlib.md5(content).hexdigest()}"'

    def wanted(self, content: bytes) -> bytes:
        asked = self.headers.get("Range") if self.headers.get("If-Range") == self.tag(content) else None
        return content[int(asked[len("bytes=") : -1]) :] if asked and self.server.has_ranges else content

    def start(self, content: bytes, length: int | None = None) -> None:
        part = self.wanted(content)
        if not part:
            self.send_error(416)
            return
        self.send_response(200 if part == content else 206)
        if part != content:
            start = len(content) - len(part)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        elif self.server.sends_checksum:
            self.send_header("Content-MD5", base64.b64encode(hashlib.md5(content).digest()).decode())
        self.send_header("Content-Length", str(len(part) if length is None else length))
        if self.server.sends_tag:
            self.send_header("ETag", self.tag(content))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()


def cut(n_bytes: int) -> Callable[[_Handler, bytes], None]:
    """Close the connection after so many bytes."""

    def fault(handler: _Handler, content: bytes) -> None:
        handler.start(content)
        handler.send(handler.wanted(content)[:n_bytes])
        handler.close_connection = True

    return fault


def status(code: int) -> Callable[[_Handler, bytes], None]:
    return lambda handler, content: handler.send_error(code)


def silence(seconds: float, after: int = 0) -> Callable[[_Handler, bytes], None]:
    """Send so many bytes, and nothing for a while."""

    def fault(handler: _Handler, content: bytes) -> None:
        handler.start(content)
        handler.send(handler.wanted(content)[:after])
        time.sleep(seconds)

    return fault


def damage(handler: _Handler, content: bytes) -> None:
    """Change one byte on the way."""
    handler.start(content)
    part = handler.wanted(content)
    handler.send(bytes([part[0] ^ 1]) + part[1:])


def login_page(handler: _Handler, content: bytes) -> None:
    page = b"<html>Please log in</html>"
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html; charset=utf-8")
    handler.send_header("Content-Length", str(len(page)))
    handler.end_headers()
    handler.send(page)


def without_length(handler: _Handler, content: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.send(content[: len(content) // 2])


def chunked(n_chunks: int, *, whole: bool) -> Callable[[_Handler, bytes], None]:
    def fault(handler: _Handler, content: bytes) -> None:
        handler.protocol_version = "HTTP/1.1"
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        size = -(-len(content) // n_chunks)
        for start in range(0, len(content) if whole else size, size):
            chunk = content[start : start + size]
            handler.send(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        handler.send(b"0\r\n\r\n" if whole else b"")
        handler.close_connection = True

    return fault


def another_part(handler: _Handler, content: bytes) -> None:
    """Continue the file from another position than was asked for."""
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes 1-{len(content) - 1}/{len(content)}")
    handler.send_header("Content-Length", str(len(content) - 1))
    handler.send_header("ETag", handler.tag(content))
    handler.end_headers()
    handler.send(content[1:])
