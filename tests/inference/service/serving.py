"""A service on a real socket, with models that do what a test asks for."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from paddle_tasks.addresses import listen
from paddle_tasks.errors import ConfigError, DataError
from paddle_tasks.inference.pipelines import Pipeline
from paddle_tasks.inference.service.app import make_app
from paddle_tasks.inference.service.guard import AllowedHosts
from paddle_tasks.inference.service.limits import Limits
from paddle_tasks.inference.service.models import ServedModel
from paddle_tasks.inference.service.server import make_server
from paddle_tasks.inference.usage import Usage
from paddle_tasks.training.demonstration import Demonstration
from paddle_tasks.training.display import display_fields

HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds until something that does not happen fails the test."""


class Echo(Pipeline):
    """Returns each text; it computes while `gate` is open, and keeps what it has computed.

    The text ``bad`` is one that it cannot use, ``boom`` one on which it fails; ``top_k`` 13 is wrong for it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[list[str]] = []

    def answer(self, texts: Sequence[str], **options: Any) -> list[dict[str, Any]]:
        self.batches.append(list(texts))
        assert self.gate.wait(PATIENCE)
        if options.get("top_k") == 13:
            raise ConfigError("options.top_k: unlucky")
        if "bad" in texts:
            raise DataError("'bad': is bad")
        if "boom" in texts:
            raise ValueError("/secret/folder/model.safetensors")
        return [{"input": text, "length": len(text) + 0.123456789} for text in texts]

    compute_records = answer

    @property
    def computed(self) -> list[str]:
        return [text for batch in self.batches for text in batch]


class Pieces(Iterator[str]):
    """The characters of a text again and again, a step of `writer` each."""

    def __init__(self, writer: Writer, text: str, n_pieces: int) -> None:
        self._writer, self._text, self._left, self.written = writer, text, n_pieces, ""

    def __next__(self) -> str:
        if not self._left:
            raise StopIteration
        time.sleep(self._writer.seconds)
        self._left -= 1
        self._writer.n_steps += 1
        if "boom" in self._text and len(self.written) == 2:
            raise ValueError("/secret/folder")
        piece = self._text[len(self.written) % len(self._text)]
        self.written += piece
        return piece

    @property
    def result(self) -> Any:
        return SimpleNamespace(text=self.written, score=-1.23456789, finish="length")


class Writer(Echo):
    """Writes the characters of a text, each in some `seconds`; `n_steps` counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.n_steps, self.seconds = 0, 0.0


class WritingModel(ServedModel):
    """A model whose streams are `Pieces`."""

    def stream(self, text: str, options: Any) -> Any:
        if options.get("top_k") == 13:
            raise ConfigError("options.top_k: unlucky")
        return Pieces(self.pipeline, text, options.get("max_new_tokens", 5))


def served(name: str, pipeline: Pipeline, **members: Any) -> ServedModel:
    usage = Usage(
        **{"fields": ("text",), "options": ("top_k", "explain"), "formats": {}, "display": display_fields, **members}
    )
    return (WritingModel if usage.streams else ServedModel)(name, usage, pipeline)


class Client:
    """Asks a service; `path` is relative to its root."""

    def __init__(self, port: int) -> None:
        self.port = port

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Return the answer to a request; a body that is no bytes is sent as JSON."""
        connection = self.connect()
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, content, {**kind, **{k.replace("_", "-"): v for k, v in headers.items()}})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def predict(self, texts: Any, model: str = "echo", **rest: Any) -> Answer:
        return self.ask("POST", "/v1/predict", {"model": model, "texts": texts, **rest})

    def health(self) -> Any:
        return self.ask("GET", "/healthz").json

    def wait_until(self, condition: Any) -> None:
        limit = time.monotonic() + PATIENCE
        while not condition(self.health()):
            assert time.monotonic() < limit, self.health()
            time.sleep(0.01)


class Answer:
    """A status, headers and a body that was read."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]


@contextlib.contextmanager
def running(
    models: Sequence[ServedModel], limits: Limits | None = None, hosts: AllowedHosts | None = None
) -> Iterator[Client]:
    """Run a service in a thread until the block ends."""
    chosen = limits or Limits()
    with listen(HOST, None) as listener:
        server = make_server(make_app(models, hosts or AllowedHosts.of(HOST), chosen), chosen)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Client(listener.getsockname()[1])
        finally:
            server.should_exit = True
            for model in models:
                if isinstance(model.pipeline, Echo):
                    model.pipeline.gate.set()
            thread.join(PATIENCE)
            assert not thread.is_alive()


def writing(name: str = "writer") -> ServedModel:
    """Return a model that writes texts."""
    options = ("max_new_tokens", "top_k", "num_beams")
    return served(name, Writer(), options=options, streams=True, demonstration=Demonstration("outputs"))
