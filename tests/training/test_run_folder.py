"""The folder of a run has one owner, by whatever path it is reached."""

from __future__ import annotations

import errno
import multiprocessing
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from paddle_tasks import config as configuration
from paddle_tasks.errors import CheckpointError
from paddle_tasks.training.folder_lock import FolderLock
from paddle_tasks.training.run_folder import RunFolder
from paddle_tasks.training.settings import RunSection

WAIT_SECONDS = 120
N_ROUNDS = 25


def make_config(folder: Path, seed: int = 1) -> RunSection:
    return RunSection.model_validate({"task": "toy", "seed": seed, "run_dir": str(folder), "data": {}, "model": {}})


def start(folder: Path, seed: int = 1, *, fresh: bool = False) -> Path | None:
    """Open a run folder as training does, and return the new path of the older run."""
    config = make_config(folder, seed)
    run = RunFolder.of(config)
    with run.locked() as lock:
        if not fresh:
            run.finished(config)
        return run.create(config, lock, fresh=fresh)


def seed_of(folder: Path) -> int:
    return int(configuration.read(folder / "config.yaml")["seed"])


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# ---- one owner


@pytest.mark.parametrize("exists", [False, True])
def test_the_second_process_is_refused_with_the_pid_and_host_of_the_first(tmp_path, exists):
    if exists:
        start(tmp_path / "run")
    with RunFolder(tmp_path / "run").locked(), pytest.raises(CheckpointError) as refused:
        start(tmp_path / "run")
    assert f"(pid {os.getpid()} on {platform.node()})" in str(refused.value)
    start(tmp_path / "run")


@pytest.mark.usefixtures("in_chinese")
def test_another_configuration_is_refused_in_chinese(tmp_path):
    start(tmp_path / "run", seed=1)
    with pytest.raises(CheckpointError) as refused:
        start(tmp_path / "run", seed=2)
    problem, difference, advice = str(refused.value).splitlines()
    assert problem == f"{tmp_path / 'run'}：其中的训练使用另一份配置："
    assert difference == "  seed: 1 -> 2"
    assert advice == "请换一个 run_dir，或用 --fresh 把旧的运行目录改名保留，重新训练"


def test_the_lock_leaves_nothing_behind(tmp_path):
    with RunFolder(tmp_path / "runs" / "deep" / "run").locked():
        assert visible(tmp_path / "runs" / "deep") == [".run.lock"]
    assert visible(tmp_path) == []
    start(tmp_path / "run")
    assert visible(tmp_path) == ["run"]


def test_looking_at_a_finished_run_changes_nothing_in_it(tmp_path):
    start(tmp_path / "run")
    (tmp_path / "run/.lock").unlink()
    with RunFolder(tmp_path / "run").locked():
        assert visible(tmp_path / "run") == ["config.yaml"]


def test_a_refusal_by_the_file_inside_releases_the_one_beside(tmp_path):
    start(tmp_path / "run")
    with FileLock(tmp_path / "run/.lock"), pytest.raises(CheckpointError, match="another process"):
        start(tmp_path / "run")
    assert visible(tmp_path) == ["run"]


def test_two_names_of_one_folder_have_one_lock(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    start(tmp_path / "disk/run")
    (tmp_path / "link").symlink_to("disk/run")
    names = [tmp_path / "disk/run", tmp_path / "runs/run", tmp_path / "link", tmp_path / "disk/../link"]
    for first in names:
        for second in names:
            with RunFolder(first).locked(), pytest.raises(CheckpointError, match="another process"):
                start(second)


def test_the_lock_outlives_the_renaming_of_the_folder(tmp_path):
    start(tmp_path / "run")
    run, config = RunFolder(tmp_path / "run"), make_config(tmp_path / "run", seed=2)
    with run.locked() as lock:
        moved = run.create(config, lock, fresh=True)
        with pytest.raises(CheckpointError, match="another process"):
            start(tmp_path / "run")
    assert moved == tmp_path / "run.1"
    assert (seed_of(tmp_path / "run"), seed_of(moved)) == (2, 1)


def test_a_folder_that_another_version_has_locked_is_refused(tmp_path):
    """Older versions lock the file inside the folder alone, and so do processes that reach it by another mount."""
    start(tmp_path / "run")
    with FileLock(tmp_path / "run/.lock"), pytest.raises(CheckpointError, match="another process"):
        start(tmp_path / "run")


def test_a_parent_that_cannot_be_written(tmp_path, monkeypatch):
    start(tmp_path / "run")
    real = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path).endswith(".run.lock"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    with RunFolder(tmp_path / "run").locked():
        assert not (tmp_path / ".run.lock").exists()
        with pytest.raises(CheckpointError, match=rf"\(pid {os.getpid()} on "):
            start(tmp_path / "run")
    start(tmp_path / "run")


def test_a_file_system_without_locks_is_accepted(tmp_path, monkeypatch):
    def refuse(file: Any, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    start(tmp_path / "run")
    with RunFolder(tmp_path / "run").locked():
        pass


def test_a_name_of_the_maximum_length(tmp_path):
    start(tmp_path / ("跑" * 80))
    with RunFolder(tmp_path / ("跑" * 80)).locked(), pytest.raises(CheckpointError, match="another process"):
        start(tmp_path / ("跑" * 80))


def hold_for_ever(folder: Path, held: Any) -> None:
    with FolderLock(folder):
        held.set()
        multiprocessing.Event().wait()


def test_the_lock_of_a_dead_process_refuses_nobody(tmp_path):
    context = multiprocessing.get_context("fork")
    held = context.Event()
    owner = context.Process(target=hold_for_ever, args=(tmp_path / "run", held), daemon=True)
    owner.start()
    assert held.wait(WAIT_SECONDS)
    with pytest.raises(CheckpointError, match=rf"\(pid {owner.pid} on "):
        start(tmp_path / "run")
    owner.kill()
    owner.join(WAIT_SECONDS)
    assert str(owner.pid).encode() in (tmp_path / ".run.lock").read_bytes(), "its name is still written there"
    start(tmp_path / "run")
    assert visible(tmp_path) == ["run"]


# ---- starts that meet


def meet(folder: Path, seed: int, fresh: bool, barrier: Any, report: Any) -> None:
    """Start at the same moment as the others, own the folder until all have tried, and report what was found in it."""
    config = make_config(folder, seed)
    run = RunFolder.of(config)
    barrier.wait(WAIT_SECONDS)
    try:
        with run.locked() as lock:
            if not fresh:
                run.finished(config)
            run.create(config, lock, fresh=fresh)
            barrier.wait(WAIT_SECONDS)
            outcome = "owner" if seed_of(folder) == seed else "under another configuration"
    except CheckpointError as error:
        barrier.wait(WAIT_SECONDS)
        outcome = "refused" if "another process" in str(error) else str(error)
    except BaseException as error:
        barrier.wait(WAIT_SECONDS)
        outcome = repr(error)
    report.put(outcome)


def starts_that_meet(folder: Callable[[int], Path], n_rounds: int, *, fresh: bool) -> list[list[str]]:
    """Let three processes of different seeds start at once, and return how each ended, for every round."""
    context = multiprocessing.get_context("fork")
    outcomes = []
    for number in range(n_rounds):
        barrier, report = context.Barrier(3), context.Queue()
        processes = [
            context.Process(target=meet, args=(folder(number), seed, fresh, barrier, report)) for seed in (1, 2, 3)
        ]
        for process in processes:
            process.start()
        outcomes.append(sorted(report.get(timeout=WAIT_SECONDS) for _ in processes))
        for process in processes:
            process.join(WAIT_SECONDS)
    return outcomes


@pytest.mark.long
def test_of_starts_that_meet_one_owns_the_new_folder(tmp_path):
    outcomes = starts_that_meet(lambda number: tmp_path / f"runs{number}" / "run", N_ROUNDS, fresh=False)
    assert outcomes == [["owner", "refused", "refused"]] * N_ROUNDS


@pytest.mark.long
def test_of_fresh_starts_that_meet_one_moves_the_older_run_aside(tmp_path):
    start(tmp_path / "run", seed=9)
    outcomes = starts_that_meet(lambda _: tmp_path / "run", N_ROUNDS, fresh=True)
    assert outcomes == [["owner", "refused", "refused"]] * N_ROUNDS
    assert visible(tmp_path) == sorted(["run", *[f"run.{number}" for number in range(1, N_ROUNDS + 1)]])
    assert seed_of(tmp_path / "run.1") == 9


# ---- links


def test_fresh_through_a_link_makes_a_new_folder_behind_it(tmp_path):
    (tmp_path / "R").mkdir()
    (tmp_path / "L").symlink_to("R")
    start(tmp_path / "L", seed=1)
    assert start(tmp_path / "L", seed=2, fresh=True) == tmp_path / "R.1"
    assert (seed_of(tmp_path / "R"), seed_of(tmp_path / "R.1")) == (2, 1)
    assert (tmp_path / "L").readlink() == Path("R")
    start(tmp_path / "L", seed=2)


@pytest.mark.parametrize("name", ["L", "L/run"])
@pytest.mark.parametrize("fresh", [False, True])
def test_a_link_that_leads_nowhere_is_named(tmp_path, name, fresh):
    (tmp_path / "L").symlink_to("gone")
    with pytest.raises(CheckpointError, match=rf"{tmp_path}/L is a link to gone, which does not exist"):
        start(tmp_path / name, fresh=fresh)
    assert visible(tmp_path) == ["L"]


def test_a_link_that_leads_to_itself_is_named(tmp_path):
    (tmp_path / "L").symlink_to("L")
    with pytest.raises(CheckpointError, match="is a link to L, which does not exist"):
        start(tmp_path / "L")


# ---- what is in the folder


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert RunFolder.of(make_config(Path("~/runs/a"))).path == tmp_path / "runs/a"


def test_a_run_that_ended_before_its_configuration_was_written_is_no_obstacle(tmp_path):
    (tmp_path / "run").mkdir()
    for name in (".lock", ".config.yaml.tmp", ".config.yaml.0a1b2c3d.tmp"):
        (tmp_path / "run" / name).touch()
    start(tmp_path / "run")
    assert seed_of(tmp_path / "run") == 1


@pytest.mark.parametrize("fresh", [False, True])
def test_a_folder_that_is_no_run_is_refused_and_not_touched(tmp_path, fresh):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.thesis").touch()
    with pytest.raises(CheckpointError, match="is not a run folder"):
        start(tmp_path / "run", fresh=fresh)
    assert visible(tmp_path / "run") == [".thesis"]


def test_a_broken_link_is_a_name_that_is_taken(tmp_path):
    start(tmp_path / "run")
    (tmp_path / "run.1").symlink_to("elsewhere")
    assert start(tmp_path / "run", fresh=True) == tmp_path / "run.2"
