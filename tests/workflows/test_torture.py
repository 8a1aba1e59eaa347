"""A run that is killed at its n-th file operation ends, when it is started again, as if nothing had happened.

Each run is a forked child of this process, in which Paddle is loaded. Python reports every file that it opens, renames
or removes to an audit hook, which ends the child at once: no file is closed, and no clean-up is done.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from paddle_tasks.workflows.train import train

from .snapshot import differing, snapshot

EVERY = "PADDLE_TASKS_TORTURE"
"""The environment variable that ``make torture`` sets: try every so many file operations."""
KILLED = 99
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def in_child(act: Callable[[], None]) -> int:
    """Run a function in a forked child and return its exit code."""
    child = os.fork()
    if child == 0:
        try:
            act()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Killer:
    """An audit hook that ends the process at its n-th operation on a file below a folder.

    Args:
        folder: the folder.
        number: n, from 1; 0 only counts.
    """

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number, self.count = str(folder), number, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event not in EVENTS or not isinstance(arguments[0], (str, os.PathLike)):
            return
        if event == "open" and not arguments[2] & WRITING:
            return
        if os.fspath(arguments[0]).startswith(self.folder):
            self.count += 1
            if self.count == self.number:
                os._exit(KILLED)


def run(config: dict[str, Any], number: int, result: Path) -> int:
    """Train in a child, kill it at an operation, and write the count of operations and the snapshot otherwise."""
    folder = Path(config["run_dir"])

    def act() -> None:
        killer = Killer(folder, number)
        sys.addaudithook(killer)
        train(config, progress=False)
        count = killer.count
        result.write_bytes(pickle.dumps((count, snapshot(folder))))

    return in_child(act)


def leftovers(folder: Path) -> list[str]:
    """Return what interrupted writes have left: temporary and replaced files, and locks."""
    return sorted(path.name for path in folder.rglob(".*") if path.name != ".lock")


@pytest.fixture(scope="module")
def whole(small_config, tmp_path_factory) -> tuple[int, dict[str, Any]]:
    """Return the number of file operations of a run, and its snapshot."""
    folder = tmp_path_factory.mktemp("whole")
    assert run(config_in(small_config, folder), 0, folder / "result") == 0
    count, taken = pickle.loads((folder / "result").read_bytes())
    return count, taken


def config_in(small_config: Callable[..., dict[str, Any]], folder: Path) -> dict[str, Any]:
    return small_config(folder, training={"epochs": 2, "batch_size": 8, "save_every_steps": 2, "keep_checkpoints": 1})


def kill_points(count: int) -> Iterator[int]:
    every = int(os.environ.get(EVERY, max(1, count // 6)))
    yield from range(1, count + 1, every)


@pytest.mark.long
def test_a_run_that_is_killed_at_any_file_operation_ends_the_same(small_config, tmp_path, whole):
    count, expected = whole
    assert count > 50
    problems = []
    for number in kill_points(count):
        folder = tmp_path / str(number)
        folder.mkdir()
        config = config_in(small_config, folder)
        assert run(config, number, folder / "result") == KILLED
        assert not (folder / "result").exists()
        code = run(config, 0, folder / "result")
        found = differing(pickle.loads((folder / "result").read_bytes())[1], expected) if code == 0 else {"no result"}
        if found or leftovers(folder):
            problems.append((number, found, leftovers(folder)))
    assert problems == []


def test_the_hook_counts_operations_and_kills(tmp_path):
    def act() -> None:
        sys.addaudithook(Killer(tmp_path, 3))
        (tmp_path / "a").write_text("a", encoding="utf-8")
        (tmp_path / "a").read_text(encoding="utf-8")
        (tmp_path / "a").rename(tmp_path / "b")
        (tmp_path / "b").unlink()

    assert in_child(act) == KILLED
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
