"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        name: The thing that was looked at.
        status: ``fail`` when training cannot work, ``warn`` when it works slower or with less than it could.
        message: What was found and what was expected.
        fix: The command or action that mends it; present for every ``warn`` and ``fail``.
    """

    name: str
    status: Status
    message: str
    fix: str | None = None


def ok(name: str, message: str) -> Finding:
    """Return a finding that needs no mending."""
    return Finding(name, "ok", message)


def warn(name: str, message: str, fix: str) -> Finding:
    """Return a finding that training survives."""
    return Finding(name, "warn", message, fix)


def fail(name: str, message: str, fix: str) -> Finding:
    """Return a finding that training does not survive."""
    return Finding(name, "fail", message, fix)
