"""Files and folders are replaced atomically: a failure at any point leaves the old content."""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from paddle_tasks.errors import ConfigError
from paddle_tasks.files import (
    atomic_file,
    atomic_folder,
    copy_folder,
    exists,
    expand_user,
    is_dir,
    is_file,
    list_siblings,
    nonfinite_to_null,
    remove_leftovers,
    sha256,
    short_name,
    to_json,
    write_json,
    write_text,
)


class CrashError(Exception):
    """Interrupts the writing."""


def broken(*arguments, **named):
    raise CrashError


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


# ---- files


@pytest.mark.parametrize("old", [None, "older and longer than the new one"])
def test_a_file_is_written_and_replaced(tmp_path, old):
    if old:
        (tmp_path / "file").write_text(old)
    write_text(tmp_path / "file", "新的\n")
    assert (tmp_path / "file").read_bytes() == "新的\n".encode()
    assert list(contents(tmp_path)) == ["file"]


@pytest.mark.parametrize("stage", [(os, "fsync"), (Path, "replace")])
@pytest.mark.parametrize("old", [None, "old"])
def test_a_file_stays_as_it_was_when_writing_fails(tmp_path, monkeypatch, stage, old):
    if old:
        (tmp_path / "file").write_text(old)
    monkeypatch.setattr(*stage, broken)
    with pytest.raises(CrashError):
        write_text(tmp_path / "file", "new")
    assert contents(tmp_path) == ({"file": old} if old else {})


@pytest.mark.parametrize("old", [None, "old"])
def test_a_file_written_in_a_block_takes_its_place_at_the_end(tmp_path, old):
    if old:
        (tmp_path / "file").write_text(old)
    with atomic_file(tmp_path / "file") as temporary:
        temporary.write_text("new")
        assert contents(tmp_path).get("file") == old
    assert contents(tmp_path) == {"file": "new"}


@pytest.mark.parametrize("stage", [None, (os, "fsync"), (Path, "replace")])
@pytest.mark.parametrize("old", [None, "old"])
def test_a_block_that_fails_leaves_the_old_file(tmp_path, monkeypatch, stage, old):
    if old:
        (tmp_path / "file").write_text(old)
    if stage:
        monkeypatch.setattr(*stage, broken)

    def write():
        with atomic_file(tmp_path / "file") as temporary:
            temporary.write_text("new")
            broken() if stage is None else None

    with pytest.raises(CrashError):
        write()
    assert contents(tmp_path) == ({"file": old} if old else {})


def test_two_processes_may_write_the_same_file_at_once(tmp_path):
    with atomic_file(tmp_path / "file") as first, atomic_file(tmp_path / "file") as second:
        first.write_text("one")
        second.write_text("two")
    assert contents(tmp_path) == {"file": "one"}


def test_a_text_that_cannot_be_encoded_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "file", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "file", "\ud800")
    assert contents(tmp_path) == {"file": "old"}


def test_the_new_content_is_on_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    order = []
    for owner, name in ((os, "fsync"), (Path, "replace")):
        original = getattr(owner, name)
        monkeypatch.setattr(owner, name, recording_calls(order, name, original))
    write_text(tmp_path / "file", "new")
    assert order == ["fsync", "replace"]


def recording_calls(order: list[str], name: str, original: Callable) -> Callable:
    def recorded(*arguments):
        order.append(name)
        return original(*arguments)

    return recorded


def test_json_is_readable_and_keeps_chinese(tmp_path):
    write_json(tmp_path / "file", {"标签": [1, 0.5]})
    text = (tmp_path / "file").read_text(encoding="utf-8")
    assert "标签" in text
    assert json.loads(text) == {"标签": [1, 0.5]}


@pytest.mark.parametrize("size", [0, 5, 1 << 20, (1 << 20) + 3])
def test_sha256(tmp_path, size):
    data = bytes(number % 251 for number in range(size))
    (tmp_path / "file").write_bytes(data)
    assert sha256(tmp_path / "file") == hashlib.sha256(data).hexdigest()


# ---- folders


def make(path: Path, text: str, then: Callable[[], None] = lambda: None) -> None:
    with atomic_folder(path) as temporary:
        (temporary / "inner").mkdir()
        (temporary / "inner/file").write_text(text)
        then()


def test_a_folder_is_made_with_its_parents_and_replaced_whole(tmp_path):
    folder = tmp_path / "parent/folder"
    make(folder, "old")
    (folder / "extra").write_text("only in the old one")
    make(folder, "new")
    assert contents(tmp_path) == {"parent/folder/inner/file": "new"}


def test_the_folder_appears_when_the_block_ends(tmp_path):
    with atomic_folder(tmp_path / "folder"):
        assert not (tmp_path / "folder").exists()
    assert (tmp_path / "folder").is_dir()


@pytest.mark.parametrize("error", [CrashError, KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
@pytest.mark.parametrize("old", [True, False])
def test_a_folder_stays_as_it_was_when_its_block_fails(tmp_path, error, old):
    if old:
        make(tmp_path / "folder", "old")

    def fail():
        raise error

    with pytest.raises(error if isinstance(error, type) else OSError):
        make(tmp_path / "folder", "new", fail)
    assert contents(tmp_path) == ({"folder/inner/file": "old"} if old else {})
    assert [path.name for path in tmp_path.iterdir()] == ["folder"] * old


@pytest.mark.parametrize("failing", [1, 2])
def test_a_crash_between_the_renames_loses_neither_folder_for_good(tmp_path, monkeypatch, failing):
    """The process dies before the old folder has made room, or before the new one has taken its place."""
    folder, calls, rename = tmp_path / "folder", [], Path.rename
    make(folder, "old")

    def rename_until(path, target):
        calls.append(path)
        return broken() if len(calls) == failing else rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename_until)
        with pytest.raises(CrashError):
            make(folder, "new")
    with pytest.raises(CrashError):
        make(folder, "new", broken)
    assert contents(tmp_path) == {"folder/inner/file": "old"}
    make(folder, "new")
    assert contents(tmp_path) == {"folder/inner/file": "new"}


def test_leftovers_of_a_process_that_was_killed_are_cleared(tmp_path):
    for name in (".folder.tmp", ".folder.old"):
        make(tmp_path / name, "rubbish")
    make(tmp_path / "folder", "old")
    make(tmp_path / ".folder.old", "rubbish")
    make(tmp_path / "folder", "new")
    assert contents(tmp_path) == {"folder/inner/file": "new"}


def test_everything_in_a_folder_is_on_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    synced, original, at_rename = set(), os.fsync, []

    def fsync(descriptor):
        synced.add(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        original(descriptor)

    rename = Path.rename
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", lambda path, target: (at_rename.append(set(synced)), rename(path, target)))
    make(tmp_path / "folder", "new")
    assert at_rename == [{"file", "inner", ".folder.tmp"}]
    assert tmp_path.name in synced


# ---- copies


def test_a_copy_is_equal_and_replaces_an_older_one(tmp_path):
    make(tmp_path / "source", "new")
    make(tmp_path / "target", "old")
    copy_folder(tmp_path / "source", tmp_path / "target")
    assert contents(tmp_path / "target") == contents(tmp_path / "source") == {"inner/file": "new"}


@pytest.mark.parametrize("can_link", [True, False])
def test_a_copy_outlives_its_source(tmp_path, monkeypatch, can_link):
    if not can_link:
        monkeypatch.setattr(os, "link", refused)
    make(tmp_path / "source", "text")
    copy_folder(tmp_path / "source", tmp_path / "target")
    (tmp_path / "source/inner/file").unlink()
    assert contents(tmp_path / "target") == {"inner/file": "text"}


def refused(*arguments):
    raise OSError(errno.EXDEV, "Invalid cross-device link")


def test_a_link_is_written_through(tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write_text(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


@pytest.mark.parametrize(("folders_only", "expected"), [(False, ["a/b.tsv", "a/runs"]), (True, ["a/runs"])])
def test_siblings_of_a_missing_path_are_listed(tmp_path, monkeypatch, folders_only, expected):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a/runs/1").mkdir(parents=True)
    (tmp_path / "a/b.tsv").touch()
    assert sorted(list_siblings(Path("a/x"), folders_only=folders_only)) == expected
    assert list_siblings(Path("nowhere/x"), folders_only=folders_only) == []
    assert list_siblings(Path("a/b.tsv/x"), folders_only=folders_only) == []


@pytest.mark.parametrize("name", ["房间" * 200, "a" * 300, "runs/" + "a" * 300, "a\0b", "/".join(["a" * 200] * 30)])
def test_a_name_that_no_file_can_have_is_no_file(name):
    path = Path(name)
    assert [exists(path), is_file(path), is_dir(path)] == [False] * 3
    assert list_siblings(Path(f"{name}/x")) == []


def test_files_and_folders(tmp_path):
    (tmp_path / "a").write_text("")
    assert [exists(tmp_path / "a"), is_file(tmp_path / "a"), is_dir(tmp_path / "a")] == [True, True, False]
    assert [exists(tmp_path), is_file(tmp_path), is_dir(tmp_path)] == [True, False, True]
    assert list_siblings(tmp_path / "x") == [str(tmp_path / "a")]


def test_a_name_in_a_message():
    path = "/".join(["folder"] * 40)
    assert short_name(path) == path
    assert short_name(f"runs/{'房间' * 200}/config.yaml") == f"runs/{'房间' * 39}房…/config.yaml"
    assert len(short_name("a/" * 3000)) == 80
    assert short_name("a\nb\0") == "a\\nb\\0"


# ---- JSON, paths of the home folder, and several processes


NUMBERS = {"a": math.nan, "b": [math.inf, 1.5, {"c": -math.inf}], "d": (math.nan, "NaN"), "e": None}


def test_json_holds_no_nan(tmp_path):
    expected = {"a": None, "b": [None, 1.5, {"c": None}], "d": [None, "NaN"], "e": None}
    write_json(tmp_path / "a.json", NUMBERS)
    for text in (to_json(NUMBERS), (tmp_path / "a.json").read_text(encoding="utf-8")):
        assert json.loads(text, parse_constant=broken) == expected
    assert nonfinite_to_null(NUMBERS) == expected
    assert to_json({"a": 0.1, "b": "好"}) == '{"a": 0.1, "b": "好"}'


def test_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_user("~/a") == tmp_path / "a"
    assert expand_user("~") == tmp_path
    assert expand_user("a/~/b") == Path("a/~/b")
    with pytest.raises(ConfigError, match="~nobody-of-that-name stands for is unknown"):
        expand_user("~nobody-of-that-name/a")


def test_two_processes_that_write_one_file_have_temporary_files_of_their_own(monkeypatch, tmp_path):
    """A second writer comes and goes while the first has not yet renamed its file."""
    replace, names = Path.replace, []

    def replace_late(temporary: Path, target: Path) -> Path:
        names.append(temporary.name)
        if len(names) == 1:
            write_text(tmp_path / "file", "second")
        return replace(temporary, target)

    monkeypatch.setattr(Path, "replace", replace_late)
    write_text(tmp_path / "file", "first")
    assert contents(tmp_path) == {"file": "first"}
    assert len(set(names)) == 2


def test_a_name_of_the_maximum_length_is_written(tmp_path):
    write_text(tmp_path / ("名" * 85), "x")
    assert list(contents(tmp_path)) == ["名" * 85]


def test_what_killed_writes_have_left_is_removed(tmp_path):
    for name in (".a.json.1f2e3d4c.tmp", ".hidden", "b.tmp", ".lock"):
        (tmp_path / name).touch()
    for name in (".model.tmp", ".model.old", "model", ".other.old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".hidden", ".lock", "b.tmp", "model", "other"]
    assert (tmp_path / "other/.other.old").exists(), "the folder that was about to be replaced is the only one"
    remove_leftovers(tmp_path / "nowhere")
