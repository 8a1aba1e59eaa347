"""The names of tasks, models, data sets and configuration files."""

from __future__ import annotations

from pathlib import Path

from paddle_tasks import tasks
from paddle_tasks.data.tables import catalogue as data
from paddle_tasks.errors import ConfigError, did_you_mean


def catalogue(kind: str | None = None) -> dict[str, list[str]]:
    """Return the names of one kind, or of all four, by kind.

    Args:
        kind: ``tasks``, ``models``, ``data`` or ``configs``; all by default.

    Raises:
        ConfigError: there is no such kind.
    """
    kinds = {"tasks": tasks.names, "models": _models, "data": data.names, "configs": _configs}
    if kind is not None and kind not in kinds:
        raise ConfigError(f"list {kind}: unknown{did_you_mean(kind, kinds)} (one of {', '.join(kinds)})")
    return {name: list_names() for name, list_names in kinds.items() if kind in (None, name)}


def _models() -> list[str]:
    from paddle_tasks.models.encoders.build import SCRATCH
    from paddle_tasks.models.pretrained import hub
    from paddle_tasks.models.pretrained.loading import builtin_names

    return [*SCRATCH, *builtin_names(), *hub.names()]


def _configs() -> list[str]:
    return [str(path) for path in sorted(Path("configs").rglob("*.yaml"))]
