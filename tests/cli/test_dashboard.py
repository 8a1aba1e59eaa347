"""`paddle-tasks dashboard` in a process of its own: what it prints, and that it leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ..helpers import ROOT, run_process
from ..reporting.vdl.logs import log_bytes, make_run

COMMAND = [sys.executable, "-m", "paddle_tasks", "dashboard"]
# A background job may inherit that Ctrl-C is ignored.
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from paddle_tasks.cli import main
main()
"""


@contextlib.contextmanager
def started(folder, temporary, *options):
    environment = {**os.environ, "TMPDIR": str(temporary), "DISPLAY": "", "WAYLAND_DISPLAY": "", "BROWSER": ""}
    command = [sys.executable, "-c", MAIN, "dashboard", str(folder), *options]
    with subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as child:
        try:
            yield child, child.stdout.readline()
        finally:
            child.kill()


def servers(folder):
    """Return the ids of the server processes whose copies are in a folder."""
    processes = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            working_folder = (path.parent / "cwd").readlink()
            if working_folder.is_relative_to(folder) and b"--logdir" in path.read_bytes().split(b"\0"):
                processes.append(int(path.parent.name))
    return processes


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def port_of(line):
    return int(line.rpartition("http://127.0.0.1:")[2].partition("/")[0])


@pytest.fixture
def runs(tmp_path):
    make_run(tmp_path / "runs" / "one", log_bytes()[:-3])
    (tmp_path / "temporary").mkdir()
    return tmp_path / "runs"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.long
def test_a_stopped_dashboard_leaves_nothing_behind(runs, number):
    temporary = runs.parent / "temporary"
    with started(runs, temporary) as (child, line):
        port = port_of(line)
        assert line == f"1 run at http://127.0.0.1:{port}/app/   (Ctrl-C stops it)\n"
        assert answers(port)
        (server,) = servers(temporary)
        child.send_signal(number)
        stdout, stderr = child.communicate(timeout=30)
    assert (child.returncode, stdout) == (130, "")
    first, second, last = stderr.splitlines()
    assert first.startswith(f"{runs}/one/vdl/vdlrecords.1700000000.log: damaged at byte ")
    assert second.endswith("the original is now damaged-1-records.1700000000.log")
    assert last == "paddle-tasks: stopped"
    assert not Path(f"/proc/{server}").exists()
    assert not answers(port)
    assert list(temporary.iterdir()) == []


def test_a_killed_dashboard_ends_its_server(runs):
    with started(runs, runs.parent / "temporary", "--quiet") as (child, line):
        assert line == f"http://127.0.0.1:{port_of(line)}/app/\n"
        (server,) = servers(runs.parent / "temporary")
        child.kill()
    limit = time.monotonic() + 20
    while Path(f"/proc/{server}").exists() and Path(f"/proc/{server}/cmdline").read_bytes():
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_a_port_in_use(cli, runs):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        message = cli.fails("dashboard", runs, "--port", port, "--no-browser")
    assert message.startswith(f"paddle-tasks: --port {port}: is taken; ")


def test_no_runs(cli, tmp_path):
    assert cli.fails("dashboard") == ("paddle-tasks: runs: no such folder; `paddle-tasks train` writes runs to runs/\n")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("__init__.py", "visualdl cannot be imported (no such thing); run `paddle-tasks doctor`"),
        ("server.py", "VisualDL's server has ended (ModuleNotFoundError: "),
    ],
)
def test_a_broken_visualdl(runs, file, message):
    package = runs.parent / "broken" / "visualdl"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    if file == "__init__.py":
        (package / file).write_text("raise RuntimeError('no such thing')", encoding="utf-8")
    else:
        import visualdl

        (package / "proto").symlink_to(Path(visualdl.__file__).parent / "proto")
    outcome = run_process(
        [*COMMAND, str(runs), "--no-browser"], PYTHONPATH=os.pathsep.join([str(package.parent), str(ROOT)])
    )
    assert (outcome.code, outcome.stdout) == (2, "")
    assert f"paddle-tasks: {message}" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_help_explains_ai_studio(cli):
    outcome = cli("dashboard", "--help")
    assert outcome.code == 0
    for words in ("AI Studio", "--host 0.0.0.0", "--path", "--public-path", "[LOGDIR]", "--no-browser"):
        assert words in outcome.stdout
