"""The names of pipelines, tasks, models, data sets and configuration files."""

from __future__ import annotations

from paddle_tasks import tasks
from paddle_tasks.data.tables import catalogue as data
from paddle_tasks.errors import ConfigError, did_you_mean
from paddle_tasks.language import _, join
from paddle_tasks.workflows.shipped_configs import config_names

KINDS = ("pipelines", "tasks", "models", "data", "configs")


def catalogue(kind: str | None = None) -> dict[str, list[str]]:
    """Return the names of one kind, or of all, by kind.

    Args:
        kind: one of `KINDS`; all by default.

    Raises:
        ConfigError: there is no such kind.
    """
    if kind is not None and kind not in KINDS:
        message = _("list {kind}: unknown{near} (one of {known})")
        raise ConfigError(message.format(kind=kind, near=did_you_mean(kind, KINDS), known=join(KINDS)))
    sources = (pipelines, tasks.names, _models, data.names, config_names)
    return {name: names() for name, names in zip(KINDS, sources, strict=True) if kind in (None, name)}


def pipelines() -> list[str]:
    """Return the names that `predict` takes besides run folders: shipped models and built-in pipelines."""
    from paddle_tasks.inference.model_folders import shipped_names
    from paddle_tasks.inference.pipelines import PIPELINES

    return [*shipped_names(), *PIPELINES]


def _models() -> list[str]:
    from paddle_tasks.models.encoders.build import SCRATCH
    from paddle_tasks.models.pretrained import hub
    from paddle_tasks.models.pretrained.loading import builtin_names

    return [*SCRATCH, *builtin_names(), *hub.names()]
