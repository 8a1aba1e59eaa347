"""Score a finished or interrupted run on a split or on another file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.errors import ConfigError, UserError
from paddle_tasks.inference.pipelines import load
from paddle_tasks.process_state import default_settings


@default_settings()
def evaluate(
    run: str | Path, *, data: str | None = None, split: SplitName = "test", device: str = "auto"
) -> dict[str, Any]:
    """Return ``{"run", "split", "data", "rows", "skipped_rows", "metrics"}`` for the best model of a run.

    If the train data cannot be read, ``not_deduplicated`` says why there are no scores without the rows it shares.

    Args:
        run: the run folder.
        data: another file, laid out like the run's own; by default the run's own file of the split.
        split: the split to score.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.

    Raises:
        CheckpointError: the folder contains no trained model.
        ConfigError: the run has no such split.
        DataError: the file cannot be used.
    """
    predictor = load(run, device=device)
    task = predictor.task
    if data is None and not task.config.data.has(split):
        raise ConfigError(f"{run}: has no data.{split}; name a file with --data")
    scored = task.load_split(split, data)
    missing = {}
    try:  # for the scores without the rows whose text is in train
        task.load_split("train")
    except UserError as error:
        missing = {"not_deduplicated": str(error)}
    evaluation = task.evaluate(predictor.model, scored, lambda: None)
    return {
        "run": str(run),
        "split": split,
        "data": str(scored.path),
        "rows": len(scored.examples),
        "skipped_rows": len(scored.bad_rows),
        "metrics": dict(evaluation.metrics),
        **missing,
    }
