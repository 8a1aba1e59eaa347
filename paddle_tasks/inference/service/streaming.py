"""Texts as server-sent events: each piece as soon as the model has chosen it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.outputs import rounded
from paddle_tasks.inference.service.languages import run_in_thread
from paddle_tasks.inference.service.models import ServedModel
from paddle_tasks.inference.service.problems import (
    RequestProblem,
    field_problem,
    internal_problem,
    timeout_problem,
)
from paddle_tasks.inference.text_stream import PipelineStream
from paddle_tasks.language import _

_HEADERS = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no"))
SEND_SECONDS = 10.0
"""How long a client may read nothing of a stream that it has asked for."""
_logger = logging.getLogger(__name__)


class Streams:
    """The places for texts that are written as streams at the same time.

    Attributes:
        n_active: how many are taken.
    """

    def __init__(self, n_places: int, seconds: float) -> None:
        """Take the number of places, and the time that a stream may take."""
        self._n_places, self._seconds = n_places, seconds
        self._executor = ThreadPoolExecutor(n_places)
        self.n_active = 0

    async def open(self, model: ServedModel, text: str, options: Mapping[str, Any]) -> EventStream:
        """Take a place and return the response that writes a text; it frees the place when it ends.

        Args:
            model: the model.
            text: the text to continue.
            options: of the stream.

        Raises:
            RequestProblem: all places are taken, or the model cannot use the text or an option.
        """
        if self.n_active >= self._n_places:
            message = _("{count} texts are being written, which is the limit; try again in a moment")
            raise RequestProblem("busy", message.format(count=self.n_active), retry_seconds=2)
        self.n_active += 1
        try:
            pieces = await self._run(model.stream, text, options)
        except BaseException as error:
            self.n_active -= 1
            raise _for_client(error) if isinstance(error, Exception) else error from None
        return EventStream(self, self.events(model, text, pieces))

    async def _run(self, function: Any, *arguments: Any) -> Any:
        return await run_in_thread(self._executor, function, *arguments)

    async def events(self, model: ServedModel, text: str, pieces: PipelineStream) -> AsyncGenerator[bytes, None]:
        """Yield an event for each piece, and one with the whole record at the end."""
        deadline = time.monotonic() + self._seconds
        try:
            while (piece := await self._run(next, pieces, None)) is not None:
                yield event("", {"text": piece})
                if time.monotonic() > deadline:
                    yield event("error", timeout_problem(self._seconds).to_json())
                    return
            record = _record(text, pieces)
            yield event("end", {"record": record, "lines": model.lines(record)})
        except Exception as error:
            yield event("error", _for_client(error).to_json())

    def close(self) -> None:
        """End the threads once they have computed the piece that they compute."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _record(text: str, pieces: PipelineStream) -> Any:
    """Return the record that `predict` prints for the same text."""
    output = pieces.result
    return rounded({"input": text, "outputs": [{"text": output.text, "score": output.score, "finish": output.finish}]})


def event(name: str, content: Mapping[str, Any]) -> bytes:
    """Return a server-sent event; pieces of a text have no name."""
    heading = f"event: {name}\n" if name else ""
    return f"{heading}data: {json.dumps(content, ensure_ascii=False)}\n\n".encode()


def _for_client(error: Exception) -> RequestProblem:
    if isinstance(error, ConfigError):
        return field_problem("options", str(error))
    if isinstance(error, DataError):
        return field_problem("text", str(error))
    _logger.error("a model failed", exc_info=error)
    return internal_problem()


class EventStream(Response):
    """The response with the events of a stream. It ends as soon as the client is gone, or reads no longer."""

    def __init__(self, streams: Streams, events: AsyncGenerator[bytes, None]) -> None:
        """Take what the place belongs to, and the events."""
        super().__init__()
        self._streams, self._events = streams, events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the events."""
        gone = asyncio.create_task(until_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            async for content in self._events:
                if gone.done():
                    return
                await self._send_body(send, content, more=True)
            await self._send_body(send, b"", more=False)
        except asyncio.TimeoutError:
            return
        finally:
            gone.cancel()
            await self._events.aclose()
            self._streams.n_active -= 1

    async def _send_body(self, send: Send, content: bytes, *, more: bool) -> None:
        """Send a part of the body; a client that reads none of it for a while does not keep its place."""
        message = {"type": "http.response.body", "body": content, "more_body": more}
        await asyncio.wait_for(send(message), SEND_SECONDS)


async def until_disconnected(receive: Receive) -> None:
    """Return when the client of a request, whose body was read, has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
