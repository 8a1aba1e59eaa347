"""What trained models of the same task say of the train rows, for a student to learn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import paddle

from paddle_tasks import config as configuration
from paddle_tasks.arrays import Array
from paddle_tasks.data.array_cache import digest, kept
from paddle_tasks.errors import ConfigError, did_you_mean, join_names
from paddle_tasks.models import cpu
from paddle_tasks.models.pretrained.saving import WEIGHTS
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from paddle_tasks.tasks.classification.task import TextClassification


_KEY = "training.loss.teachers"
_VERSION = 1


class Teachers:
    """Trained models, and their mean answer to each train row.

    Args:
        folders: of runs, or of models.

    Attributes:
        digest: of what they have said; empty while nobody was asked.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders
        self._answers: Array | None = None
        self.digest = ""

    def ask(self, student: TextClassification) -> None:
        """Have every teacher answer the student's train rows; what one has said before is read from disk.

        Raises:
            ConfigError: a folder holds no model of the task, one with other labels, or one that has seen the student's
                dev rows in another fold of the same file.
        """
        if self._folders:
            models = [_model_folder(Path(folder).expanduser(), student) for folder in self._folders]
            settings = [_checked(folder, student) for folder in models]
            said = [_answers(*found, student) for found in zip(models, settings, strict=True)]
            self._answers = np.mean(said, axis=0)
            self.digest = digest([_VERSION], self._answers)

    def answers(self, rows: Sequence[int]) -> paddle.Tensor | None:
        """Return their mean probabilities <float32>[rows, labels] for train rows; None without teachers."""
        return None if self._answers is None else paddle.to_tensor(self._answers[list(rows)])


def _model_folder(folder: Path, student: TextClassification) -> Path:
    if folder.resolve() == Path(student.config.run_dir).resolve():
        raise ConfigError(f"{_KEY}: {folder} is this run itself; name the folder of another one")
    for place in (folder / "model", folder):
        if (place / SETTINGS).is_file():
            return place
    others = [str(path.parent.parent) for path in folder.parent.glob(f"*/model/{SETTINGS}")]
    raise ConfigError(f"{_KEY}: {folder} holds no trained model{did_you_mean(str(folder), others)}")


def _checked(folder: Path, student: TextClassification) -> Mapping[str, Any]:
    """Return the settings of a teacher who can teach the student."""
    path = folder / SETTINGS
    settings: Mapping[str, Any] = configuration.parse_yaml(path.read_text(encoding="utf-8"), str(path))
    found, expected = settings["config"]["task"], student.config.task
    if found != expected:
        raise ConfigError(f"{_KEY}: {folder} is a model of the task {found}, not {expected}")
    if sorted(settings["labels"]) != sorted(student.labels):
        raise ConfigError(
            f"{_KEY}: {folder} knows the labels {some_of(settings['labels'])}; train has {some_of(student.labels)}"
        )
    own, others = _part(student.config.model_dump()), _part(settings["config"])
    if student.config.data.folds and own["train"] == others["train"] and own != others:
        raise ConfigError(f"{_KEY}: {folder} has learnt rows of this dev split: its folds are {others}, here {own}")
    return settings


def _part(config: Mapping[str, Any]) -> dict[str, Any]:
    data = config["data"]
    return {**{key: data.get(key) for key in ("train", "folds", "fold")}, "seed": config["seed"]}


def _answers(folder: Path, settings: Mapping[str, Any], student: TextClassification) -> Array:
    """Return <float32>[rows, labels] of one teacher, its labels in the student's order."""
    examples = student.splits["train"].examples

    def compute() -> dict[str, Array]:
        teacher, model = type(student).load(folder)
        cpu.switch_in(model)
        return {"answers": teacher.probabilities(model, teacher.dataset(examples), lambda: None)}

    weights = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    texts = [text for example in examples for text in student.texts_of(example)]
    key = digest([_VERSION, weights, Tokenizer.load(folder).fingerprint, settings], texts)
    shape = len(examples), len(student.labels)
    found = kept("answers", key, compute, lambda arrays: arrays["answers"].shape == shape)["answers"]
    return found[:, [settings["labels"].index(label) for label in student.labels]]
