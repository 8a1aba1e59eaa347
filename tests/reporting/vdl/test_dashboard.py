"""The dashboard: what it refuses, and VisualDL's own server on damaged logs, asked over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest

from paddle_tasks import addresses, language
from paddle_tasks.addresses import listen
from paddle_tasks.errors import SetupError, UserError
from paddle_tasks.reporting.vdl import dashboard, server
from paddle_tasks.reporting.vdl.dashboard import ai_studio_url, check_logs, has_browser, open_dashboard
from paddle_tasks.reporting.vdl.server import ServerAddress

from .logs import GRAPH, expected, flipped, frames, log_bytes, make_run, points, write_metrics

WHOLE = log_bytes()
HOST = "127.0.0.1"


@pytest.fixture
def taken():
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        yield other.getsockname()[1]


# ---- without a server


def port_of(listener: socket.socket) -> int:
    return listener.getsockname()[1]


def test_ports(taken):
    with listen(HOST, None) as first, listen(HOST, None) as second:
        assert port_of(second) > port_of(first) >= 8040, "what listens keeps its port"
    with pytest.raises(UserError, match=rf"^--port {taken}: is taken; (\d+) is free$") as error:
        listen(HOST, taken)
    near = int(str(error.value).split()[-3])
    assert near > taken
    with listen(HOST, near) as listener:
        assert port_of(listener) == near
    with pytest.raises(UserError, match="is taken"):
        listen("0.0.0.0", taken)


def test_the_first_free_port(monkeypatch, taken):
    monkeypatch.setattr(addresses, "FIRST_PORT", taken)
    with listen(HOST, None) as listener:
        assert port_of(listener) > taken


def test_a_host_name_with_both_kinds_of_address_means_ipv4(monkeypatch):
    both = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0)), (socket.AF_INET, 1, 6, "", (HOST, 0))]
    monkeypatch.setattr(addresses.socket, "getaddrinfo", lambda *_, **__: both)
    with listen("localhost", None) as listener:
        assert listener.getsockname()[0] == HOST


def test_no_free_port(monkeypatch, taken):
    monkeypatch.setattr(addresses, "FIRST_PORT", taken)
    monkeypatch.setattr(addresses, "LAST_PORT", taken)
    with pytest.raises(UserError, match=rf"^--host 127\.0\.0\.1: no port is free from {taken}$"):
        listen(HOST, None)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (ServerAddress(path="app"), "--path app: expected a path such as /app"),
        (ServerAddress(path="/"), "--path /: expected"),
        (ServerAddress(path="/a?b"), "--path /a\\?b: expected"),
        (ServerAddress(path="/看"), "--path /看: expected"),
        (ServerAddress(path="/a//b"), "--path /a//b: expected"),
        (ServerAddress(port=0), "--port 0: expected a number from 1 to 65535"),
        (ServerAddress(port=70_000), "--port 70000: expected"),
        (ServerAddress(host="no such host"), "--host no such host: not an address"),
    ],
)
def test_addresses_that_cannot_be_used(address, message):
    with pytest.raises(UserError, match=f"^{message}"):
        address.check()


def test_a_host_of_another_machine():
    with pytest.raises(UserError, match=r"^--host 192\.0\.2\.1: not an address of this machine"):
        listen("192.0.2.1", None)


def test_folders_without_logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty: no VisualDL log .* below; `paddle-tasks train` writes runs to runs/"):
        check_logs(tmp_path / "empty")
    make_run(tmp_path / "runs" / "one")
    with pytest.raises(UserError, match=r"empty: no VisualDL log .* below; there are runs in runs$"):
        check_logs(tmp_path / "empty")
    with pytest.raises(UserError, match=r"^rnus: no such folder; did you mean 'runs'\?; there are runs in runs$"):
        check_logs(Path("rnus"))
    with pytest.raises(UserError, match=r"config.yaml: is a file, expected a folder of runs"):
        check_logs(tmp_path / "runs" / "one" / "config.yaml")
    check_logs(tmp_path / "runs")


def test_no_browser_without_a_screen(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(dashboard.webbrowser, "get", lambda: None)
    assert not has_browser()
    monkeypatch.setenv("DISPLAY", ":0")
    assert has_browser()


@pytest.mark.parametrize(
    ("requested", "locale", "options"),
    [
        ("zh", "en_US.UTF-8", ["--language", "zh"]),
        ("en", "zh_CN.UTF-8", ["--language", "en"]),
        (None, "zh_CN.UTF-8", ["--language", "zh"]),
        (None, "C.UTF-8", []),  # the browser decides
    ],
)
def test_the_page_has_the_language_that_was_chosen(monkeypatch, requested, locale, options):
    monkeypatch.setattr(language, "_chosen", [])
    monkeypatch.setenv("LC_ALL", locale)
    monkeypatch.setenv(language.VARIABLE, requested or "")
    assert server.language_options() == options


def test_ai_studio(monkeypatch):
    monkeypatch.delenv("STUDIO_MODEL_API_URL_PREFIX", raising=False)
    assert ai_studio_url(8040) is None
    monkeypatch.setenv("STUDIO_MODEL_API_URL_PREFIX", "https://aistudio.example")
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/1/2/")
    assert ai_studio_url(8040) == "https://aistudio.example/user/1/2/gradio/8040/"


# ---- with VisualDL's server


def ask(board, method, **arguments):
    address = f"{board.url}api/{method}?{urllib.parse.urlencode(arguments)}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=30) as answer:
        found = json.load(answer)
    assert found["status"] == 0, found
    return found["data"]


def curves(board, run):
    found = ask(board, "scalar/tags")
    tags = found["tags"][found["runs"].index(run)]
    return {tag: [(step, value) for _, step, value in ask(board, "scalar/list", run=run, tag=tag)] for tag in tags}


def until(done):
    """Wait for the server's cache, which keeps an answer for a second."""
    limit = time.monotonic() + 60
    while not done():
        assert time.monotonic() < limit
        time.sleep(0.2)


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A dashboard on a log that was cut, one with a flipped bit, one in training and one that is fine."""
    runs = tmp_path_factory.mktemp("dashboard") / "runs"
    start = frames(WHOLE)[20][0]
    make_run(runs / "cut", WHOLE[:-11])
    make_run(runs / "flipped", flipped(WHOLE, start + 1, 3))
    make_run(runs / "training", WHOLE[: start + 20], status=None)
    make_run(runs / "中文 run")
    graph = runs / "cut" / "vdl" / "vdlgraph.1.log"
    graph.write_text('{"nodes"', encoding="utf-8")
    (runs / "flipped" / "vdl" / graph.name).write_text(json.dumps(GRAPH), encoding="utf-8")
    with open_dashboard(runs, ServerAddress(path="/user/1/app/")) as opened:
        yield opened


def test_every_scalar_of_every_run(board):
    assert set(ask(board, "runs")) == {"cut", "flipped", "training", "中文 run"}
    for run in ask(board, "runs"):
        assert curves(board, run) == expected(points())


def test_the_other_panels(board):
    assert set(ask(board, "component_tabs")) >= {
        "scalar",
        "text",
        "image",
        "histogram",
        "hyper_parameters",
        "dynamic_graph",
    }
    assert ask(board, "text/list", run="flipped", tag="samples/房间")
    assert ask(board, "histogram/list", run="flipped", tag="weights")
    (run,) = ask(board, "graph_runs")
    assert run.endswith("/flipped")  # of which the page shows the end
    assert "/a" in json.dumps(ask(board, "graph/graph", run=run, expand_all="true", refresh="true"))
    assert ask(board, "image/list", run="flipped", tag="confusion")
    assert {trial["name"].rpartition("/")[2] for trial in ask(board, "hparams/list")} == {
        "cut",
        "flipped",
        "training",
        "中文 run",
    }


def test_damage_is_reported(board):
    assert {report.path.parts[-3]: bool(report.backup) for report in board.reports} == {
        "cut": True,
        "flipped": True,
        "training": False,
    }
    assert [path.name for path in board.unreadable] == ["vdlgraph.1.log"]
    assert board.n_runs == 4


@pytest.mark.parametrize(
    ("host", "address"), [("localhost", r"localhost"), ("0.0.0.0", r"127\.0\.0\.1"), ("::1", r"\[::1\]")]
)
@pytest.mark.long
def test_other_hosts(tmp_path, host, address):
    try:
        listen(host, None).close()
    except UserError:
        pytest.skip(f"no {host} here")
    make_run(tmp_path / "one")
    with open_dashboard(tmp_path, ServerAddress(host)) as board:
        assert re.fullmatch(rf"http://{address}:{board.port}/app/", board.url)
        assert ask(board, "runs") == ["one"]


@pytest.mark.long
def test_a_silent_client_does_not_block_others(tmp_path):
    make_run(tmp_path / "one")
    with open_dashboard(tmp_path) as board, socket.create_connection((HOST, board.port)):
        assert ask(board, "runs") == ["one"]
        board.server.stop()
        with socket.create_connection((HOST, board.port)):  # there first, before anyone serves
            board.server.start()
        assert ask(board, "runs") == ["one"]


def test_the_end_of_the_server_ends_the_wait(tmp_path):
    make_run(tmp_path / "one")
    errors = []

    def follow():
        with pytest.raises(SetupError) as error:
            board.follow(min_pause=3600)
        errors.append(str(error.value))

    with open_dashboard(tmp_path) as board:
        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        os.kill(board.server.pid, signal.SIGKILL)
        follower.join(120)
        (message,) = errors
    assert re.fullmatch(r"VisualDL's server has ended \(.*\); run `paddle-tasks doctor`", message)


def test_new_points_appear_and_runs_can_start_anew(tmp_path):
    folder = tmp_path / "training"
    make_run(folder, status=None)
    with open_dashboard(tmp_path) as board:
        further = {"step": 50, "epoch": 2, "tag": "train/loss", "value": 0.25, "time": 1_700_000_100.0}
        write_metrics(folder, [*points(), further])
        board.refresh()
        until(lambda: curves(board, "training")["train/loss"][-1] == (50, 0.25))
        folder.rename(folder.with_name("training.1"))
        folder.mkdir()
        write_metrics(folder, points()[:3])
        board.refresh()  # the server is started again, at the same port
        assert curves(board, "training") == expected(points()[:3])
        assert curves(board, "training.1")["train/loss"][-1] == (50, 0.25)


COMMAND = """
import sys
from pathlib import Path
from paddle_tasks.reporting.vdl.dashboard import open_dashboard
with open_dashboard(Path(sys.argv[1])) as board:
    print(board.server.folder.parent, flush=True)
    board.follow(min_pause=3600)
"""


def test_a_killed_command_leaves_nothing(tmp_path):
    make_run(tmp_path / "one")
    command = [sys.executable, "-c", COMMAND, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        temporary = Path(process.stdout.readline().strip())
        assert temporary.is_dir()
        process.kill()
    until(lambda: not temporary.exists())
