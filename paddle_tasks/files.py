"""Atomic writes of files and folders, checksums, and JSON lines."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paddle_tasks.errors import ConfigError, DataError, UserError
from paddle_tasks.language import _
from paddle_tasks.operating_system import patiently, sync

_MAX_PREFIX = 40
"""Characters of a file's name that the name of its temporary file keeps; a name has a maximum length."""
_MAX_NAME_BYTES, _MAX_PATH_BYTES = 255, 4096
"""The longest name of a file, and the longest path, on usual file systems."""
_MAX_SHOWN = 80
"""Characters of a longer name in a message."""
MAX_SETTINGS_BYTES, MAX_JSON_DEPTH = 16 << 20, 100
"""The limits of a JSON file of settings or results."""


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, atomically as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically: to a temporary file in the same folder, synced to disk and then renamed.

    An existing path that is not a regular file (a link, a pipe, /dev/stdout) is written to, not replaced.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_bytes(content)
        return
    temporary = path.with_name(f".{path.name[:_MAX_PREFIX]}.{secrets.token_hex(4)}.tmp")  # others may write it too
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        patiently(temporary.replace, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, atomically; see `to_json`."""
    write_text(path, to_json(value, indent=2) + "\n")


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Return a value as JSON, whose numbers are finite: NaN and the infinities become null.

    ``json.dumps`` would write NaN and Infinity, which are not JSON and which strict readers refuse.
    """
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False)
    except ValueError:
        return json.dumps(nonfinite_to_null(value), ensure_ascii=False, indent=indent, allow_nan=False)


def nonfinite_to_null(value: Any) -> Any:
    """Return a JSON value with None in place of NaN and the infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {nonfinite_to_null(key): nonfinite_to_null(inner) for key, inner in value.items()}
    return [nonfinite_to_null(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def expand_user(path: str | Path) -> Path:
    """Return a path with ``~`` or ``~USER`` at its beginning replaced by the home folder.

    Raises:
        ConfigError: the home folder of that user is unknown.
    """
    expanded = Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises RuntimeError
    if str(expanded).startswith("~") and not expanded.exists():
        raise ConfigError(
            _("{path}: the home folder that {name} stands for is unknown; write the whole path").format(
                path=path, name=expanded.parts[0]
            )
        )
    return expanded


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file that replaces ``path`` when the block succeeds.

    Several processes may write the same file at once: each has its own temporary file, and the last one wins.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        sync(temporary)
        patiently(temporary.replace, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def default_file_mode(path: Path) -> Iterator[None]:
    """Give the file that the block writes the default mode; safetensors would make it readable by its owner only."""
    path.touch()
    mode = stat.S_IMODE(path.stat().st_mode)
    yield
    path.chmod(mode)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces ``path`` when the block succeeds.

    An existing folder at ``path`` is kept until then. If the block raises, the temporary folder is removed.
    """
    temporary, old = path.with_name(f".{path.name}.tmp"), path.with_name(f".{path.name}.old")
    if old.exists() and not path.exists():  # a crash between the two renames below
        old.rename(path)
    for leftover in (temporary, old):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in (*temporary.rglob("*"), temporary):
            sync(file)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    if path.exists():
        patiently(path.rename, old)
    patiently(temporary.rename, path)
    sync(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files and folders that writes have left in a folder because the process was killed.

    A folder that was about to be replaced is put back. Nobody else may be writing into the folder.
    """
    for path in folder.glob(".*"):
        if path.suffix == ".old" and not (replaced := path.with_name(path.stem.removeprefix("."))).exists():
            path.rename(replaced)
        elif path.suffix in {".tmp", ".old"}:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def is_file(path: Path) -> bool:
    """Return whether there is a regular file; False for a name that no file can have, see `exists`."""
    return exists(path) and path.is_file()


def is_dir(path: Path) -> bool:
    """Return whether there is a folder; False for a name that no folder can have, see `exists`."""
    return exists(path) and path.is_dir()


def exists(path: Path) -> bool:
    """Return whether there is a file or folder; False for a name that none can have.

    Such a name is too long or contains a NUL character: often a text that was given in place of a name. `Path.exists`
    raises an error for it.
    """
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def short_name(name: str | Path) -> str:
    """Return a name for a message on one line; a part that is too long for the name of a file is cut."""
    visible = str(name).replace("\0", "\\0").replace("\n", "\\n")
    return _cut("/".join(_cut(part, _MAX_NAME_BYTES) for part in visible.split("/")), _MAX_PATH_BYTES)


def _cut(text: str, max_bytes: int) -> str:
    is_short = len(text.encode("utf-8", errors="surrogatepass")) <= max_bytes
    return text if is_short else f"{text[: _MAX_SHOWN - 1]}…"


def list_siblings(path: Path, *, folders_only: bool = False) -> list[str]:
    """Return the paths in the folder of ``path``: the candidates for what a mistyped path may have meant.

    There are none for a name that no file can have.
    """
    try:
        return [str(entry) for entry in path.parent.glob("*") if not folders_only or entry.is_dir()]
    except (OSError, ValueError):
        return []


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file, read in chunks of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder atomically, replacing ``target``; files become hard links where the file system allows them."""
    with atomic_folder(target) as temporary:
        shutil.copytree(source, temporary, copy_function=_link_or_copy, dirs_exist_ok=True)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def read_settings_text(path: Path, error: type[UserError] = DataError) -> str:
    """Return the text of a file of settings or results, in UTF-8.

    Raises:
        UserError: the file is not UTF-8, or larger than any such file; ``error`` is the class.
    """
    n_bytes = path.stat().st_size
    if n_bytes > MAX_SETTINGS_BYTES:
        message = _("{file}: {count:,} bytes, expected at most {limit:,} in a file of settings or results")
        raise error(message.format(file=path, count=n_bytes, limit=MAX_SETTINGS_BYTES))
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise error(_("{file}: not UTF-8 text at byte {byte}").format(file=path, byte=problem.start)) from None


def parse_json(text: str) -> Any:
    """Return the value that a JSON text holds.

    Raises:
        ValueError: the text is not JSON, or has more than `MAX_JSON_DEPTH` levels of lists and objects.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(_too_deep()) from None
    if text.count("[") + text.count("{") > MAX_JSON_DEPTH and _is_deeper(value, MAX_JSON_DEPTH):
        raise ValueError(_too_deep())
    return value


def _too_deep() -> str:
    return _("more than {limit} levels of lists and objects").format(limit=MAX_JSON_DEPTH)


def _is_deeper(value: Any, limit: int) -> bool:
    """Return whether lists and objects are nested deeper; recursion would fail for what is much deeper."""
    level = [value]
    for _depth in range(limit + 1):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def read_json(path: Path, error: type[UserError] = DataError) -> Any:
    """Return the value that a JSON file of settings or results holds.

    Raises:
        UserError: the file is not valid JSON, not UTF-8, or larger than any such file; ``error`` is the class.
    """
    try:
        return parse_json(read_settings_text(path, error))
    except ValueError as problem:
        raise error(_("{file}: not valid JSON ({problem})").format(file=path, problem=problem)) from None


def read_json_object(path: Path, error: type[UserError] = DataError) -> dict[str, Any]:
    """Return the object that a JSON file of settings or results holds.

    Raises:
        UserError: as in `read_json`, or the file holds something else.
    """
    content = read_json(path, error)
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise error(_("{file}: expected a JSON object, found a {kind}").format(file=path, kind=kind))
    return content


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON-lines file; an empty list if there is no such file.

    Lines that are not JSON objects are skipped, such as the last line of a file that is still being written.
    """
    return list(iterate_json_lines(path))


def iterate_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what `read_json_lines` returns, one object after the other."""
    if not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            value = _json_object(line)
            if value is not None:
                yield value


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        value = parse_json(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
