"""Clients that send too much, too slowly, nothing at all, or that do not wait for their answers."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time

import pytest

from paddle_tasks.inference.service.limits import Limits

from .serving import HOST, PATIENCE, Echo, running, served

LIMITS = Limits(body_bytes=10_000, n_queued=8, n_texts=8, seconds=0.3, receive_seconds=0.5)
HEAD = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
def echo():
    return Echo()


@pytest.fixture
def client(echo):
    with running([served("echo", echo)], LIMITS) as found:
        yield found


@contextlib.contextmanager
def raw(client):
    with socket.create_connection((HOST, client.port), timeout=PATIENCE) as connection:
        yield connection


def read_all(connection):
    """Return what the service sends until it closes the connection."""
    content = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            content += part
    return content


def in_thread(function, *arguments):
    """Call a function in a thread, and return a function that returns its result."""
    found = []
    thread = threading.Thread(target=lambda: found.append(function(*arguments)))
    thread.start()

    def result():
        thread.join(PATIENCE)
        return found[0]

    return result


def test_a_huge_body_is_refused_before_it_is_sent(client, echo):
    with raw(client) as connection:
        connection.sendall(HEAD + b"Content-Length: 100000000\r\n\r\n")
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code": "too_large"' in answer
    assert not echo.batches


def test_a_huge_body_in_chunks_is_refused_early(client):
    chunk = b"400\r\n" + b"x" * 0x400 + b"\r\n"
    n_sent, answer = 0, b""
    with raw(client) as connection:
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(100_000):
                connection.sendall(chunk)
                n_sent += len(chunk)
        answer = read_all(connection)
    assert n_sent < 50_000_000  # of 100 MB; what was sent is at most what the service drops and what buffers hold
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413 ")
    assert client.predict("a").status == 200


def test_a_whole_body_that_is_too_large_gets_its_answer(client):
    answer = client.ask("POST", "/v1/predict", {"model": "echo", "texts": ["x" * 200_000]})
    assert (answer.status, answer.error["code"]) == (413, "too_large")
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("length", ["-5", "abc", "1e9", "99999999999999999999"])
def test_lengths_that_are_none(client, length):
    with raw(client) as connection:
        connection.sendall(HEAD + f"Content-Length: {length}\r\n\r\n".encode())
        assert read_all(connection).split(b" ")[1] in {b"400", b"413"}


def test_a_body_that_does_not_arrive(client):
    with raw(client) as connection:
        connection.sendall(HEAD + b"Content-Length: 50\r\n\r\n{")
        assert b'"code": "too_slow"' in read_all(connection)


def test_a_head_that_arrives_byte_by_byte(client):
    closed = threading.Event()

    def drip(connection):
        with contextlib.suppress(OSError):
            for byte in HEAD * 100:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
                if closed.is_set():
                    return

    with raw(client) as connection:
        done = in_thread(drip, connection)
        assert read_all(connection) == b""
        closed.set()
        done()


def test_a_second_head_that_does_not_arrive(client):
    with raw(client) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.05)
        connection.sendall(b"GET /hea")
        answer = read_all(connection)
    assert answer.count(b"HTTP/1.1") == 1


def test_silent_connections(client):
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(raw(client)) for _ in range(200)]
        assert client.predict("a").status == 200
        assert all(read_all(connection) == b"" for connection in silent)  # each was closed
    assert client.predict("a").status == 200


def test_more_connections_than_allowed():
    with running([served("echo", Echo())], Limits(n_connections=3)) as client, contextlib.ExitStack() as stack:
        silent = [stack.enter_context(raw(client)) for _ in range(3)]
        client_of_more = stack.enter_context(raw(client))
        assert read_all(client_of_more).startswith(b"HTTP/1.1 503 ")
        silent[0].close()
        limit = time.monotonic() + PATIENCE
        while client.ask("GET", "/healthz").status != 200:
            assert time.monotonic() < limit


def test_garbage(client):
    for content in (b"\0" * 100, b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\n\r\n"):
        with raw(client) as connection:
            connection.sendall(content + b"\r\n\r\n")
            assert read_all(connection).split(b" ")[1] in {b"400", b"421"}
    with raw(client) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1_000_000)
        assert read_all(connection)[:12] in {b"HTTP/1.1 400", b""}
    assert client.predict("a").status == 200


# ---- requests that are not waited for


def test_a_full_queue(client, echo):
    echo.gate.clear()
    first = in_thread(client.predict, "first")
    client.wait_until(lambda _health: echo.batches)
    waiting = in_thread(client.predict, [f"waiting {n}" for n in range(8)])
    client.wait_until(lambda health: health["waiting"]["echo"] == 8)
    answer = client.predict("more")
    assert (answer.status, answer.error["code"]) == (429, "busy")
    assert int(answer.headers["Retry-After"]) >= 1
    echo.gate.set()
    assert {first().status, waiting().status} <= {200, 504}
    assert "more" not in echo.computed


def test_requests_that_take_too_long_free_the_queue(client, echo):
    echo.gate.clear()
    first = in_thread(client.predict, "first")
    client.wait_until(lambda _health: echo.batches)
    late = [in_thread(client.predict, f"late {n}") for n in range(8)]
    assert [result().status for result in late] == [504] * 8
    assert first().error["code"] == "timeout"
    assert client.health()["waiting"] == {"echo": 0}
    echo.gate.set()
    assert [client.predict(f"next {n}").status for n in range(10)] == [200] * 10
    assert not [text for text in echo.computed if text.startswith("late")]


def test_a_client_that_leaves_is_not_computed(client, echo):
    echo.gate.clear()
    first = in_thread(client.predict, "first")
    client.wait_until(lambda _health: echo.batches)
    body = json.dumps({"model": "echo", "texts": ["left"]}).encode()
    with raw(client) as connection:
        connection.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        client.wait_until(lambda health: health["waiting"]["echo"] == 1)
    client.wait_until(lambda health: health["waiting"]["echo"] == 0)
    echo.gate.set()
    first()
    assert client.predict("next").status == 200
    assert echo.computed == ["first", "next"]
