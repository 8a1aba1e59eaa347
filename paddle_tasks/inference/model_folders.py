"""Finding the folder of a trained model: by the name of a shipped one, or in a run folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from paddle_tasks import tasks
from paddle_tasks.errors import CheckpointError, ConfigError, DataError, did_you_mean
from paddle_tasks.files import exists, expand_user, list_siblings, short_name
from paddle_tasks.language import _, join
from paddle_tasks.models.pretrained.names import ASSETS, BUILTIN
from paddle_tasks.tasks.model_settings import find_model_folder, read_settings


def trained_folder(name: str | Path, others: Iterable[str]) -> str | Path:
    """Return the folder of a shipped model or of a run.

    Args:
        name: the name of the model, also with ``builtin/`` before it or as an alias, or the folder of the run.
        others: further names, for the message.

    Raises:
        CheckpointError: there is neither.
    """
    found = shipped_folder(name)
    if found is not None:
        return found
    if exists(expand_user(name)):
        return expand_user(name)
    if takes_model(str(name)):
        message = _("{name}: no model ships for it; name one with --model (in Python model=), such as runs/{name}")
        raise CheckpointError(message.format(name=name))
    names = sorted([*_shipped(), *others])
    near = did_you_mean(str(name), [*names, *_runs_near(Path(name))])
    raise CheckpointError(
        _("{name}: no such run folder, and no shipped model or pipeline ({known}){near}").format(
            name=short_name(name), known=join(names), near=near
        )
    )


def named_folder(run: str | Path) -> Path:
    """Return the path of a run; that of a shipped model for its name, unless there is a path with this name."""
    path = expand_user(run)
    return path if exists(path) else shipped_folder(run) or path


def is_shipped(run: str | Path) -> bool:
    """Return whether `named_folder` finds a shipped model under a name."""
    return not exists(expand_user(run)) and shipped_folder(run) is not None


def shipped_folder(name: str | Path) -> Path | None:
    """Return the folder of a shipped model by its name, with or without ``builtin/``, or by an alias of its task."""
    text = Path(name).as_posix()
    return _shipped().get(tasks.aliases().get(text, text.removeprefix(BUILTIN)))


def is_alias(name: str) -> bool:
    """Return whether a name is what others call a pipeline of this package, such as ``text-classification``."""
    return name in tasks.aliases()


def takes_model(name: str) -> bool:
    """Return whether a name is a task of this package, for which a model can be named in place of a shipped one."""
    return name in tasks.CLASSES and not exists(expand_user(name))


def model_of_task(name: str, model: str | Path) -> str | Path:
    """Return the model that is named for a task.

    Raises:
        CheckpointError: there is no such model.
        ConfigError: it is of another task.
    """
    found = read_settings(model_folder(named_folder(model)))["config"]["task"]
    if found != name:
        message = _("model: {model} is a model of the task {found}, expected one of {name}")
        raise ConfigError(message.format(model=model, found=found, name=name))
    return model


def shipped_names() -> list[str]:
    """Return the names of the shipped models that predict."""
    return sorted(_shipped())


def _shipped() -> dict[str, Path]:
    return {path.name: path for path in ASSETS.glob("*") if (path / tasks.SETTINGS).is_file()}


def model_folder(run: Path) -> Path:
    """Return the folder with the trained model: ``run/model``, or ``run`` if it is a model folder itself.

    If a run was stopped before its first evaluation, no model is the best one yet, and the latest one is returned.

    Raises:
        CheckpointError: there is no such folder, or it contains no trained model.
    """
    found = find_model_folder(run)
    if found:
        return found
    if not exists(run):
        near = did_you_mean(str(run), [*_runs_near(run), *_shipped()])
        raise CheckpointError(_("{run}: no such run folder{near}").format(run=short_name(run), near=near))
    from paddle_tasks.training.checkpoint import CheckpointStore  # imports Paddle

    checkpoint = CheckpointStore(run / "checkpoints", keep=1).load_latest()
    if checkpoint:
        return checkpoint.folder / "model"
    if _is_baseline(run):
        raise CheckpointError(
            _("{run}: holds a baseline, which keeps no model; its predictions are in {folder}").format(
                run=run, folder=run / "predictions"
            )
        )
    message = _("{run}: holds no trained model yet; expected {folder}")
    raise CheckpointError(message.format(run=run, folder=run / "model"))


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
