"""Load the configuration of a run: a file or a mapping, with settings laid over it, validated by its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks import tasks
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _, join
from paddle_tasks.training.settings import RunSection
from paddle_tasks.workflows.shipped_configs import find_config


def load_config(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> RunSection:
    """Return the merged, validated configuration of a file, of the name of one that ships, or of a mapping.

    Raises:
        ConfigError: every mistake in it.
    """
    where, tree = merge(source, overrides)
    return validate(tree, where)


def merge(source: str | Path | Mapping[str, Any], overrides: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return a name for messages, and the sections of a file or a mapping with settings laid over them.

    Raises:
        ConfigError: the file is missing or is not YAML, or an override is not KEY=VALUE.
    """
    if isinstance(source, Mapping):
        where, stem, tree = "config", "run", configuration.to_plain(source, "config")
    else:
        path = find_config(source)
        where, stem, tree = str(path), path.stem, configuration.read(path)
    tree = configuration.override(tree, overrides)
    tree.setdefault("run_dir", f"runs/{stem}")
    return where, tree


def validate(tree: Mapping[str, Any], where: str) -> RunSection:
    """Return the configuration that a task validates.

    Raises:
        ConfigError: every mistake in it.
    """
    task = tasks.find(tree.get("task"))
    config: RunSection = configuration.validate(tree, task.Config, where, {"evaluation.metric": task.METRICS})
    metric = config.evaluation.metric
    if metric not in task.METRICS:  # the default, which the task does not have
        message = _("{where}: evaluation.metric: missing (one of {known})")
        raise ConfigError(message.format(where=where, known=join(sorted(task.METRICS))))
    return config


def as_assignments(settings: Sequence[str] | Mapping[str, Any]) -> Sequence[str]:
    """Return settings as KEY=VALUE, whether they are written so or as a mapping.

    Raises:
        ConfigError: as in `assignments`.
    """
    return assignments(settings) if isinstance(settings, Mapping) else settings


def assignments(overrides: Mapping[str, Any]) -> list[str]:
    """Return sections or dotted keys as KEY=VALUE: ``{"training": {"epochs": 2}}`` → ``["training.epochs=2"]``.

    Raises:
        ConfigError: a value is no setting, such as a set.
    """
    plain = configuration.to_plain(overrides, "overrides")
    return [f"{key}={configuration.dump_inline(value)}" for key, value in _flatten(plain)]


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        # KEY=VALUE ends the key at its first "=", so a mapping with such a key, such as a label "a=b", is a value.
        if isinstance(value, Mapping) and value and not any("=" in name for name in value):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
