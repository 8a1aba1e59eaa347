"""Finding the folder of a trained model: by the name of a shipped one, or in a run folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks import tasks
from paddle_tasks.errors import CheckpointError, ConfigError, DataError, did_you_mean
from paddle_tasks.files import exists, expand_user, is_file, list_siblings, short_name
from paddle_tasks.models.pretrained.names import ASSETS


def trained_folder(name: str | Path, others: Iterable[str]) -> str | Path:
    """Return the folder of a shipped model or of a run.

    Args:
        name: the name of the model, or the folder of the run.
        others: further names, for the message.

    Raises:
        CheckpointError: there is neither.
    """
    shipped = {path.name: path for path in ASSETS.glob("*") if (path / tasks.SETTINGS).is_file()}
    if str(name) in shipped:
        return shipped[str(name)]
    if exists(expand_user(name)):
        return expand_user(name)
    names = sorted([*shipped, *others])
    near = did_you_mean(str(name), [*names, *_runs_near(Path(name))])
    raise CheckpointError(
        f"{short_name(name)}: no such run folder, and no shipped model or pipeline ({', '.join(names)}){near}"
    )


def model_folder(run: Path) -> Path:
    """Return the folder with the trained model: ``run/model``, or ``run`` if it is a model folder itself.

    If a run was stopped before its first evaluation, no model is the best one yet, and the latest one is returned.

    Raises:
        CheckpointError: there is no such folder, or it contains no trained model.
    """
    for folder in (run / "model", run):
        if is_file(folder / tasks.SETTINGS):
            return folder
    if not exists(run):
        raise CheckpointError(f"{short_name(run)}: no such run folder{did_you_mean(str(run), _runs_near(run))}")
    from paddle_tasks.training.checkpoint import CheckpointStore  # imports Paddle

    checkpoint = CheckpointStore(run / "checkpoints", keep=1).load_latest()
    if checkpoint:
        return checkpoint.folder / "model"
    if _is_baseline(run):
        raise CheckpointError(
            f"{run}: holds a baseline, which keeps no model; its predictions are in {run / 'predictions'}"
        )
    raise CheckpointError(f"{run}: holds no trained model yet; expected {run / 'model'}")


def _is_baseline(run: Path) -> bool:
    from paddle_tasks.training.result import RunResult

    try:
        result = RunResult.read(run)
        baseline = tasks.find(result.task).BASELINE if result else None
    except (DataError, ConfigError):  # the task may belong to a package that is not installed
        return False
    return bool(result and baseline and baseline.recognises(result.model.encoder))


def _runs_near(run: Path) -> list[str]:
    """Return the folders beside a path, and those in runs/, in case ``runs/`` was left out."""
    return [*list_siblings(run), *list_siblings(Path("runs", run.name))]


def read_settings(folder: Path) -> dict[str, Any]:
    """Return the configuration of a model folder, its labels and what else its task keeps there."""
    path = folder / tasks.SETTINGS
    return dict(configuration.parse_yaml(path.read_text(encoding="utf-8"), str(path)))
