"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        name: what was checked.
        status: ``fail`` if training cannot work, ``warn`` if it works, but slower or with fewer features than possible.
        message: what was found and what was expected.
        fix: the command or action that solves the problem; present for every ``warn`` and ``fail``.
    """

    name: str
    status: Status
    message: str
    fix: str | None = None


def ok(name: str, message: str) -> Finding:
    """Return a finding without a problem."""
    return Finding(name, "ok", message)


def warn(name: str, message: str, fix: str) -> Finding:
    """Return a finding with which training still works."""
    return Finding(name, "warn", message, fix)


def fail(name: str, message: str, fix: str) -> Finding:
    """Return a finding with which training cannot work."""
    return Finding(name, "fail", message, fix)
