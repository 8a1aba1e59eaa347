"""What every request passes before a route sees it: its host, its origin, and its body within the limits."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paddle_tasks.addresses import is_every_address
from paddle_tasks.inference.service.languages import in_language_of
from paddle_tasks.inference.service.limits import Limits
from paddle_tasks.inference.service.problems import RequestProblem, internal_problem
from paddle_tasks.language import _

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_DRAINED_BYTES, _DRAIN_SECONDS = 4 << 20, 1.0
"""What is read and dropped of a refused body: a client that is still sending would not see the answer otherwise."""
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_logger = logging.getLogger(__name__)


# ---- hosts


@dataclass(frozen=True)
class AllowedHosts:
    """The values of the Host header that are served; others come from pages that have redirected their own name.

    Attributes:
        names: the names, in lower case.
        any_address: whether each numeric address is allowed too.
    """

    names: Collection[str]
    any_address: bool = False

    @classmethod
    def of(cls, host: str, further: Collection[str] = ()) -> AllowedHosts:
        """Return the hosts for a server that listens on ``host`` and that is reached by further names."""
        names = _LOOPBACK_NAMES | {host.lower(), *(name.lower() for name in further)}
        return cls(names, any_address=is_every_address(host))

    def allows(self, header: str) -> bool:
        """Return whether a Host header, or the part of an Origin after ``//``, names an allowed host."""
        name = _without_port(header.lower())
        return name in self.names or (self.any_address and _is_address(name))


def _without_port(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.rpartition(":")[0] if header.count(":") == 1 else header


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


# ---- the middleware


class Guard:
    """Refuses requests early, reads bodies within the limits, and adds headers that keep a browser careful."""

    def __init__(self, app: ASGIApp, hosts: AllowedHosts, limits: Limits) -> None:
        self._app, self._hosts, self._limits = app, hosts, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with in_language_of(Headers(scope=scope)):
            await self._answer(scope, receive, _Answer(send))

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        try:
            await self._serve(scope, receive, answer)
        except Exception as error:
            if not isinstance(error, RequestProblem):
                _logger.exception("a request failed")
            if answer.has_started:
                raise
            problem = error if isinstance(error, RequestProblem) else internal_problem()
            await _refuse(problem, receive, answer)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._check(headers)
        body = b""
        if scope["method"] in {"POST", "PUT", "PATCH"}:
            self._check_body(headers)
            body = await self._read(receive)
        await self._app(scope, _replay(body, receive), send)

    def _check(self, headers: Headers) -> None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._hosts.allows(host):
            message = _("this service is not {host}; --allow-host names further hosts")
            raise RequestProblem("foreign_host", message.format(host=host[:80]))
        if origin is not None and not self._hosts.allows(origin.partition("://")[2]):
            raise RequestProblem("foreign_origin", _("{origin} may not use this service").format(origin=origin[:80]))

    def _check_body(self, headers: Headers) -> None:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            message = _("Content-Type: expected application/json, found {kind}")
            raise RequestProblem("not_json", message.format(kind=kind[:80] or None))
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._limits.body_bytes:
            raise self._too_large()

    def _too_large(self) -> RequestProblem:
        message = _("the body is too large; expected at most {limit} bytes")
        return RequestProblem("too_large", message.format(limit=self._limits.body_bytes))

    async def _read(self, receive: Receive) -> bytes:
        """Return the body."""
        body = bytearray()

        async def read() -> None:
            async for part in _parts(receive):
                body.extend(part)
                if len(body) > self._limits.body_bytes:
                    raise self._too_large()

        try:
            await asyncio.wait_for(read(), self._limits.receive_seconds)
        except asyncio.TimeoutError:
            message = _("the body did not arrive within {seconds:g} seconds")
            raise RequestProblem("too_slow", message.format(seconds=self._limits.receive_seconds)) from None
        return bytes(body)


async def _parts(receive: Receive) -> Any:
    """Yield the parts of a body until it ends or the client is gone."""
    more = True
    while more:
        message = await receive()
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives a body, and then what the connection gives."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


class _Answer:
    """Sends an answer with the headers of every answer."""

    def __init__(self, send: Send) -> None:
        self._send, self.has_started = send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_started = True
            added = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", ()), *added]}
        await self._send(message)


async def _refuse(problem: RequestProblem, receive: Receive, send: Callable[[Message], Awaitable[None]]) -> None:
    """Answer with a problem and close the connection, whose client may be in the midst of a long body."""
    content = json.dumps(problem.to_json(), ensure_ascii=False).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        "connection": "close",
        **problem.headers,
    }
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": encoded})
    await send({"type": "http.response.body", "body": content, "more_body": True})
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(_drain(receive), _DRAIN_SECONDS)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    n_dropped = 0
    async for part in _parts(receive):
        n_dropped += len(part)
        if n_dropped > _DRAINED_BYTES:
            return
