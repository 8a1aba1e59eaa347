"""The errors that a user can cause and mend, and the nearest right name for what was mistyped."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class UserError(Exception):
    """A mistake of the user's: the message says what, where, what was found and what was expected."""


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


def some_of(names: Sequence[str], most: int = 20) -> str:
    """Return names as a list for people, the middle of a long one left out."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most // 2])}, …, {names[-1]}"


class RunStopped(Exception):  # noqa: N818
    """A training run that ended before its end, with the exit code that says why."""

    exit_code = 1


class Interrupted(RunStopped):
    """The run was told to stop; its checkpoint is written and training again goes on from it."""

    exit_code = 75


class NonFiniteError(RunStopped):
    """A loss or gradient that is not finite; the weights are those before the step."""
