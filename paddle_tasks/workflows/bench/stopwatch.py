"""Where the time of a program goes, by phases that may lie within each other."""

from __future__ import annotations

import contextlib
import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock


class Stopwatch:
    """Counts seconds for the innermost phase alone, so that the phases add up to the time within all of them.

    Attributes:
        seconds: of each phase so far.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._clock = clock
        self._phases: list[str] = []
        self._since = 0.0

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the block's time for a phase."""
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
    def watching(self, name: str, owner: Any, *functions: str) -> Iterator[None]:
        """Count every call of these functions of a class or module for a phase, within the block."""
        with contextlib.ExitStack() as stack:
            for function in functions:
                watched = self._watched(name, getattr(owner, function))
                stack.enter_context(mock.patch.object(owner, function, watched))
            yield

    def _watched(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self.phase(name):
                return function(*args, **kwargs)

        return call
