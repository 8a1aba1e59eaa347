"""Score a finished or interrupted run on a split or on another file."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import create_model

from paddle_tasks import config as configuration
from paddle_tasks.config import Section
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.errors import ConfigError, UserError
from paddle_tasks.inference.pipelines import load_layer
from paddle_tasks.process_state import default_settings


@default_settings()
def evaluate(
    run: str | Path,
    *,
    data: str | None = None,
    split: SplitName = "test",
    settings: Sequence[str] = (),
    device: str = "auto",
) -> dict[str, Any]:
    """Return ``{"run", "split", "data", "rows", "skipped_rows", "metrics"}`` for the best model of a run.

    If the train data cannot be read, ``not_deduplicated`` says why there are no scores without the rows it shares.

    Args:
        run: the run folder.
        data: another file; by default the run's own file of the split.
        split: the split to score.
        settings: ``data.…=VALUE`` settings that the file needs in place of those of the run, such as
            ``data.columns.text=review`` or ``data.label_map={"1": positive, "0": negative}``.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.

    Raises:
        CheckpointError: the folder contains no trained model.
        ConfigError: the run has no such split, or a setting is unknown or does not fit the model.
        DataError: the file cannot be used.
    """
    predictor = load_layer(run, device=device)
    task = predictor.task
    if data is None and not task.config.data.has(split):
        raise ConfigError(f"{run}: has no data.{split}; name a file with --data")
    layout = parse_layout(task, settings) if settings else None
    missing = {}
    try:  # for the scores without the rows whose text is in train, which is laid out as the run's configuration says
        task.load_split("train")
    except UserError as error:
        missing = {"not_deduplicated": str(error)}
    if layout is not None:
        task.use_layout(layout)
    scored = task.load_split(split, data)
    evaluation = task.evaluate(predictor.model, scored, lambda: None)
    return {
        "run": str(run),
        "split": split,
        "data": str(scored.path),
        **({"settings": list(settings)} if settings else {}),
        "rows": len(scored.examples),
        "skipped_rows": len(scored.bad_rows),
        "metrics": dict(evaluation.metrics),
        **missing,
    }


def parse_layout(task: Any, settings: Sequence[str]) -> Section:
    """Return the layout of a task's files with settings laid over it.

    Args:
        task: a task with a configuration.
        settings: ``data.…=VALUE`` settings.

    Raises:
        ConfigError: a setting is unknown, with the nearest right name, or has a wrong value.
    """
    schema = task.DATA_CHECK.layout_section
    own = task.config.data.model_dump(mode="json", include=set(schema.model_fields))
    tree = configuration.override({"data": own}, settings)
    checked: Any = configuration.validate(tree, _schema(schema), "evaluate")
    layout: Section = checked.data
    return layout


@cache
def _schema(layout: Any) -> type[Section]:
    return create_model("EvaluateConfig", __base__=Section, data=(layout, layout()))
