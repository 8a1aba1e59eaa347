"""The routes of a service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from importlib import metadata
from typing import Any, TypeVar

from fastapi import Body, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from paddle_tasks.inference.service import documentation, pages
from paddle_tasks.inference.service.batching import Batcher
from paddle_tasks.inference.service.guard import AllowedHosts, Guard
from paddle_tasks.inference.service.limits import Limits
from paddle_tasks.inference.service.models import Models, ServedModel
from paddle_tasks.inference.service.problems import RequestProblem, field_problem, timeout_problem
from paddle_tasks.inference.service.requests import (
    PredictBody,
    StreamBody,
    check_predict,
    check_stream,
    explain_details,
)
from paddle_tasks.inference.service.streaming import EventStream, Streams, until_disconnected
from paddle_tasks.language import _, mark

T = TypeVar("T")


class Service:
    """The models of a server with their queues.

    Attributes:
        models: the models by name.
        limits: what is accepted.
        batchers: the queue of each model; there while the server runs.
        streams: the places for streams.
    """

    def __init__(self, models: Sequence[ServedModel], limits: Limits) -> None:
        self.models, self.limits = Models(models), limits
        self.batchers: dict[str, Batcher] = {}
        self.streams = Streams(limits.n_streams, limits.stream_seconds)

    @contextlib.asynccontextmanager
    async def running(self, _app: FastAPI) -> AsyncIterator[None]:
        """Compute what waits within the block."""
        self.batchers = {name: Batcher(model.compute, self.limits.n_queued) for name, model in self.models.items()}
        workers = [asyncio.create_task(batcher.run()) for batcher in self.batchers.values()]
        try:
            yield
        finally:
            for worker in workers:
                worker.cancel()
            self.streams.close()

    def find(self, name: str | None) -> ServedModel:
        """Return the model that a request names; without a name the only one.

        Raises:
            RequestProblem: there is no such model.
        """
        if name is None and len(self.models) == 1:
            return next(iter(self.models.values()))
        found = self.models.get(name or "")
        if found is None:
            raise field_problem("model", self.models.unknown(name), "unknown_model")
        return found

    async def predict(self, request: Request, body: PredictBody) -> Mapping[str, Any]:
        """Return the answer to a request for records."""
        model = self.find(body.model)
        check_predict(body, model, self.limits)
        waiting = self.batchers[model.name].submit(body.texts, body.options)
        records = await _unless_gone(request, waiting, self.limits.seconds)
        lines = {"lines": [model.lines(record) for record in records]} if body.lines else {}
        return {"model": model.name, "records": records, **lines}

    async def stream(self, body: StreamBody) -> EventStream:
        """Return the stream that a request asks for."""
        model = self.find(body.model)
        check_stream(body, model, self.limits)
        return await self.streams.open(model, body.text, body.options)

    def health(self) -> Mapping[str, Any]:
        """Return what waits, and how many texts are being written."""
        waiting = {name: batcher.n_waiting for name, batcher in self.batchers.items()}
        return {"status": "ok", "waiting": waiting, "streams": self.streams.n_active}


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T], seconds: float) -> T:
    """Return the result of a coroutine; cancel it if the client leaves or the time is over.

    Raises:
        RequestProblem: the time is over, or the client has left and sees no answer.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(until_disconnected(request.receive))
    try:
        await asyncio.wait({task, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise timeout_problem(seconds)
    finally:
        for each in (task, gone):
            each.cancel()


def make_app(models: Sequence[ServedModel], hosts: AllowedHosts, limits: Limits) -> ASGIApp:
    """Return a service as an ASGI application."""
    service = Service(models, limits)
    app = FastAPI(
        title="paddle_tasks",
        version=metadata.version("paddle_tasks"),
        description=documentation.DESCRIPTION,
        lifespan=service.running,
        openapi_url=None,  # it has a route of its own, in both languages
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_routes(app, service)
    _add_pages(app)
    _add_handlers(app)
    return Guard(app, hosts, limits)


def _add_routes(app: FastAPI, service: Service) -> None:
    _add_predictions(app, service)
    _add_descriptions(app, service)


def _add_predictions(app: FastAPI, service: Service) -> None:
    examples = documentation.Examples(list(service.models.values()))
    prediction: Any = Body(openapi_examples=examples.predictions())
    writing: Any = Body(openapi_examples=examples.streams())

    @app.post(
        "/v1/predict",
        summary=mark("Records of texts"),
        description=mark("Return a record for each text: what `paddle-tasks predict` prints."),
        responses=examples.records(),
    )
    async def predict(request: Request, body: PredictBody = prediction) -> Any:
        """Return a record for each text: what `paddle-tasks predict` prints."""
        return JSONResponse(await service.predict(request, body))

    @app.post(
        "/v1/stream",
        summary=mark("A text as it is written"),
        description=mark("Return server-sent events: one for each character, and `end` with the whole record."),
        responses=examples.events(),
    )
    async def stream(body: StreamBody = writing) -> Any:
        """Return server-sent events: one for each character, and `end` with the whole record."""
        return await service.stream(body)


def _add_descriptions(app: FastAPI, service: Service) -> None:
    @app.get(
        "/v1/models",
        summary=mark("The models and their options"),
        description=mark("Return what each model takes, and the limits of requests."),
    )
    async def models() -> Any:
        """Return what each model takes, and the limits of requests."""
        described = [model.describe() for model in service.models.values()]
        limits = {name: getattr(service.limits, name) for name in ("text_length", "n_texts", "n_written")}
        return {"models": described, "limits": limits}

    @app.get(
        "/healthz",
        summary=mark("Whether the service answers"),
        description=mark("Return how many texts wait for each model, and how many are being written."),
    )
    async def health() -> Any:
        """Return how many texts wait for each model, and how many are being written."""
        return service.health()


def _add_pages(app: FastAPI) -> None:
    @app.get("/openapi.json", include_in_schema=False)
    async def description() -> Any:
        return JSONResponse(documentation.translated(app.openapi()))

    for path, file in pages.FILES.items():
        app.add_api_route(path, pages.reader(file), include_in_schema=False, response_class=Response)


def _add_handlers(app: FastAPI) -> None:
    @app.exception_handler(RequestProblem)
    async def on_problem(_request: Request, problem: RequestProblem) -> JSONResponse:
        return _answer(problem)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        schema = StreamBody if request.url.path.endswith("stream") else PredictBody
        return _answer(explain_details(error.errors(), schema))

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, error: HTTPException) -> JSONResponse:
        return _answer(_of_http(error))


def _of_http(error: HTTPException) -> RequestProblem:
    if error.status_code == 404:
        return RequestProblem("not_found", _("there is no such page; /docs lists what there is"))
    if error.status_code == 405:
        return RequestProblem("not_allowed", _("this method cannot be used here; /docs lists what can"))
    return RequestProblem("invalid", _("the body cannot be read as JSON"))


def _answer(problem: RequestProblem) -> JSONResponse:
    return JSONResponse(problem.to_json(), problem.status, problem.headers)
