"""How a command of several processes ends: every rank with the exit code, only rank 0 with the message."""

from __future__ import annotations

import os
import signal
import sys

import pytest
import typer

from paddle_tasks.cli import main
from paddle_tasks.cli.launched import coordinated_exit
from paddle_tasks.errors import ConfigError, Interrupted, NonFiniteError
from paddle_tasks.training.ranks import Ranks

ENDS = [(ConfigError("wrong"), 2), (Interrupted("stopped"), 75), (NonFiniteError("nan"), 1)]


class LeftAtOnceError(Exception):
    """Raised instead of calling `os._exit`."""


@pytest.fixture
def as_rank(monkeypatch):
    """Return a function that makes this process a rank of several; restore the handler of SIGTERM afterwards."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield lambda rank, size: monkeypatch.setattr(Ranks, "from_environment", lambda: Ranks(rank, size))
    signal.signal(signal.SIGTERM, before)


def run(error: Exception | None = None) -> Ranks:
    with coordinated_exit() as ranks:
        if error:
            raise error
    return ranks


@pytest.mark.parametrize(("error", "code"), ENDS)
def test_other_ranks_exit_without_a_message(as_rank, capfd, error, code):
    as_rank(1, 2)
    with pytest.raises(typer.Exit) as ended:
        run(error)
    assert ended.value.exit_code == code
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize(("error", "code"), ENDS)
def test_rank_0_raises_the_error(as_rank, error, code, size):
    as_rank(0, size)
    with pytest.raises(type(error)) as raised:
        run(error)
    assert raised.value is error
    assert getattr(error, "exit_code", 2) == code


def test_unexpected_errors_are_raised_on_every_rank(as_rank):
    as_rank(1, 2)
    with pytest.raises(ZeroDivisionError):
        run(ZeroDivisionError())


@pytest.mark.parametrize(("size", "handler"), [(1, signal.SIG_DFL), (2, signal.SIG_IGN)])
def test_sigterm_of_the_launcher_does_not_change_the_exit_code(as_rank, size, handler):
    as_rank(0, size)
    assert run().size == size
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize(("processes", "ended"), [("1", SystemExit), ("2", LeftAtOnceError)])
def test_one_of_several_processes_exits_at_once(monkeypatch, processes, ended):
    def leave(code: int) -> None:
        raise LeftAtOnceError(code)

    monkeypatch.setenv("PADDLE_TRAINERS_NUM", processes)
    monkeypatch.setattr(os, "_exit", leave)
    monkeypatch.setattr(sys, "argv", ["paddle-tasks", "config", "nowhere.yaml"])
    with pytest.raises(ended) as exited:
        main()
    assert exited.value.args == (2,)
