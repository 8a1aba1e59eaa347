"""What can be named: tasks, models, data and configurations."""

from __future__ import annotations

from pathlib import Path

from paddle_tasks import tasks
from paddle_tasks.data.tables import catalogue as data
from paddle_tasks.errors import ConfigError, did_you_mean


def catalogue(what: str | None = None) -> dict[str, list[str]]:
    """Return the names of one kind, or of all four.

    Raises:
        ConfigError: no such kind.
    """
    kinds = {"tasks": tasks.names, "models": _models, "data": data.names, "configs": _configs}
    if what is not None and what not in kinds:
        raise ConfigError(f"list {what}: unknown{did_you_mean(what, kinds)} (one of {', '.join(kinds)})")
    return {kind: names() for kind, names in kinds.items() if what in (None, kind)}


def _models() -> list[str]:
    from paddle_tasks.models.encoders.build import SCRATCH
    from paddle_tasks.models.pretrained import hub
    from paddle_tasks.models.pretrained.loading import builtin_names

    return [*SCRATCH, *builtin_names(), *hub.names()]


def _configs() -> list[str]:
    return [str(path) for path in sorted(Path("configs").rglob("*.yaml"))]
