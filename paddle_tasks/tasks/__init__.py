"""The tasks, found by name: those of this package, and those that installed packages register.

A package registers a task with an entry point of the group ``paddle_tasks.tasks``, whose object is a class that
fulfils `paddle_tasks.training.protocol.Task`; see docs/add-a-task.md. The working folder is never searched.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from paddle_tasks.errors import ConfigError, SetupError, did_you_mean

GROUP = "paddle_tasks.tasks"
"""The entry-point group of tasks in other packages."""

SETTINGS = "paddle_tasks.json"
"""The file in a model folder that names its task, labels and configuration."""

BASELINE = "tfidf-"

_BUILTIN = ("long_text", "news", "opinion", "pretrain", "sentiment", "similarity")


def _entry_points() -> dict[str, EntryPoint]:
    """Return the tasks by name; a name of this package cannot be taken by another one."""
    installed = {point.name: point for point in entry_points(group=GROUP)}
    own = {name: EntryPoint(name, f"{__name__}.{name}.task:Task", GROUP) for name in _BUILTIN}
    return {**installed, **own}


def names() -> list[str]:
    """Return the names of all tasks."""
    return sorted(_entry_points())


def find(name: Any) -> Any:
    """Return the task class of a name.

    Raises:
        ConfigError: there is no such task.
        SetupError: the package that registers the task cannot be imported.
    """
    points = _entry_points()
    if not isinstance(name, str) or name not in points:
        found = "missing" if name is None else f"{name!r} is unknown{did_you_mean(str(name), points)}"
        raise ConfigError(f"task: {found} (one of {', '.join(sorted(points))})")
    try:
        return points[name].load()
    except (ImportError, AttributeError) as error:
        if name in _BUILTIN:
            raise
        raise SetupError(
            f"task: {name} is registered as {points[name].value}, which cannot be loaded: {error}"
        ) from error
