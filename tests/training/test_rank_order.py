"""`Ranks.run_rank_0_first`, with two threads that meet at a barrier in place of two processes."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from paddle_tasks.errors import DataError, RunStopped
from paddle_tasks.training import ranks as ranks_module
from paddle_tasks.training.ranks import Ranks


class Meeting:
    """Exchanges values between two ranks that run as threads; a rank that waits longer than ``timeout`` gives up.

    Attributes:
        events: what the ranks did, in order of time.
        n_exchanges: number of exchanges.
    """

    def __init__(self, timeout: float = 5.0) -> None:
        self.events: list[str] = []
        self.n_exchanges = 0
        self._barrier = threading.Barrier(2, timeout=timeout)
        self._said: dict[int, Any] = {}

    def exchange(self, rank: int, value: Any) -> list[Any]:
        self._said[rank] = value
        self._barrier.wait()
        values = [self._said[0], self._said[1]]
        self.n_exchanges += rank == 0
        self._barrier.wait()
        return values


@dataclass(frozen=True)
class MetRank(Ranks):
    """A rank that exchanges values in a `Meeting`."""

    size: int = 2
    meeting: Meeting = field(default_factory=Meeting)

    def gather_numbers(self, values: Any) -> np.ndarray:
        return np.array(self.meeting.exchange(self.rank, list(values)), float)

    def gather_objects(self, value: Any) -> list[Any]:
        return self.meeting.exchange(self.rank, value)


def run_two_ranks(meeting: Meeting, *work: Any) -> list[BaseException | None]:
    """Run the work of two ranks, rank 0 first, and return the error of each rank."""
    ends: list[BaseException | None] = [None, None]

    def run(rank: int) -> None:
        try:
            MetRank(rank, meeting=meeting).run_rank_0_first(work[rank])
        except BaseException as error:
            ends[rank] = error

    threads = [threading.Thread(target=run, args=(rank,), daemon=True) for rank in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return ends


def noting(meeting: Meeting, rank: int, seconds: float = 0.0, error: BaseException | None = None) -> Any:
    def work() -> None:
        meeting.events.append(f"{rank} begins")
        time.sleep(seconds)
        meeting.events.append(f"{rank} ends")
        if error:
            raise error

    return work


def test_rank_0_is_done_before_the_others_begin(monkeypatch):
    monkeypatch.setattr(ranks_module, "HEARTBEAT_SECONDS", 0.01)
    meeting = Meeting()
    assert run_two_ranks(meeting, noting(meeting, 0, 0.1), noting(meeting, 1, 0.1)) == [None, None]
    assert meeting.events == ["0 begins", "0 ends", "1 begins", "1 ends"]


@pytest.mark.parametrize("slow", [0, 1])
def test_work_may_take_longer_than_the_exchange_timeout(monkeypatch, slow):
    monkeypatch.setattr(ranks_module, "HEARTBEAT_SECONDS", 0.05)
    meeting = Meeting(timeout=0.5)
    work = [noting(meeting, rank, 1.0 if rank == slow else 0.0) for rank in (0, 1)]
    assert run_two_ranks(meeting, *work) == [None, None]
    assert meeting.n_exchanges > 10
    monkeypatch.setattr(ranks_module, "HEARTBEAT_SECONDS", 1.5)  # and without signs of life the ranks give up
    ends = run_two_ranks(Meeting(timeout=0.5), *work)
    assert {type(end) for end in ends} == {threading.BrokenBarrierError}


def test_heartbeats_come_well_before_gloo_gives_up():
    assert ranks_module.HEARTBEAT_SECONDS <= 30 / 3


@pytest.mark.parametrize(
    ("errors", "kind", "message", "events"),
    [
        ((DataError("no such file"), None), DataError, "^no such file$", ["0 begins", "0 ends"]),
        ((None, DataError("mine")), DataError, "^process 1 of 2: mine$", ["0 begins", "0 ends", "1 begins", "1 ends"]),
        (
            (ValueError("a bug"), None),
            RunStopped,
            "process 0 of 2 failed\n(?s:.*)in work\n(?s:.*)ValueError: a bug",
            None,
        ),
        (
            (None, ValueError("a bug")),
            RunStopped,
            "process 1 of 2 failed\n(?s:.*)in work\n(?s:.*)ValueError: a bug",
            None,
        ),
        ((SystemExit(3), None), RunStopped, "process 0 of 2 failed\n(?s:.*)SystemExit: 3", None),
    ],
)
def test_an_error_on_one_rank_is_raised_on_all(monkeypatch, errors, kind, message, events):
    monkeypatch.setattr(ranks_module, "HEARTBEAT_SECONDS", 0.01)
    meeting = Meeting()
    ends = run_two_ranks(meeting, *(noting(meeting, rank, error=errors[rank]) for rank in (0, 1)))
    for end in ends:
        assert type(end) is kind
        with pytest.raises(kind, match=message):
            raise end
    assert events is None or meeting.events == events  # after an error of rank 0 the others do not begin


def test_a_single_process_works_in_its_own_thread(monkeypatch):
    monkeypatch.setattr(ranks_module, "BackgroundCall", lambda work: pytest.fail("no thread is needed"))
    seen = []
    Ranks().run_rank_0_first(lambda: seen.append(threading.current_thread()))
    assert seen == [threading.current_thread()]
    error = ValueError("as it is")
    with pytest.raises(ValueError, match="as it is") as caught:
        Ranks().run_rank_0_first(noting(Meeting(), 0, error=error))
    assert caught.value is error
