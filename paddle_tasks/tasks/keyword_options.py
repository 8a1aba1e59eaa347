"""Signatures of functions that take any options, for the command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def keyword_options(*names: str) -> Callable[[F], F]:
    """Let the signature of a function that takes any options name some of them, each None by default; a decorator."""

    def declare(function: F) -> F:
        signature = inspect.signature(function)
        *parameters, others = signature.parameters.values()
        named = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None) for name in names]
        vars(function)["__signature__"] = signature.replace(parameters=[*parameters, *named, others])
        return function

    return declare
