"""`paddle-tasks serve` in a process of its own: what it prints, refuses, and how it ends."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading

import pytest

from ..helpers import ROOT
from ..inference.service.serving import Client

# A background job may inherit that Ctrl-C is ignored.
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from paddle_tasks.cli import main
main()
"""


@contextlib.contextmanager
def started(*arguments):
    """Run the command, and return its process, its first line and a client."""
    command = [sys.executable, "-c", MAIN, "serve", *arguments]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as child:
        try:
            line = child.stdout.readline()
            assert line, child.stderr.read()
            yield child, line, Client(int(line.rpartition("http://127.0.0.1:")[2].split("/")[0]))
        finally:
            child.kill()


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGTERM, 0, ""), (signal.SIGINT, 130, "paddle-tasks: stopped\n")]
)
def test_what_is_in_flight_is_finished(number, code, said):
    body = {"model": "novel", "text": "话说宝玉", "options": {"max_new_tokens": 60}}
    with started("novel") as (child, line, client):
        assert line == f"1 model at http://127.0.0.1:{client.port}/   (Ctrl-C stops it)\n"
        connection = client.connect()
        connection.request("POST", "/v1/stream", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        first = response.readline()
        idle = socket.create_connection(("127.0.0.1", client.port))  # a silent one does not keep it running
        child.send_signal(number)
        rest = response.read().decode()
        stdout, stderr = child.communicate(timeout=60)
        idle.close()
    assert (child.returncode, stdout, stderr) == (code, "", said)
    assert first.startswith(b"data: ")
    assert rest.count("data: ") == 60
    assert '"finish": "length"' in rest.split("event: end")[1]


@pytest.mark.long
def test_a_request_in_flight_is_answered():
    with started("novel", "--quiet") as (child, line, client):
        assert line == f"http://127.0.0.1:{client.port}\n"
        answers = []
        request = {"model": "novel", "options": {"max_new_tokens": 40}}
        thread = threading.Thread(target=lambda: answers.append(client.predict(["话说宝玉"] * 16, **request)))
        thread.start()
        client.wait_until(lambda health: health["waiting"]["novel"])
        child.send_signal(signal.SIGTERM)
        thread.join(60)
        assert child.wait(60) == 0
    assert len(answers[0].json["records"]) == 16


def test_what_is_refused(cli):
    assert "did you mean 'sentiment'" in cli.fails("serve", "sentimen")
    assert "no model ships for it" in cli.fails("serve", "similarity")
    assert "--port 70000: expected a number from 1 to 65535" in cli.fails("serve", "sentiment", "--port", 70_000)
    assert "--host nowhere.invalid: not an address" in cli.fails("serve", "sentiment", "--host", "nowhere.invalid")
    assert "--queue 3: expected at least --max-texts" in cli.fails("serve", "sentiment", "--queue", 3)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        assert "is taken; " in cli.fails("serve", "sentiment", "--port", other.getsockname()[1])


def test_help(cli):
    outcome = cli("serve", "--help")
    assert outcome.code == 0
    for words in ("RUN|NAME", "--allow-host", "--queue", "/v1/predict", "SIGTERM"):
        assert words in outcome.stdout
