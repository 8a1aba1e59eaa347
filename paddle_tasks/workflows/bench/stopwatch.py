"""Divides the running time of a program among phases, which may be nested."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock


class Stopwatch:
    """Counts time for the innermost phase only, so that the phases add up to the time spent in any of them.

    Attributes:
        seconds: seconds of each phase so far.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._clock = clock
        self._phases: list[str] = []
        self._since = 0.0

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of a block for a phase."""
        self._count()
        self._phases.append(name)
        try:
            yield
        finally:
            self._count()
            self._phases.pop()

    def _count(self) -> None:
        now = self._clock()
        if self._phases:
            self.seconds[self._phases[-1]] += now - self._since
        self._since = now

    @contextlib.contextmanager
    def time_calls(self, phase: str, owner: Any, *functions: str) -> Iterator[None]:
        """Count all calls of functions for a phase, while the block runs.

        Args:
            phase: name of the phase.
            owner: class or module that holds the functions.
            functions: their names.
        """
        with contextlib.ExitStack() as stack:
            for function in functions:
                timed = self._timed(phase, getattr(owner, function))
                stack.enter_context(mock.patch.object(owner, function, timed))
            yield

    def _timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.phase(phase):
                return function(*args, **kwargs)

        return call
