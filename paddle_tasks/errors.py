"""Errors that a user can cause and fix, and helpers for their messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """A mistake by the user. The message says what is wrong, where, what was found and what was expected."""

    exit_code = 2


class ConfigError(UserError):
    """A configuration that cannot be used: unknown or missing keys, wrong types, bad choices."""


class DataError(UserError):
    """A data file, row or label that cannot be used."""


class CheckpointError(UserError):
    """A run folder or checkpoint that cannot be continued or loaded."""


class SetupError(UserError):
    """Something missing on this machine: a package, a model, a device."""


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the choice nearest to ``name``, or an empty string."""
    nearest = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return f"; did you mean {nearest[0]!r}?" if nearest else ""


def join_names(names: Sequence[str], max_shown: int = 20) -> str:
    """Join names with commas; of a long list, show only the first half of ``max_shown`` and the last name."""
    if len(names) <= max_shown:
        return ", ".join(names)
    return f"{', '.join(names[: max_shown // 2])}, …, {names[-1]}"


class RunStopped(Exception):  # noqa: N818
    """A training run that stopped early; ``exit_code`` says why."""

    exit_code = 1


class Interrupted(RunStopped):
    """The run was asked to stop. Its checkpoint is saved; training the run again resumes from it."""

    exit_code = 75


class NonFiniteError(RunStopped):
    """A loss or gradient is not finite. The weights are still those from before the step."""
