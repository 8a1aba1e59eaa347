"""What trained models of the same task say of the train rows, for a student to learn."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import paddle

from paddle_tasks.data.array_cache import digest, kept
from paddle_tasks.errors import ConfigError, did_you_mean, some_of
from paddle_tasks.models import cpu
from paddle_tasks.models.saving import WEIGHTS
from paddle_tasks.tasks import SETTINGS

if TYPE_CHECKING:
    from paddle_tasks.tasks._classification import TextClassification

Array = np.ndarray[Any, np.dtype[Any]]

_KEY = "training.loss.teachers"


class Teachers:
    """Trained models, and their mean answer to each train row.

    Args:
        folders: of runs, or of models.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders
        self._answers: Array | None = None

    def ask(self, student: TextClassification) -> None:
        """Have every teacher answer the student's train rows; what one has said before is read from disk.

        Raises:
            ConfigError: a folder holds no model of the task, or one with other labels.
        """
        if self._folders:
            models = [_model_folder(Path(folder).expanduser()) for folder in self._folders]
            for folder in models:
                _check(folder, student)
            self._answers = np.mean([_answers(folder, student) for folder in models], axis=0)

    def answers(self, rows: Sequence[int]) -> paddle.Tensor | None:
        """Return their mean probabilities <float32>[rows, labels] for train rows; None without teachers."""
        return None if self._answers is None else paddle.to_tensor(self._answers[list(rows)])


def _model_folder(folder: Path) -> Path:
    for place in (folder / "model", folder):
        if (place / SETTINGS).is_file():
            return place
    others = [str(path.parent.parent) for path in folder.parent.glob(f"*/model/{SETTINGS}")]
    raise ConfigError(f"{_KEY}: {folder} holds no trained model{did_you_mean(str(folder), others)}")


def _check(folder: Path, student: TextClassification) -> None:
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    found, expected = settings["config"]["task"], student.config.task
    if found != expected:
        raise ConfigError(f"{_KEY}: {folder} is a model of the task {found}, not {expected}")
    if sorted(settings["labels"]) != sorted(student.labels):
        raise ConfigError(
            f"{_KEY}: {folder} knows the labels {some_of(settings['labels'])}; train has {some_of(student.labels)}"
        )


def _answers(folder: Path, student: TextClassification) -> Array:
    """Return <float32>[rows, labels] of one teacher, its labels in the student's order."""
    teacher, model = type(student).load(folder)
    cpu.switch_in(model)
    examples = student.splits["train"].examples

    def compute() -> dict[str, Array]:
        return {"answers": teacher.probabilities(model, teacher.dataset(examples), lambda: None)}

    weights = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    texts = [text for example in examples for text in student.texts_of(example)]
    key = digest([weights, teacher.config.model_dump(mode="json")], texts)
    shape = len(examples), len(student.labels)
    found = kept("answers", key, compute, lambda arrays: arrays["answers"].shape == shape)["answers"]
    return found[:, [teacher.labels.index(label) for label in student.labels]]
