"""Use a trained run from Python."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddle_tasks import config as configuration
from paddle_tasks import runtime, tasks
from paddle_tasks.errors import CheckpointError, did_you_mean
from paddle_tasks.models import cpu
from paddle_tasks.training.checkpoint import CheckpointStore

BUILTIN = Path(__file__).parent.parent / "assets" / "models"


class Predictor:
    """A trained model with its tokenizer and labels: call it with one text or a list of texts."""

    def __init__(self, folder: Path, task: Any, model: Any) -> None:
        self.folder, self.task, self.model = folder, task, model

    def __call__(self, texts: str | Sequence[str]) -> dict[str, Any] | list[dict[str, Any]]:
        """Return ``{"input", "label", "probabilities"}`` for a text, or a list of them for a list."""
        if isinstance(texts, str):
            return dict(self.task.predict(self.model, [texts])[0])
        return list(self.task.predict(self.model, list(texts)))


def load(run: str | Path, *, device: str = "auto") -> Predictor:
    """Load the best model of a run folder, or a model folder itself.

    Raises:
        CheckpointError: there is no trained model.
    """
    folder = model_folder(Path(run))
    runtime.use_device(device)
    task, model = tasks.find(_task_name(folder)).load(folder)
    cpu.switch_in(model)
    return Predictor(folder, task, model)


def pipeline(name: str | Path, *, device: str = "auto") -> Predictor:
    """Return the predictor of a run folder or of a model that ships with the project, by name.

    Raises:
        CheckpointError: neither is there.
    """
    shipped = {path.name: path for path in BUILTIN.glob("*") if (path / tasks.SETTINGS).is_file()}
    if str(name) in shipped:
        return load(shipped[str(name)], device=device)
    if Path(name).exists():
        return load(name, device=device)
    near = did_you_mean(str(name), [*shipped, *_beside(Path(name))])
    ships = ", ".join(sorted(shipped)) or "none yet"
    raise CheckpointError(f"{name}: no such run folder, and no model of that name ships (there is: {ships}){near}")


def model_folder(run: Path) -> Path:
    """Return the folder with the trained model: ``run/model``, or ``run`` when it is one itself.

    A run that was stopped before its first evaluation has chosen no best model yet; then it is the latest one.

    Raises:
        CheckpointError: no such folder, or nothing is trained in it yet.
    """
    for folder in (run / "model", run):
        if (folder / tasks.SETTINGS).is_file():
            return folder
    checkpoint = CheckpointStore(run / "checkpoints", keep=1).load_latest()
    if checkpoint:
        return checkpoint.folder / "model"
    if not run.exists():
        raise CheckpointError(f"{run}: no such run folder{did_you_mean(str(run), _beside(run))}")
    raise CheckpointError(f"{run}: holds no trained model yet; expected {run / 'model'}")


def _beside(run: Path) -> list[str]:
    """Return what stands beside a folder, and under runs/, for whoever leaves that out."""
    return [str(path) for folder in (run.parent, Path("runs")) for path in folder.glob("*")]


def _task_name(folder: Path) -> str:
    tree = configuration.parse_yaml((folder / tasks.SETTINGS).read_text(encoding="utf-8"), str(folder / tasks.SETTINGS))
    return str(tree["config"]["task"])
