"""The settings of a model folder: the configuration of its run, its labels and what else its task keeps there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from paddle_tasks.errors import CheckpointError, shorten
from paddle_tasks.files import is_file, read_json_object
from paddle_tasks.language import _
from paddle_tasks.tasks import SETTINGS

_NAMES = ("labels", "polarities", "characters")
"""Settings that are lists of distinct texts, in the tasks that have them; characters may be one text."""
_NUMBERS = {"temperature": (0.1, 10.0), "threshold": (0.0, 1.0), "ngram_weight": (0.0, 10.0)}
"""The smallest and the largest value of settings that are numbers, in the tasks that have them."""


def find_model_folder(run: Path) -> Path | None:
    """Return the folder with the trained model: ``run/model``, or ``run`` if it is a model folder itself; else None."""
    return next((folder for folder in (run / "model", run) if is_file(folder / SETTINGS)), None)


def read_settings(folder: Path) -> dict[str, Any]:
    """Return the settings of a model folder.

    Raises:
        CheckpointError: the file cannot be read, or does not hold the configuration of a task.
    """
    path = folder / SETTINGS
    settings = read_json_object(path, CheckpointError)
    for problem in _problems(settings):
        raise CheckpointError(
            _("{file}: {problem}; copy the file from the run that trained the model").format(file=path, problem=problem)
        )
    return settings


def _problems(settings: Mapping[str, Any]) -> Iterator[str]:
    config = settings.get("config")
    if not isinstance(config, dict):
        yield _("expected a configuration under {key!r}, found {found}").format(
            key="config", found=shorten(repr(config))
        )
        return
    if not isinstance(config.get("task"), str):
        found = shorten(repr(config.get("task")))
        yield _("expected the name of a task under {key!r}, found {found}").format(key="config.task", found=found)
    for key, section in config.items():
        if key not in {"task", "seed", "run_dir"} and not isinstance(section, dict | None):
            message = _("expected a section under {key!r}, found {found}")
            yield message.format(key=shorten(f"config.{key}"), found=shorten(repr(section)))
    for key in _NAMES:
        names = settings.get(key, [])
        names = list(names) if key == "characters" and isinstance(names, str) else names
        are_texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
        if not are_texts or len(set(names)) < len(names):
            message = _("expected a list of distinct texts under {key!r}, found {found}")
            yield message.format(key=key, found=shorten(repr(names)))
    for key, (lowest, highest) in _NUMBERS.items():
        number = settings.get(key, lowest)
        if isinstance(number, bool) or not isinstance(number, int | float) or not lowest <= number <= highest:
            message = _("expected a number from {lowest} to {highest} under {key!r}, found {found}")
            yield message.format(lowest=lowest, highest=highest, key=key, found=shorten(repr(number)))


@contextlib.contextmanager
def checking_settings(folder: Path) -> Iterator[None]:
    """Report a setting that the task needs in the block and that is missing or of another type.

    Raises:
        CheckpointError: there is such a setting; the message has the file.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        message = _("{file}: a setting that the task needs is missing or of another type ({error})")
        detail = shorten(f"{type(error).__name__}: {error}")
        raise CheckpointError(message.format(file=folder / SETTINGS, error=detail)) from error
