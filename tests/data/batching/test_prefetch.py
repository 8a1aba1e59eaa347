"""Prefetching in a thread: order, errors, the number of items made ahead, and the end of the thread."""

from __future__ import annotations

import threading
import time

import pytest

from paddle_tasks.data.batching.prefetch import prefetch


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def wait_for(condition) -> None:
    for _ in range(10_000):
        if condition():
            return
        time.sleep(0.001)
    pytest.fail("the condition was never met")


@pytest.fixture(autouse=True)
def _no_thread_is_left():
    yield
    assert not threads()


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize("n_items", [0, 1, 3, 50])
def test_items_keep_their_order(n_items, enabled):
    with prefetch(iter(range(n_items)), enabled=enabled) as ready:
        assert list(ready) == list(range(n_items))
        assert list(ready) == []


def test_none_is_an_item_like_any_other():
    with prefetch(iter([None, 1, None])) as ready:
        assert list(ready) == [None, 1, None]


def test_at_most_depth_items_are_made_ahead():
    made = []
    with prefetch((made.append(n) or n for n in range(100)), depth=3) as ready:
        wait_for(lambda: len(made) == 4)  # three in the queue, one waiting for a slot
        time.sleep(0.02)
        assert len(made) == 4
        assert next(ready) == 0
        wait_for(lambda: len(made) == 5)


def test_items_are_made_in_another_thread_unless_disabled():
    def source():
        yield threading.current_thread()

    with prefetch(source()) as ready:
        assert next(ready) is not threading.main_thread()
    with prefetch(source(), enabled=False) as ready:
        assert next(ready) is threading.main_thread()
        assert not threads()


@pytest.mark.parametrize("error", [ValueError("row 3"), KeyboardInterrupt()], ids=lambda error: type(error).__name__)
def test_an_error_is_raised_in_place_of_the_item(error):
    def source():
        yield 1
        yield 2
        raise error

    with prefetch(source()) as ready:
        assert [next(ready), next(ready)] == [1, 2]
        with pytest.raises(type(error)) as caught:
            next(ready)
    assert caught.value is error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_consumer_that_fails_ends_the_thread(error):
    def consume():
        with prefetch(iter(range(1000))) as ready:
            next(ready)
            raise error

    with pytest.raises(error):
        consume()


def test_leaving_early_ends_the_thread_and_its_source_at_once():
    made = []
    for _ in range(5):
        with prefetch((made.append(n) or n for n in range(1000)), depth=2) as ready:
            next(ready)
        assert not threads()
    assert len(made) <= 5 * 5  # one consumed, two in the queue, one in the slot freed at the end, one waiting


def test_dropping_a_generator_that_uses_it_ends_the_thread():
    def consumer():
        with prefetch(iter(range(1000))) as ready:
            yield from ready

    running = consumer()
    assert next(running) == 0
    assert threads()
    del running
    assert not threads()
