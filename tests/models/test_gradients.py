"""Computing without gradients, in several threads at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import paddle

from paddle_tasks.models.gradients import without_gradients

WAIT = 60
"""Seconds after which a test fails instead of hanging."""


def test_gradients_are_off_in_the_function_and_as_before_after_it():
    @without_gradients
    def state(fails: bool = False) -> bool:
        """Return whether there are gradients."""
        if fails:
            raise KeyError
        return paddle.is_grad_enabled()

    assert state.__doc__ == "Return whether there are gradients."
    assert (state(), paddle.is_grad_enabled()) == (False, True)
    with paddle.no_grad():
        assert (state(), paddle.is_grad_enabled()) == (False, False)
    try:
        state(fails=True)
    except KeyError:
        assert paddle.is_grad_enabled()


def overlap(decorate) -> bool:
    """Return whether a thread has gradients after a call that a call in a thread without gradients overlaps."""
    inside, other_is_inside = threading.Event(), threading.Event()

    @decorate
    def call(own: threading.Event, other: threading.Event) -> None:
        own.set()
        assert other.wait(WAIT)

    def call_without_gradients() -> None:
        with paddle.no_grad():
            assert inside.wait(WAIT)
            call(other_is_inside, inside)

    def call_with_gradients() -> bool:
        call(inside, other_is_inside)
        return bool(paddle.is_grad_enabled())

    with ThreadPoolExecutor(2) as pool:
        other, own = pool.submit(call_without_gradients), pool.submit(call_with_gradients)
        other.result(WAIT)
        return own.result(WAIT)


def test_calls_in_other_threads_change_nothing():
    assert overlap(without_gradients)
    assert not overlap(paddle.no_grad())  # a control: Paddle's own decorator does not
