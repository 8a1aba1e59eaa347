"""Training that is stopped before its first step: it writes nothing, exits with 75, and the same command starts it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from paddle_tasks import runtime
from paddle_tasks.errors import Interrupted
from paddle_tasks.tasks.sentiment.task import SentimentTask
from paddle_tasks.training.stopping import resumable
from paddle_tasks.workflows import train as training

from .conftest import QUICK

MESSAGE = "paddle-tasks: stopped; run the same command again to continue\n"
each_signal = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@pytest.fixture
def stop_at(monkeypatch):
    """Return a function that makes the next call of a function raise a signal first."""

    def arm(owner, name, number):
        original, left = getattr(owner, name), [number]

        def stopped(*arguments, **options):
            if left:
                signal.raise_signal(left.pop())
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, stopped)

    # Not what pytest was started with: SIGTERM would end pytest itself, and in the background Ctrl-C is ignored.
    handlers = {signal.SIGTERM: lambda *_: pytest.fail("nobody handles it"), signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield arm
    for number, handler in before.items():
        signal.signal(number, handler)


@each_signal
@pytest.mark.parametrize("place", [(runtime, "import_paddle"), (SentimentTask, "read"), (training, "build_optimizer")])
def test_training_stopped_before_its_first_step_starts_with_the_same_command(cli, settings, stop_at, place, number):
    handler = signal.getsignal(signal.SIGTERM)
    stop_at(*place, number)
    outcome = cli("train", QUICK, *settings, "training.epochs=1")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (75, "", MESSAGE)
    assert signal.getsignal(signal.SIGTERM) is handler
    assert not Path("runs").exists()
    if place[1] == "build_optimizer":
        again = cli("train", QUICK, *settings, "training.epochs=1")
        assert again.code == 0, again.stderr
        assert "continuing" not in again.stderr


@each_signal
def test_a_sweep_stopped_before_its_first_run(cli, settings, stop_at, number):
    stop_at(runtime, "import_paddle", number)
    outcome = cli("sweep", QUICK, *settings, "--seeds", "1")
    assert (outcome.code, outcome.stdout, outcome.stderr) == (75, "", MESSAGE)


def test_ctrl_c_elsewhere_exits_with_130(cli, stop_at):
    stop_at(runtime, "import_paddle", signal.SIGINT)
    outcome = cli("config", QUICK)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (130, "", "paddle-tasks: stopped\n")


@pytest.mark.parametrize(("processes", "error"), [("", Interrupted), ("1", Interrupted), ("2", KeyboardInterrupt)])
def test_processes_of_one_run_are_left_to_their_launcher(monkeypatch, processes, error):
    monkeypatch.setenv("PADDLE_TRAINERS_NUM", processes)
    handler = signal.getsignal(signal.SIGTERM)

    @resumable()
    def stopped():
        assert (signal.getsignal(signal.SIGTERM) is handler) == (error is KeyboardInterrupt)
        raise KeyboardInterrupt

    with pytest.raises(error):
        stopped()
    assert signal.getsignal(signal.SIGTERM) is handler
