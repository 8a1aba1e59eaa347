"""Texts as server-sent events."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

from paddle_tasks.inference.service import streaming
from paddle_tasks.inference.service.limits import Limits

from .serving import HOST, Echo, running, served, writing

# Asks for a stream, reads its first event, and then does nothing more.
SILENT_READER = """
import http.client, json, sys, time
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))
body = {"model": "writer", "text": "ab", "options": {"max_new_tokens": 1000}}
connection.request("POST", "/v1/stream", json.dumps(body), {"Content-Type": "application/json"})
print(connection.getresponse().readline().decode(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def model():
    return writing()


@pytest.fixture
def client(model):
    with running([model, served("echo", Echo())], Limits(n_streams=2, n_written=2000)) as found:
        yield found


def stream(client, text="ab", **options):
    return client.ask("POST", "/v1/stream", {"model": "writer", "text": text, "options": options})


def events(answer):
    parts = [part.split("\n") for part in answer.body.decode().split("\n\n") if part]
    return [
        (lines[0].removeprefix("event: ") if len(lines) > 1 else "", json.loads(lines[-1].removeprefix("data: ")))
        for lines in parts
    ]


def test_a_character_at_a_time(client):
    answer = stream(client, max_new_tokens=3)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    *pieces, (last, end) = events(answer)
    assert pieces == [("", {"text": "a"}), ("", {"text": "b"}), ("", {"text": "a"})]
    assert last == "end"
    assert end["record"] == {"input": "ab", "outputs": [{"text": "aba", "score": -1.234568, "finish": "length"}]}
    assert end["lines"][0] == [{"text": "input: ab"}]
    assert client.health()["streams"] == 0


def test_what_cannot_be_streamed(client):
    echo = client.ask("POST", "/v1/stream", {"model": "echo", "text": "a"})
    assert (echo.status, echo.error["fields"][0]["field"]) == (422, "model")
    assert stream(client, text=" ").error["fields"][0]["field"] == "text"
    assert stream(client, num_beams=2).error["fields"][0]["field"] == "options.num_beams"
    assert stream(client, top_k=13).error["fields"][0]["field"] == "options"
    assert stream(client, max_new_tokens=1001).status == 422
    assert client.ask("POST", "/v1/stream", {"model": "writer", "texts": ["a"]}).status == 422
    assert client.health()["streams"] == 0


def test_a_failure_is_the_last_event(client, caplog):
    *pieces, (last, content) = events(stream(client, text="boom", max_new_tokens=9))
    assert pieces == [("", {"text": "b"}), ("", {"text": "o"})]
    assert (last, content["error"]["code"]) == ("error", "internal")
    assert "/secret" not in json.dumps(content)
    assert "/secret" in caplog.text
    assert client.health()["streams"] == 0


def test_a_stream_that_takes_too_long_ends():
    model = writing()
    model.pipeline.seconds = 0.02
    with running([model], Limits(stream_seconds=0.1)) as client:
        *_pieces, (last, content) = events(stream(client, max_new_tokens=1000))
        assert (last, content["error"]["code"]) == ("error", "timeout")
    assert model.pipeline.n_steps < 100


def test_all_places_taken(client, model):
    model.pipeline.seconds = 0.02
    readers = [_open(client) for _ in range(2)]
    client.wait_until(lambda health: health["streams"] == 2)
    answer = stream(client)
    assert (answer.status, answer.error["code"]) == (429, "busy")
    assert int(answer.headers["Retry-After"]) >= 1
    for connection in readers:
        connection.close()
    client.wait_until(lambda health: health["streams"] == 0)
    assert stream(client).status == 200


def _open(client):
    """Return a connection on which a long stream has begun."""
    connection = client.connect()
    body = {"model": "writer", "text": "ab", "options": {"max_new_tokens": 1000}}
    connection.request("POST", "/v1/stream", json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    assert response.readline().startswith(b"data: ")
    connection.response = response  # closing the connection closes it too
    response.close()
    return connection


def test_a_killed_client_frees_its_place_within_a_piece(client, model):
    model.pipeline.seconds = 0.02
    command = [sys.executable, "-c", SILENT_READER, HOST, str(client.port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline().startswith("data: ")
        assert client.health()["streams"] == 1
        os.kill(reader.pid, signal.SIGKILL)
        reader.wait()
    client.wait_until(lambda health: health["streams"] == 0)
    n_steps = model.pipeline.n_steps
    assert n_steps < 1000
    assert stream(client, max_new_tokens=1).status == 200
    assert model.pipeline.n_steps == n_steps + 1  # the abandoned text was not written on


def test_a_client_that_reads_nothing_does_not_keep_its_place(monkeypatch):
    monkeypatch.setattr(streaming, "SEND_SECONDS", 0.2)
    model, long = writing(), "字" * 1500
    with running([model], Limits(n_written=10**9)) as client:
        pieces = iter(lambda: "x" * 100_000, None)  # the buffers of both sides are full soon
        monkeypatch.setattr(type(model), "stream", lambda *_: pieces)
        connection = client.connect()
        connection.request(
            "POST", "/v1/stream", json.dumps({"model": "writer", "text": long}), {"Content-Type": "application/json"}
        )
        client.wait_until(lambda health: health["streams"] == 1)
        client.wait_until(lambda health: health["streams"] == 0)
        connection.close()
