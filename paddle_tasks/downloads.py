"""Downloads of models and data sets: a file is whole or not there, and a second try goes on where the first ended.

PaddleNLP's own downloads keep what a login page of the network answers, append a whole file to the part that they have
if the server does not know ranges, and leave temporary files behind.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import glob
import hashlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, unquote

from filelock import FileLock
from tqdm import tqdm

from paddle_tasks.errors import SetupError
from paddle_tasks.language import _
from paddle_tasks.operating_system import patiently, sync

PROBE_SECONDS = 5.0
"""How long to wait for the first answer of a server."""
SILENCE_SECONDS = 20.0
"""How long to wait for the next bytes of a file."""
ATTEMPTS, PAUSE_SECONDS = 3, 1.0
"""How often in a row a download may break off without any progress, and the pause in between."""
ENDPOINT, ENDPOINT_VARIABLE = "https://bj.bcebos.com/paddlenlp", "PPNLP_ENDPOINT"
"""Where PaddleNLP publishes models and data sets, and the environment variable that names a mirror of it."""
_CHUNK_BYTES = 1 << 18
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MAX_TAG = 100
_TEMPORARY_STATUSES = (408, 425, 429, 500, 502, 503, 504)


class DownloadError(SetupError):
    """Why a file could not be downloaded."""


class _BrokenOffError(DownloadError):
    """The download ended early; it may be tried again."""


def mirrored(url: str) -> str:
    """Return the URL of one of PaddleNLP's files at the mirror that PPNLP_ENDPOINT names, if it names one."""
    mirror = os.environ.get(ENDPOINT_VARIABLE, "").rstrip("/")
    return mirror + url.removeprefix(ENDPOINT) if mirror and url.startswith(ENDPOINT) else url


def check_reachable(url: str) -> None:
    """Check within `PROBE_SECONDS` that a file can be downloaded, without downloading it.

    Raises:
        DownloadError: the server does not answer, or not with this file.
    """
    with _reasons(), urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PROBE_SECONDS) as found:
        _check_type(found.headers)


def download(url: str, path: Path, md5: str | None = None) -> None:
    """Download a file unless it is there whole; if another process is downloading it, wait for that.

    Until the file is whole, it is ``.NAME.ETAG.part`` beside ``path``. It is whole if it has the length that the server
    says, and the checksum: ``md5``, or the server's. The proxies are those of the environment.

    Args:
        url: where the file is.
        path: where to put it; its folder is made.
        md5: its checksum, if it is known.

    Raises:
        DownloadError: it cannot be downloaded, or not be stored.
    """
    with exclusive(path):
        if not path.is_file() or (md5 and md5_of(path) != md5):
            _Download(url, path, md5).run()


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Let one process at a time run the block for a file; others wait. The folder of the file is made.

    Raises:
        DownloadError: the folder cannot be written.
    """
    with _storing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    with _storing(path), contextlib.suppress(NotImplementedError):  # some file systems have no locks
        lock.acquire(poll_interval=0.2)
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class _Answer:
    """What the headers of an answer say.

    Attributes:
        start: the position of its first byte in the file.
        length: that of the whole file.
        md5: that of the whole file.
        tag: its strong ETag, which changes with its content.
    """

    start: int
    length: int | None
    md5: str | None
    tag: str | None


class _Download:
    """The download of one file, over several attempts."""

    def __init__(self, url: str, path: Path, md5: str | None) -> None:
        self._url, self._path, self._md5 = url, path, md5

    def run(self) -> None:
        """Download until the file is whole.

        Raises:
            DownloadError: it is not after `ATTEMPTS` without progress.
        """
        failures = 0
        while True:
            before = self._n_bytes()
            try:
                return self._attempt()
            except _BrokenOffError as error:
                failures = 1 if self._n_bytes() > before else failures + 1
                if failures >= ATTEMPTS:
                    raise DownloadError(str(error)) from error
            time.sleep(PAUSE_SECONDS)

    def _attempt(self) -> None:
        old = self._part()
        with self._ask(old) as response:
            _check_type(response.headers)
            answer = self._understand(response, old)
            part = self._prepare(old, answer)
            self._receive(response, part, answer)
        self._check(part, answer)
        with _storing(part):
            sync(part)
            patiently(part.replace, self._path)

    def _part(self) -> Path | None:
        """Return what an earlier attempt has left; a part that belongs to no ETag is removed."""
        pattern = f".{glob.escape(self._path.name)}.*.part"
        with _storing(self._path):
            parts = {part: self._tag(part) for part in sorted(self._path.parent.glob(pattern))}
            for part in (part for part, tag in parts.items() if not tag):
                part.unlink()
        return next((part for part, tag in parts.items() if tag), None)

    def _tag(self, part: Path) -> str:
        return unquote(part.name.removeprefix(f".{self._path.name}.").removesuffix("part").removesuffix("."))

    def _new_part(self, tag: str | None) -> Path:
        return self._path.with_name(f".{self._path.name}.{quote(tag or '', safe='')}.part")

    def _n_bytes(self) -> int:
        part = self._part()
        return part.stat().st_size if part else 0

    def _ask(self, part: Path | None) -> http.client.HTTPResponse:
        """Ask for the file, or for what is missing of it if the server still has the file that a part is of."""
        continued = {"Range": f"bytes={part.stat().st_size}-", "If-Range": self._tag(part)} if part else {}
        try:
            with _reasons():
                request = urllib.request.Request(self._url, headers=continued)
                response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=SILENCE_SECONDS)
        except _RangeError as error:
            self._start_again(part, error)
        return response

    def _understand(self, response: http.client.HTTPResponse, part: Path | None) -> _Answer:
        try:
            return _read_headers(response, part)
        except _RangeError as error:
            self._start_again(part, error)

    def _start_again(self, part: Path | None, error: DownloadError) -> NoReturn:
        """Remove what cannot be the beginning of the file, and let the next attempt begin anew."""
        if part:
            part.unlink(missing_ok=True)
        raise _BrokenOffError(str(error)) from error

    def _prepare(self, part: Path | None, answer: _Answer) -> Path:
        """Return the file to append to, empty unless the answer continues it, after looking for room."""
        if part and not answer.start:
            part.unlink()
        free = shutil.disk_usage(self._path.parent).free
        if answer.length is not None and answer.length - answer.start > free:
            raise DownloadError(_no_room(self._path.parent, answer.length - answer.start, free))
        return part if part and answer.start else self._new_part(answer.tag)

    def _receive(self, response: http.client.HTTPResponse, part: Path, answer: _Answer) -> None:
        try:
            with _storing(part), part.open("ab", buffering=0) as file, _progress(self._path, answer) as progress:
                while chunk := _read(response):
                    file.write(chunk)
                    progress.update(len(chunk))
        except DownloadError:
            if not answer.tag:  # the next attempt could not know whether it goes with this part
                part.unlink(missing_ok=True)
            raise

    def _check(self, part: Path, answer: _Answer) -> None:
        """Check length and checksum; what cannot be continued is removed."""
        n_bytes = part.stat().st_size
        if answer.length is not None and n_bytes < answer.length:
            if not answer.tag:
                part.unlink()
            message = _("the connection broke off after {count:,} of {expected:,} bytes")
            raise _BrokenOffError(message.format(count=n_bytes, expected=answer.length))
        expected = self._md5 or answer.md5
        found = md5_of(part) if expected else None
        if (answer.length is not None and n_bytes > answer.length) or found != expected:
            part.unlink()
            message = _("what arrived is damaged: {count:,} bytes with the MD5 checksum {found}, expected {expected}")
            raise DownloadError(message.format(count=n_bytes, found=found, expected=expected or answer.length))


class _RangeError(DownloadError):
    """The server has no bytes from the position on that was asked for."""


def _read_headers(response: http.client.HTTPResponse, part: Path | None) -> _Answer:
    headers, start, length = response.headers, 0, response.length
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", headers.get("Content-Range", ""))
        if not found or not part or int(found[1]) != part.stat().st_size:
            raise _RangeError(_("the server sent another part of the file than it was asked for"))
        start, length = int(found[1]), int(found[2])
    if length is None and not response.chunked:
        raise DownloadError(_("the server does not say how long the file is"))
    tag = headers.get("ETag", "")
    is_strong = tag.startswith('"') and len(quote(tag, safe="")) <= _MAX_TAG
    return _Answer(start, length, _checksum(headers), tag if is_strong else None)


def _checksum(headers: http.client.HTTPMessage) -> str | None:
    """Return the MD5 checksum of the whole file, as Baidu's and other object stores send it."""
    with contextlib.suppress(binascii.Error, ValueError):
        if (encoded := headers.get("Content-MD5")) and "Content-Range" not in headers:
            return base64.b64decode(encoded, validate=True).hex()
    tag = headers.get("ETag", "").strip('"').lower()
    is_checksum = "x-bce-request-id" in headers and re.fullmatch("[0-9a-f]{32}", tag)
    return tag if is_checksum else None


def _check_type(headers: http.client.HTTPMessage) -> None:
    if headers.get_content_type() == "text/html" and headers.get("Content-Type"):
        message = _("a web page came instead of the file; perhaps this network has a login page")
        raise DownloadError(message)


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    """Turn the errors of a connection into `DownloadError`, whose message is the reason."""
    try:
        yield
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _RangeError(f"HTTP {error.code}") from error
        kind = _BrokenOffError if error.code in _TEMPORARY_STATUSES else DownloadError
        raise kind(f"HTTP {error.code} {error.reason}") from error
    except DownloadError:
        raise
    except http.client.IncompleteRead as error:
        raise _BrokenOffError(_("the connection broke off")) from error
    except ValueError as error:  # the URL
        raise DownloadError(str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        text = _("no answer in time") if isinstance(reason, TimeoutError) else str(reason) or type(reason).__name__
        raise _BrokenOffError(text) from error


def _read(response: http.client.HTTPResponse) -> bytes:
    with _reasons():
        return response.read1(_CHUNK_BYTES)  # what has arrived, which a kill then does not lose


@contextlib.contextmanager
def _storing(path: Path) -> Iterator[None]:
    """Turn the errors of the disk into `DownloadError`; without room, what has arrived is removed."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            if path.suffix == ".part":
                path.unlink(missing_ok=True)
            raise DownloadError(_no_room(path.parent, None, shutil.disk_usage(path.parent).free)) from error
        message = _("{folder} cannot be written: {reason}; PPNLP_HOME=FOLDER chooses another one")
        raise DownloadError(message.format(folder=path.parent, reason=error.strerror or error)) from error


def _no_room(folder: Path, needed: int | None, free: int) -> str:
    if needed is None:
        return _("no room in {folder}: {free:,} bytes are free").format(folder=folder, free=free)
    message = _("no room in {folder}: {needed:,} bytes are needed, {free:,} are free")
    return message.format(folder=folder, needed=needed, free=free)


def _progress(path: Path, answer: _Answer) -> tqdm:
    """Return a progress bar, which shows only on a terminal."""
    return tqdm(
        total=answer.length, initial=answer.start, desc=path.name, unit="B", unit_scale=True, leave=False, disable=None
    )


def md5_of(path: Path) -> str:
    """Return the hexadecimal MD5 checksum of a file."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
