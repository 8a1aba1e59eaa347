"""What belongs to the whole process: settings of Paddle and numpy, the random generator, the one training at a time.

Paddle is imported when it is needed, since this module is loaded with the package.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paddle_tasks.errors import SetupError
from paddle_tasks.language import _


class _Float32Default:
    """Keeps Paddle's default dtype at float32 while a thread needs it; the last one restores what was set before."""

    def __init__(self) -> None:
        self._lock, self._n_users, self._before = threading.Lock(), 0, "float32"

    @contextlib.contextmanager
    def __call__(self, paddle: Any) -> Iterator[None]:
        with self._lock:
            if not self._n_users:
                self._before = paddle.get_default_dtype()
            self._n_users += 1
            paddle.set_default_dtype("float32")
        try:
            yield
        finally:
            with self._lock:
                self._n_users -= 1
                if not self._n_users:
                    paddle.set_default_dtype(self._before)


_float32_default = _Float32Default()


@contextlib.contextmanager
def default_numpy_errors() -> Iterator[None]:
    """Let numpy treat underflow, overflow and division by zero as it does by default, whatever ``np.seterr`` says."""
    import numpy as np

    with np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"):
        yield


@contextlib.contextmanager
def default_settings() -> Iterator[None]:
    """Use the settings of Paddle and numpy that this package expects within the block, whatever other code has set.

    These are float32 as Paddle's default dtype, gradients, no automatic mixed precision, and `default_numpy_errors`.
    The previous settings are restored afterwards. The default dtype belongs to the process: until then, other threads
    have float32 too. The other settings belong to the thread.

    Raises:
        SetupError: Paddle is in static mode.
    """
    import paddle

    if not paddle.in_dynamic_mode():
        raise SetupError(
            _(
                "Paddle is in static mode, in which models of paddle_tasks cannot run: call paddle.disable_static() "
                "first (paddle.enable_static() was called in this process)"
            )
        )
    with contextlib.ExitStack() as settings:
        settings.enter_context(_float32_default(paddle))
        settings.enter_context(default_numpy_errors())
        settings.enter_context(paddle.enable_grad())
        if paddle.is_autocast_enabled():
            settings.enter_context(paddle.amp.auto_cast(enable=False))
        yield


class _RandomGenerator:
    """Lets one thread at a time use Paddle's random generator and its counter of names; threads take turns.

    Blocks of one thread may be nested.
    """

    def __init__(self) -> None:
        self._queue, self._lock = threading.Lock(), threading.Lock()
        self._owner: int | None = None

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        if self._owner == threading.get_ident():
            yield
            return
        with self._queue:  # a thread that releases the lock and wants it again comes after one that waits here
            self._lock.acquire()
        try:
            self._owner = threading.get_ident()
            yield
        finally:
            self._owner = None
            self._lock.release()


random_generator = _RandomGenerator()
"""A training step draws its dropout from Paddle's generator, which the step has seeded. Building a model draws initial
weights from it, also if they are replaced by stored ones at once. Both hold ``random_generator()`` meanwhile: a model
that one thread loads does not change what another thread trains."""


class _TrainingSlot:
    """The training that runs in this process; ``training_slot(run_dir)`` holds the place within a block.

    Attributes:
        device: its device; None if no training runs, or before it is known.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._label = ""
        self.device: str | None = None

    @contextlib.contextmanager
    def __call__(self, run_dir: str | Path) -> Iterator[None]:
        """Hold the place within the block.

        Args:
            run_dir: the folder of the run or sweep, for messages.

        Raises:
            SetupError: it is taken, by this or another thread.
        """
        if not self._lock.acquire(blocking=False):
            raise SetupError(
                _(
                    "{run}: a training is running in this process already ({other}), and both would draw from Paddle's "
                    "one random generator, so that their results would not be those of their seeds; wait until it has "
                    "ended, or train in another process"
                ).format(run=run_dir, other=self._label)
            )
        try:
            self._thread, self._label = threading.get_ident(), str(run_dir)
            yield
        finally:
            self._thread, self._label, self.device = None, "", None
            self._lock.release()

    def claim_device(self, device: str) -> None:
        """Record the device of the training, or check that another model uses the same: Paddle has one at a time.

        Raises:
            SetupError: the training uses another device.
        """
        device = "gpu:0" if device == "gpu" else device
        if self.device is None and self._thread == threading.get_ident():
            self.device = device
        if self.device not in {None, device}:
            raise SetupError(
                _(
                    "--device {device}: the training that is running in this process ({run}) uses {used}, and Paddle "
                    "has one device at a time; use the same, or another process"
                ).format(device=device, run=self._label, used=self.device)
            )


training_slot = _TrainingSlot()
"""The process's only place for a training; predictors may work beside it."""
