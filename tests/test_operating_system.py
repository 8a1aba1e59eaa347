"""What operating systems do differently, and that the package can be imported on Windows as far as Linux can tell."""

from __future__ import annotations

import ast
import base64
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from paddle_tasks import memory, operating_system
from paddle_tasks.files import atomic_folder, write_text

from .helpers import ROOT

PACKAGE = ROOT / "paddle_tasks"
POSIX_MODULES = {"crypt", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
"""The modules of Python that its documentation lists as missing on Windows."""
POSIX_NAMES = {
    "os": {
        *(
            "chown",
            "fchmod",
            "fork",
            "forkpty",
            "getegid",
            "geteuid",
            "getgid",
            "getloadavg",
            "getuid",
            "killpg",
            "lchown",
        ),
        *("mkfifo", "mknod", "nice", "openpty", "pread", "pwrite", "register_at_fork", "sched_getaffinity", "setsid"),
        *("statvfs", "sync", "uname", "wait3", "wait4", "O_CLOEXEC", "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK"),
        *("RTLD_GLOBAL", "RTLD_NOLOAD", "RTLD_NOW"),
    },
    "signal": {
        *("SIGALRM", "SIGCHLD", "SIGCONT", "SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGUSR1"),
        *("SIGUSR2", "SIGWINCH", "alarm", "pause", "pthread_kill", "pthread_sigmask", "setitimer", "sigwait"),
    },
    "time": {"tzset"},
    "socket": {"AF_UNIX", "SO_REUSEPORT", "send_fds", "recv_fds"},
}
THE_ONE = PACKAGE / "operating_system.py"


def posix_uses(text: str) -> list[str]:
    """Return the modules that a file imports and the names that it reads of those that Windows lacks."""
    tree = ast.parse(text)
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name in POSIX_MODULES]
        elif isinstance(node, ast.ImportFrom):
            names = POSIX_NAMES.get(node.module or "", set())
            found += [node.module] if node.module in POSIX_MODULES else []
            found += [f"{node.module}.{alias.name}" for alias in node.names if alias.name in names]
        elif isinstance(node, ast.Attribute) and node.attr in POSIX_NAMES.get(ast.unparse(node.value), set()):
            found.append(ast.unparse(node))
    return found


def test_one_module_alone_uses_what_windows_lacks():
    files = sorted(set(PACKAGE.rglob("*.py")) - {THE_ONE})
    assert {path.name: uses for path in files if (uses := posix_uses(path.read_text(encoding="utf-8")))} == {}


def test_uses_are_found():
    assert {"resource", "os.sched_getaffinity", "signal.SIGHUP"} <= set(posix_uses(THE_ONE.read_text(encoding="utf-8")))
    assert posix_uses("def f():\n    from os import fork\n    import fcntl") == ["os.fork", "fcntl"]
    assert posix_uses("import os, signal\nos.replace(a, b); signal.SIGINT; row.nice()") == []


def test_the_names_are_here():
    """A name that was misspelt above would never be found."""
    for module, names in POSIX_NAMES.items():
        assert {name for name in names if not hasattr(sys.modules[module], name)} <= {"pthread_kill"}, module


# ---- an import of the whole package

PRETENCE = """
import importlib, importlib.abc, importlib.util, os, pathlib, pkgutil, signal, sys, types
for name in LIBRARIES:
    importlib.import_module(name)
real = types.ModuleType("os")  # pathlib and others that are imported already stay on this system
real.__dict__.update(vars(os))
for module in list(sys.modules.values()):
    if getattr(module, "os", None) is os:
        module.os = real
for module, names in POSIX_NAMES.items():
    for name in names:
        vars(importlib.import_module(module)).pop(name, None)
os.name, sys.platform = "nt", "win32"
signal.SIGBREAK = signal.Signals.SIGTERM

class NoSuchModule(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name in POSIX_MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NoSuchModule())
for name in POSIX_MODULES:
    sys.modules.pop(name, None)
import paddle_tasks
for module in pkgutil.walk_packages(paddle_tasks.__path__, "paddle_tasks."):
    if not module.name.endswith("__main__"):
        print(importlib.import_module(module.name).__name__)
"""
LIBRARIES = (
    *("paddle", "paddlenlp", "visualdl", "visualdl.server.app", "matplotlib.figure", "sklearn.linear_model", "typer"),
    *("paddlenlp.transformers", "paddlenlp.datasets", "paddlenlp.data", "multiprocessing.pool", "rich.console"),
    *("pydantic", "fastapi", "uvicorn", "filelock", "tokenizers", "safetensors.numpy", "psutil", "seqeval.metrics"),
    *("sacrebleu", "jinja2", "onnxruntime", "werkzeug.serving", "tempfile", "subprocess", "shutil", "asyncio"),
)


def import_everything(pretence: str = PRETENCE) -> subprocess.CompletedProcess[str]:
    settings = f"LIBRARIES, POSIX_MODULES, POSIX_NAMES = {LIBRARIES!r}, {POSIX_MODULES!r}, {POSIX_NAMES!r}\n"
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", settings + pretence],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.long
def test_every_module_can_be_imported_without_posix():
    """Every module of the package is imported where Python says that it is on Windows.

    What this shows: no module needs at its import a module, function or signal that Windows lacks. What it does not
    show: the libraries are imported before, as on Linux, and paths, the console, open files and the scheduling of
    processes stay those of Linux. It is no run on Windows.
    """
    done = import_everything()
    assert done.returncode == 0, done.stderr[-2000:]
    files = {path.relative_to(ROOT).with_suffix("") for path in PACKAGE.rglob("*.py")}
    names = {".".join(file.parts).removesuffix(".__init__") for file in files} - {"paddle_tasks"}
    assert set(done.stdout.split()) == {name for name in names if not name.endswith("__main__")}


@pytest.mark.long
def test_an_import_of_what_windows_lacks_would_fail():
    here = "import paddle_tasks\nfor module in"
    for line in ("import resource", "import signal; signal.SIGHUP", "import os; os.register_at_fork"):
        done = import_everything(PRETENCE.replace("in LIBRARIES", "in ()").replace(here, f"{line}\n{here}"))
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(("ModuleNotFoundError", "AttributeError")), done.stderr


# ---- what the module does


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")


def test_a_file_that_somebody_has_open_is_replaced_later(windows, monkeypatch, tmp_path):
    pauses, replace = [], Path.replace

    def refuse_twice(path, target):
        if len(pauses) < 2:
            raise PermissionError(13, "Access is denied")
        return replace(path, target)

    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(Path, "replace", refuse_twice)
    write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"
    assert len(pauses) == 2


def test_a_file_that_stays_open_is_an_error_after_a_second(windows, monkeypatch, tmp_path):
    pauses = []

    def refuse(path, target):
        raise PermissionError(13, "Access is denied")

    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        write_text(tmp_path / "file", "new")
    assert 1 < sum(pauses) < 2
    assert list(tmp_path.iterdir()) == []


def test_elsewhere_a_refusal_is_final(monkeypatch, tmp_path):
    pauses, calls = [], []

    def refuse(path, target):
        calls.append(path)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        write_text(tmp_path / "file", "new")
    assert (len(calls), pauses) == (1, [])


def test_windows_syncs_files_that_may_be_written_and_no_folders(windows, monkeypatch, tmp_path):
    opened, open_file = [], os.open
    monkeypatch.setattr(
        os, "open", lambda path, flags, *rest: opened.append((Path(path), flags)) or open_file(path, flags, *rest)
    )
    with atomic_folder(tmp_path / "folder") as temporary:
        (temporary / "file").write_text("x")
        opened.clear()
    assert [(path.name, flags) for path, flags in opened] == [("file", os.O_RDWR)]


def test_stop_signals(monkeypatch):
    assert operating_system.stop_signals() == (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)
    assert operating_system.stop_signals() == (signal.SIGINT, signal.SIGTERM, 21)


def test_memory(monkeypatch):
    psutil = pytest.importorskip("psutil")
    peak = operating_system.peak_memory_bytes()
    assert psutil.Process().memory_info().rss <= peak * 1.05
    free = operating_system.free_memory_bytes()
    told = memory.available_bytes()
    assert 0 < told <= 1.2 * free
    monkeypatch.setattr(sys, "platform", "win32")
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(peak_wset=123))
    monkeypatch.setattr(psutil, "Process", lambda: process)
    assert operating_system.peak_memory_bytes() == 123
    assert operating_system.address_space_limit() is None


CHILD = """
import sys
from paddle_tasks.operating_system import take_over
connection, _ = take_over(sys.stdin.readline()).accept()
connection.sendall(b"child")
"""


def test_a_child_answers_on_the_socket_of_its_parent():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD],
            stdin=subprocess.PIPE,
            pass_fds=operating_system.descriptors_of(listener),
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        operating_system.hand_over(listener, child)
        with socket.create_connection(listener.getsockname(), timeout=60) as connection:
            assert connection.recv(10) == b"child"
        assert child.wait(60) == 0


def test_windows_makes_the_socket_for_the_id_of_the_child(windows, monkeypatch, tmp_path):
    with (tmp_path / "stdin").open("w+b") as stdin:
        listener = SimpleNamespace(share=lambda pid: f"socket of {pid}\n".encode())
        operating_system.hand_over(listener, SimpleNamespace(pid=42, stdin=stdin))
        stdin.seek(0)
        line = stdin.read().decode()
    assert operating_system.descriptors_of(listener) == ()
    assert base64.b64decode(line) == b"socket of 42\n"
    monkeypatch.setattr(socket, "fromshare", lambda data: data, raising=False)
    assert operating_system.take_over(line) == b"socket of 42\n"
