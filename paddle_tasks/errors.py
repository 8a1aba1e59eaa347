"""Errors that a user can cause and fix, and helpers for their messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from paddle_tasks.language import _, join


class _WithoutTraceback(Exception):  # noqa: N818
    """An error whose message says all that a user needs."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython and notebooks show in place of a traceback: the message."""
        return [str(self)]


class UserError(_WithoutTraceback):
    """A mistake by the user. The message says what is wrong, where, what was found and what was expected."""

    exit_code = 2


class ConfigError(UserError):
    """A configuration that cannot be used: unknown or missing keys, wrong types, bad choices."""


class DataError(UserError):
    """A data file, row or label that cannot be used."""


class RecordError(DataError):
    """A prediction that cannot be scored.

    Attributes:
        row: the number of the record, from 0.
        reason: what is wrong with it.
    """

    def __init__(self, row: int, reason: str) -> None:
        super().__init__(_("record {row}: {reason}").format(row=row, reason=reason))
        self.row, self.reason = row, reason

    def __reduce__(self) -> tuple[type[RecordError], tuple[int, str]]:
        return type(self), (self.row, self.reason)


class CheckpointError(UserError):
    """A run folder or checkpoint that cannot be continued or loaded."""


class ExportError(UserError):
    """An exported model that does not compute what the trained one computes."""


class SetupError(UserError):
    """Something missing on this machine: a package, a model, a device."""


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the choice nearest to ``name``, or an empty string."""
    nearest = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.6)
    return suggestion(nearest[0]) if nearest else ""


def nearest_path(path: Path, choices: Iterable[str]) -> str:
    """Return the end of a message that suggests the path with the nearest name, or an empty string.

    Only names without their endings are compared at first: ``a.txt`` and ``ok.txt`` have most letters in common.
    """
    similar = [choice for choice in choices if did_you_mean(path.stem, [Path(choice).stem])]
    return suggestion(max(similar, key=partial(_likeness, path.name))) if similar else ""


def _likeness(name: str, choice: str) -> float:
    return difflib.SequenceMatcher(None, name, Path(choice).name).ratio()


def suggestion(name: str) -> str:
    """Return ``"; did you mean 'name'?"``, the end of a message about a wrong name."""
    return _("; did you mean {name!r}?").format(name=name)


def shorten(text: str, max_length: int = 80) -> str:
    """Return a text for a message on one line; of a longer one, only the beginning."""
    line = " ".join(text[: 4 * max_length].split())
    return line if len(line) <= max_length and len(text) <= 4 * max_length else f"{line[: max_length - 1]}…"


def at(where: object, problem: object) -> str:
    """Return a message that begins with its place: ``train.tsv:3: empty text``."""
    return _("{where}: {problem}").format(where=where, problem=problem)


def join_names(names: Sequence[str], max_shown: int = 20) -> str:
    """Join names with commas; of a long list, show only the first half of ``max_shown`` and the last name."""
    if len(names) <= max_shown:
        return join(names)
    return join([*names[: max_shown // 2], "…", names[-1]])


def join_all(names: Sequence[str]) -> str:
    """Join names with ``and``."""
    return _(" and ").join(names)


def join_alternatives(names: Sequence[str]) -> str:
    """Join names with commas and ``or``: ``a, b or c``."""
    return _("{names} or {last}").format(names=join(names[:-1]), last=names[-1]) if names[1:] else join(names)


class RunStopped(_WithoutTraceback):
    """A training run that stopped early; ``exit_code`` says why."""

    exit_code = 1


class Interrupted(RunStopped):
    """The run was asked to stop. Its checkpoint is saved; training the run again resumes from it."""

    exit_code = 75


class NonFiniteError(RunStopped):
    """A loss or gradient is not finite. The weights are still those from before the step."""
