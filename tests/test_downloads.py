"""Downloads against a server that breaks: one message, no half file, and a second try that completes the first."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from paddle_tasks import downloads
from paddle_tasks.downloads import DownloadError, check_reachable, download, md5_of, mirrored

from . import hub as server
from .helpers import ROOT
from .hub import Hub

CONTENT = random.Random(1).randbytes(300_000)
NAME = "/models/model_state.pdparams"


@pytest.fixture
def hub(monkeypatch) -> Hub:
    for variable in server.PROXIES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(downloads, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(downloads, "SILENCE_SECONDS", 20)
    with server.running() as running:
        running.files[NAME] = CONTENT
        yield running


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "cache" / "model" / "model_state.pdparams"


def visible(path: Path) -> list[str]:
    """Return the files of the cache but the one that is locked."""
    return sorted(file.name for file in path.parent.iterdir() if file.suffix != ".lock")


def fails(hub: Hub, path: Path, match: str) -> None:
    with pytest.raises(DownloadError, match=match):
        download(hub.url + NAME, path)
    assert not path.exists()


def completes(hub: Hub, path: Path) -> None:
    download(hub.url + NAME, path)
    assert path.read_bytes() == CONTENT
    assert visible(path) == [path.name]


def test_a_file_is_downloaded_once(hub, path):
    completes(hub, path)
    completes(hub, path)
    assert hub.gets() == [None]


def test_a_cut_connection_is_continued(hub, path):
    hub.faults = [server.cut(100_000), server.cut(50_000)]
    completes(hub, path)
    assert hub.gets() == [None, "bytes=100000-", "bytes=150000-"]


@pytest.mark.parametrize("lacks", ["has_ranges", "sends_tag"])
def test_a_server_that_cannot_continue_sends_the_whole_file(hub, path, lacks):
    setattr(hub, lacks, False)
    hub.faults = [server.cut(100_000)]
    completes(hub, path)


def test_a_second_try_completes_the_first(hub, path):
    hub.faults = [server.cut(100_000), server.cut(0), server.cut(0)]
    fails(hub, path, r"^the connection broke off after 100,000 of 300,000 bytes$")
    completes(hub, path)
    assert hub.gets()[-1] == "bytes=100000-"


def test_without_a_tag_a_second_try_begins_anew(hub, path):
    hub.sends_tag = False
    hub.faults = [server.cut(100_000)] * downloads.ATTEMPTS
    fails(hub, path, "broke off after 100,000 of 300,000 bytes")
    assert visible(path) == []
    completes(hub, path)


def test_a_file_that_changed_in_between_is_not_mixed(hub, path):
    hub.files[NAME] = bytes(300_000)
    hub.faults = [server.cut(100_000), server.cut(0), server.cut(0)]
    fails(hub, path, "broke off")
    hub.files[NAME] = CONTENT
    completes(hub, path)
    assert hub.gets()[-1] == "bytes=100000-"  # it asked for the rest, and got all of the new one


@pytest.mark.parametrize("checksum", ["Content-MD5", "ETag of Baidu", "argument"])
def test_a_damaged_file_is_not_kept(hub, path, checksum):
    hub.sends_checksum = checksum == "Content-MD5"
    hub.headers = {"x-bce-request-id": "1"} if checksum == "ETag of Baidu" else {}
    md5 = server.hashlib.md5(CONTENT).hexdigest() if checksum == "argument" else None
    hub.faults = [server.damage]
    with pytest.raises(DownloadError, match=r"what arrived is damaged: 300,000 bytes with the MD5 checksum \w+, exp"):
        download(hub.url + NAME, path, md5)
    assert visible(path) == []
    completes(hub, path)


def test_without_any_checksum_a_damaged_file_would_be_kept(hub, path):
    hub.sends_checksum = False
    hub.faults = [server.damage]
    download(hub.url + NAME, path)
    assert path.read_bytes() != CONTENT


def test_a_file_of_another_checksum_is_replaced(hub, path):
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:1000])
    download(hub.url + NAME, path, server.hashlib.md5(CONTENT).hexdigest())
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize(("code", "n_tries"), [(404, 1), (403, 1), (407, 1), (500, 3), (503, 3), (429, 3)])
def test_an_error_of_the_server(hub, path, code, n_tries):
    hub.faults = [server.status(code)] * n_tries
    fails(hub, path, rf"^HTTP {code} ")
    assert len(hub.gets()) == n_tries == (downloads.ATTEMPTS if n_tries > 1 else 1)
    assert visible(path) == []
    completes(hub, path)


def test_a_server_that_is_busy_for_a_moment(hub, path):
    hub.faults = [server.status(503), None]
    completes(hub, path)


@pytest.mark.parametrize("after", [0, 1000])
def test_a_server_that_falls_silent(hub, path, monkeypatch, after):
    monkeypatch.setattr(downloads, "SILENCE_SECONDS", 0.2)
    hub.faults = [server.silence(1.0, after)] + [server.silence(1.0)] * downloads.ATTEMPTS
    fails(hub, path, "^no answer in time$")
    monkeypatch.setattr(downloads, "SILENCE_SECONDS", 20)
    hub.faults = []
    completes(hub, path)


def test_a_login_page_is_no_model(hub, path):
    hub.faults = [server.login_page]
    fails(hub, path, "a web page came instead of the file")
    assert visible(path) == []
    completes(hub, path)


def test_a_length_or_chunks_are_needed(hub, path):
    hub.faults = [server.without_length]
    fails(hub, path, "does not say how long the file is")
    hub.faults = [server.chunked(3, whole=False)] * downloads.ATTEMPTS
    fails(hub, path, "broke off")
    assert visible(path) == []
    hub.faults = [server.chunked(3, whole=True)]
    completes(hub, path)


@pytest.mark.parametrize("left", [CONTENT[:500], CONTENT, CONTENT + b"more"])
def test_what_an_earlier_try_has_left(hub, path, left):
    """A part, a whole file before it was renamed, and one that is longer than the file."""
    path.parent.mkdir(parents=True)
    tag = f'"{server.hashlib.md5(CONTENT).hexdigest()}"'
    path.with_name(f".{path.name}.{downloads.quote(tag, safe='')}.part").write_bytes(left)
    path.with_name(f".{path.name}..part").write_bytes(b"of no known file")
    completes(hub, path)


def test_another_part_than_was_asked_for_is_refused(hub, path):
    hub.faults = [server.cut(1000), server.another_part]
    completes(hub, path)
    assert hub.gets() == [None, "bytes=1000-", None]


# ---- processes

CODE = """
import sys
from paddle_tasks.downloads import download
from pathlib import Path
download(sys.argv[1], Path(sys.argv[2]))
"""
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"


def start(hub: Hub, path: Path, code: str = CODE) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name not in server.PROXIES}
    command = [sys.executable, "-c", code, hub.url + NAME, str(path)]
    return subprocess.Popen(command, env={**environment, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True)


def test_of_two_processes_one_downloads_and_the_other_waits(hub, path):
    hub.faults = [server.silence(1.0, 1000)]
    processes = [start(hub, path) for _ in range(2)]
    hub.faults = [server.silence(1.0, len(CONTENT))]
    assert [process.wait(120) for process in processes] == [0, 0], processes[0].stderr.read()
    assert hub.gets() == [None]
    assert path.read_bytes() == CONTENT


def test_a_killed_download_is_continued(hub, path):
    hub.faults = [server.silence(60, 200_000)]
    process = start(hub, path)
    parts = path.parent.glob
    while not any(part.stat().st_size >= 100_000 for part in parts(".*.part")):
        assert process.poll() is None, process.stderr.read()
    process.kill()
    process.wait()
    assert not path.exists()
    completes(hub, path)
    assert hub.gets()[-1] is not None


# ---- the disk


def test_a_full_disk_is_one_message(hub, path):
    process = start(hub, path, LIMITED + CODE)
    *_, last = process.communicate(timeout=120)[1].splitlines()
    assert process.returncode == 1
    assert f"no room in {path.parent}: " in last
    assert visible(path) == []
    completes(hub, path)


def test_room_is_looked_for_first(hub, path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=299_999))
    fails(hub, path, r"no room in .*: 300,000 bytes are needed, 299,999 are free")
    assert visible(path) == []


def test_a_folder_that_cannot_be_made(hub, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DownloadError, match=r"cache cannot be written: .*; PPNLP_HOME=FOLDER chooses another one"):
        download(hub.url + NAME, tmp_path / "cache" / "weights")
    assert hub.asked == []


def test_a_folder_that_cannot_be_written(hub, path, monkeypatch):
    path.parent.mkdir(parents=True)
    before = os.open

    def read_only(file, flags, *rest, **named):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, "Read-only file system", str(file))
        return before(file, flags, *rest, **named)

    monkeypatch.setattr(os, "open", read_only)
    fails(hub, path, "cannot be written: Read-only file system; PPNLP_HOME=")
    assert hub.asked == []


# ---- the way


def test_a_proxy_is_used(hub, path, monkeypatch):
    monkeypatch.setenv("http_proxy", hub.url)
    download("http://hub.invalid" + NAME, path)
    assert path.read_bytes() == CONTENT
    assert [asked[1] for asked in hub.asked] == ["http://hub.invalid" + NAME]


def test_a_proxy_that_is_not_there(hub, path, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    fails(hub, path, "Connection refused")


def test_a_name_that_no_server_has(hub, path, monkeypatch):
    with pytest.raises(DownloadError, match=r"unknown url type"):
        download("no-url", path)


@pytest.mark.parametrize(("fault", "reason"), [(None, "HTTP 404"), ("text/html", "a web page came")])
def test_check_reachable(hub, fault, reason):
    check_reachable(hub.url + NAME)
    hub.headers = {"Content-Type": fault} if fault else {}
    with pytest.raises(DownloadError, match=reason):
        check_reachable(hub.url + (NAME if fault else "/none"))
    assert {method for method, *_ in hub.asked} == {"HEAD"}


def test_the_mirror(monkeypatch):
    ours, others = f"{downloads.ENDPOINT}/models/a", "https://example.org/models/a"
    monkeypatch.delenv(downloads.ENDPOINT_VARIABLE, raising=False)
    assert mirrored(ours) == ours
    monkeypatch.setenv(downloads.ENDPOINT_VARIABLE, "http://mirror/x/")
    assert mirrored(ours) == "http://mirror/x/models/a"
    assert mirrored(others) == others


def test_md5(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert md5_of(tmp_path / "file") == "900150983cd24fb0d6963f7d28e17f72"
