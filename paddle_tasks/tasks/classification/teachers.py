"""Distillation: the probabilities that trained models of the same task give to the train rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paddle

from paddle_tasks.arrays import Array
from paddle_tasks.data.array_cache import compute_digest, load_or_compute
from paddle_tasks.errors import ConfigError, did_you_mean, join_names
from paddle_tasks.files import is_file
from paddle_tasks.language import _
from paddle_tasks.models import cpu
from paddle_tasks.models.pretrained.saving import WEIGHTS
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.tasks.classification.ngrams import FILE as NGRAMS
from paddle_tasks.tasks.classification.protocol import Classifier
from paddle_tasks.tasks.model_settings import find_model_folder, read_settings
from paddle_tasks.text.tokenizer import Tokenizer

KEY = "training.loss.teachers"
_VERSION = 1


class Teachers:
    """Trained models and their mean probabilities for each train row.

    Args:
        folders: run folders or model folders.

    Attributes:
        digest: of the probabilities; empty until `predict` was called, and without teachers.
    """

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = folders
        self._probabilities: Array | None = None
        self.digest = ""

    def predict(self, student: Classifier) -> None:
        """Let every teacher predict the student's train rows; earlier predictions are read from the disk cache.

        Raises:
            ConfigError: a folder holds no model of the task, or one with other labels, or one that has learnt rows of
                the student's dev split in another fold of the same file.
        """
        if self._folders:
            models = [_model_folder(Path(folder).expanduser(), student) for folder in self._folders]
            settings = [_checked_settings(folder, student) for folder in models]
            predictions = [_predictions(*teacher, student) for teacher in zip(models, settings, strict=True)]
            self._probabilities = np.mean(predictions, axis=0)
            self.digest = compute_digest([_VERSION], self._probabilities)

    def probabilities(self, rows: Sequence[int]) -> paddle.Tensor | None:
        """Return the mean probabilities <float32>[rows, labels] for train rows; None without teachers."""
        return None if self._probabilities is None else paddle.to_tensor(self._probabilities[list(rows)])


def _model_folder(folder: Path, student: Classifier) -> Path:
    if folder.resolve() == Path(student.config.run_dir).resolve():
        raise ConfigError(
            _("{key}: {folder} is the folder of this run; name the folder of another run").format(
                key=KEY, folder=folder
            )
        )
    found = find_model_folder(folder)
    if found:
        return found
    others = [str(path.parent.parent) for path in folder.parent.glob(f"*/model/{SETTINGS}")]
    near = did_you_mean(str(folder), others)
    raise ConfigError(_("{key}: {folder} holds no trained model{near}").format(key=KEY, folder=folder, near=near))


def _checked_settings(folder: Path, student: Classifier) -> Mapping[str, Any]:
    """Return the settings of a teacher once it is certain that it fits the student."""
    settings = read_settings(folder)
    task, expected = settings["config"]["task"], student.config.task
    if task != expected:
        raise ConfigError(
            _("{key}: {folder} is a model of the task {task}, not {expected}").format(
                key=KEY, folder=folder, task=task, expected=expected
            )
        )
    if sorted(settings.get("labels", ())) != sorted(student.labels):
        raise ConfigError(
            _("{key}: {folder} knows the labels {known}; train has {labels}").format(
                key=KEY, folder=folder, known=join_names(settings.get("labels", ())), labels=join_names(student.labels)
            )
        )
    own_fold, fold = _fold(student.config.model_dump()), _fold(settings["config"])
    if student.config.data.folds and own_fold["train"] == fold["train"] and own_fold != fold:
        raise ConfigError(
            _(
                "{key}: {folder} has learnt rows of this dev split: its folds are {fold}, those of this run {own}"
            ).format(key=KEY, folder=folder, fold=fold, own=own_fold)
        )
    return settings


def _fold(config: Mapping[str, Any]) -> dict[str, Any]:
    data = config["data"]
    return {**{key: data.get(key) for key in ("train", "folds", "fold")}, "seed": config["seed"]}


def _predictions(folder: Path, settings: Mapping[str, Any], student: Classifier) -> Array:
    """Return a teacher's probabilities <float32>[rows, labels], its labels in the student's order."""
    examples = student.splits["train"].examples

    def compute() -> dict[str, Array]:
        teacher, model = type(student).load(folder)
        cpu.switch_in(model)
        return {"answers": teacher.probabilities(model, teacher.dataset(examples))}

    files = [folder / WEIGHTS, *([folder / NGRAMS] if is_file(folder / NGRAMS) else [])]
    weights = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
    texts = [text for example in examples for text in student.FORMAT.texts(example)]
    key = compute_digest([_VERSION, weights, Tokenizer.load(folder).fingerprint, settings], texts)
    shape = len(examples), len(student.labels)
    probabilities = load_or_compute("answers", key, compute, lambda arrays: arrays["answers"].shape == shape)["answers"]
    return probabilities[:, [settings["labels"].index(label) for label in student.labels]]
