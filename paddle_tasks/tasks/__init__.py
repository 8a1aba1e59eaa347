"""One module for each task, found by its name; a module that starts with an underscore is no task."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from paddle_tasks.errors import ConfigError, did_you_mean

SETTINGS = "paddle_tasks.json"
"""The file in a model folder that names its task, labels and configuration."""

BASELINE = "tfidf-"
"""What `model.encoder` begins with in a run that has no encoder: a baseline, which keeps no model."""


def names() -> list[str]:
    """Return the names of all tasks."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: Any) -> Any:
    """Return the task class ``Task`` of the module of that name.

    Raises:
        ConfigError: there is no such task.
    """
    if name not in names():
        found = "missing" if name is None else f"{name!r} is unknown{did_you_mean(str(name), names())}"
        raise ConfigError(f"task: {found} (one of {', '.join(names())})")
    return importlib.import_module(f"{__name__}.{name}").Task
