"""Settings of the process that other code has changed, the random generator, and the place for a training."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import paddle
import pytest

from paddle_tasks import runtime
from paddle_tasks.errors import SetupError
from paddle_tasks.process_state import default_settings, random_generator, training_slot

WAIT = 60
"""Seconds after which a test fails instead of hanging."""


def in_a_thread(function: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result(timeout=WAIT)


@pytest.fixture
def restored():
    """Restores what a test sets."""
    errors = np.geterr()
    yield
    np.seterr(**errors)
    paddle.set_default_dtype("float32")
    paddle.disable_static()


def current() -> tuple[str, str, bool]:
    return paddle.get_default_dtype(), np.geterr()["under"], paddle.is_grad_enabled()


# ---- settings


@pytest.mark.usefixtures("restored")
def test_settings_are_the_default_ones_within_the_block_and_restored_after_it():
    paddle.set_default_dtype("float64")
    np.seterr(all="raise")
    with paddle.no_grad():
        with default_settings():
            assert current() == ("float32", "ignore", True)
            assert np.exp(np.float32(-200)) == 0
        assert current() == ("float64", "raise", False)
        with pytest.raises(KeyError), default_settings():
            raise KeyError
        assert current() == ("float64", "raise", False)


@pytest.mark.usefixtures("restored")
def test_the_last_thread_restores_the_default_dtype():
    paddle.set_default_dtype("float64")
    inside, leave = threading.Event(), threading.Event()

    def stay() -> str:
        with default_settings():
            inside.set()
            assert leave.wait(WAIT)
            return str(paddle.get_default_dtype())

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(stay)
        assert inside.wait(WAIT)
        with default_settings():
            pass
        assert paddle.get_default_dtype() == "float32"  # the other thread still needs it
        leave.set()
        assert other.result(WAIT) == "float32"
    assert paddle.get_default_dtype() == "float64"


@pytest.mark.usefixtures("restored")
def test_static_mode_is_refused():
    paddle.enable_static()
    with (
        pytest.raises(SetupError, match=r"Paddle is in static mode.*call paddle\.disable_static\(\)"),
        default_settings(),
    ):
        pass
    paddle.disable_static()
    with default_settings():
        pass


# ---- the random generator


def test_threads_take_turns_with_the_generator():
    """A thread that waits comes before one that releases the generator and wants it again at once."""
    order: list[str] = []
    is_waiting = threading.Event()

    def use_once() -> None:
        is_waiting.set()
        with random_generator():
            order.append("other")

    with ThreadPoolExecutor(1) as pool:
        with random_generator():
            other = pool.submit(use_once)
            assert is_waiting.wait(WAIT)
            assert not order
        while not other.done():
            with random_generator():
                order.append("again")
        other.result()
    assert "other" in order


def test_uses_of_the_generator_can_be_nested():
    """A task may load another model while its own is being built."""
    is_waiting = threading.Event()

    def use_once() -> None:
        is_waiting.set()
        with random_generator():
            pass

    with ThreadPoolExecutor(1) as pool, random_generator():
        other = pool.submit(use_once)
        assert is_waiting.wait(WAIT)
        with random_generator():
            pass
        assert not other.done()


# ---- one training


def test_there_is_one_place_for_a_training():
    def train() -> None:
        with training_slot("runs/second"):
            pass

    message = r"runs/second: a training is running in this process already \(runs/first\)"
    with training_slot("runs/first"):
        for refused in (train, lambda: in_a_thread(train)):
            with pytest.raises(SetupError, match=message):
                refused()
    train()
    with pytest.raises(KeyError), training_slot("runs/first"):
        raise KeyError
    in_a_thread(train)


@pytest.fixture
def devices(monkeypatch):
    """A machine with two GPUs; returns the devices that are set."""
    chosen: list[str] = []
    monkeypatch.setattr(paddle.device, "set_device", chosen.append)
    monkeypatch.setattr(paddle.device.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(paddle, "is_compiled_with_cuda", lambda: True)
    return chosen


def test_a_model_beside_a_training_uses_its_device(devices):
    with training_slot("runs/one"):
        in_a_thread(lambda: runtime.use_device("gpu:1"))  # the training has not chosen yet
        runtime.use_device("cpu")
        for use in (runtime.use_device, lambda device: in_a_thread(lambda: runtime.use_device(device))):
            assert use("auto") == "cpu"
            for device in ("gpu", "gpu:1"):
                with pytest.raises(SetupError, match=rf"--device {device}(:0)?: the training .*\(runs/one\) uses cpu"):
                    use(device)
    assert runtime.use_device("auto") == "gpu"
    assert set(devices) == {"gpu:1", "cpu", "gpu"}
    with training_slot("runs/two"):
        runtime.use_device("gpu")
        assert runtime.use_device("gpu:0") == "gpu:0"
        with pytest.raises(SetupError, match="uses gpu:0"):
            runtime.use_device("cpu")
