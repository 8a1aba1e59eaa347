"""Checkpoints: written atomically, with a manifest of checksums that is verified on loading."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from safetensors import SafetensorError
from safetensors.numpy import load_file

from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import atomic_folder, read_json_object, sha256, write_json, write_text
from paddle_tasks.language import _
from paddle_tasks.models.pretrained.tensors import check_finite, save_file
from paddle_tasks.training.averaging import WeightAverage

MASTER_SUFFIX, TRAINED_SUFFIX, AVERAGE_SUFFIX = "master", "own", "average"
"""Suffixes of keys in optimizer.safetensors that are not accumulators of the optimiser; see `optimizer_state`."""
_STEP = re.compile(r"step-[0-9]{8,15}")
_FILES = {"state.json", "optimizer.safetensors"}
"""Files that every checkpoint has, beside those of its model."""
_WEIGHTS = (MASTER_SUFFIX, TRAINED_SUFFIX, AVERAGE_SUFFIX)


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint on disk.

    Attributes:
        folder: contains ``model/`` (a complete saved model), ``optimizer.safetensors``, ``state.json`` and
            ``manifest.json``.
        state: content of state.json: the progress of the run, and whatever else the caller saved.
        skipped: newer checkpoints that are damaged, each as ``FOLDER: REASON``.
    """

    folder: Path
    state: Mapping[str, Any]
    skipped: tuple[str, ...] = ()


class CheckpointStore:
    """The folder ``checkpoints/`` of a run, with the pointer files ``latest`` and ``best``.

    Args:
        folder: the folder; it need not exist yet.
        keep: number of newest checkpoints to keep, in addition to the best one.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep

    def save(
        self,
        step: int,
        write_model: Callable[[Path], None],
        optimizer_state: Mapping[str, Any],
        state: Mapping[str, Any],
        *,
        is_best: bool,
    ) -> Path:
        """Write the checkpoint of a step, update the pointer files, and delete old checkpoints.

        Args:
            step: number of optimiser steps done.
            write_model: writes the model into the given folder, which does not exist yet.
            optimizer_state: arrays of `optimizer_state`.
            state: content of state.json.
            is_best: whether ``best`` should point to this checkpoint.

        Returns:
            The folder of the checkpoint.
        """
        target = self.step_folder(step)
        with atomic_folder(target) as temporary:
            write_model(temporary / "model")
            save_file(optimizer_state, temporary / "optimizer.safetensors")
            write_json(temporary / "state.json", state)
            files = sorted(path for path in temporary.rglob("*") if path.is_file())
            checksums = {str(path.relative_to(temporary)): sha256(path) for path in files}
            write_json(temporary / "manifest.json", {"step": step, "sha256": checksums})
        self.update_pointers(target, is_best=is_best)
        return target

    def step_folder(self, step: int) -> Path:
        """Return the folder of a step's checkpoint, such as ``checkpoints/step-00000120``."""
        return self.folder / f"step-{step:08d}"

    def update_pointers(self, target: Path, *, is_best: bool) -> None:
        """Make ``target`` the latest checkpoint (and the best one, if it is), then delete old checkpoints."""
        write_text(self.folder / "latest", target.name + "\n")
        if is_best:
            write_text(self.folder / "best", target.name + "\n")
        # Checkpoints newer than the target were found damaged on resuming, so they do not count as kept.
        older = [path.name for path in self._newest_first() if _step(path) <= _step(target)]
        kept = {self._pointer("best"), *older[: self.keep]}
        for path in self._newest_first():
            if path.name not in kept:
                _remove(path)

    def _newest_first(self) -> list[Path]:
        """Return what has the name of a checkpoint; other files and folders are left alone."""
        named = [path for path in self.folder.glob("step-*") if _STEP.fullmatch(path.name)]
        return sorted(named, key=_step, reverse=True)

    def _pointer(self, name: str) -> str | None:
        path = self.folder / name
        return path.read_text(encoding="utf-8", errors="replace").strip() if path.is_file() else None

    def load_latest(self) -> Checkpoint | None:
        """Return the newest undamaged checkpoint, or None if there are no checkpoints.

        Raises:
            CheckpointError: there are checkpoints, but all are damaged.
        """
        problems: list[str] = []
        for folder in self._newest_first():
            damage = find_damage(folder)
            if damage is None:
                try:
                    state = read_json_object(folder / "state.json", CheckpointError)
                    return Checkpoint(folder, state, tuple(problems))
                except (CheckpointError, OSError) as error:
                    damage = str(error)
            problems.append(_("{file}: {problem}").format(file=folder, problem=damage))
        if problems:
            listing = "\n".join(f"  {problem}" for problem in problems)
            raise CheckpointError(
                _("{folder}: all checkpoints are damaged; train again with --fresh\n{problems}").format(
                    folder=self.folder, problems=listing
                )
            )
        return None


def find_damage(folder: Path) -> str | None:
    """Return what is wrong with a checkpoint folder, or None if every file matches its checksum."""
    try:
        _check_files(folder)
    except (CheckpointError, OSError) as error:
        return str(error)
    return None


def _check_files(folder: Path) -> None:
    """Check that the files of a checkpoint folder are those that were written.

    Raises:
        CheckpointError: it is no folder, or a file is missing or has changed.
        OSError: a file cannot be read.
    """
    if folder.is_symlink() or not folder.is_dir():
        raise CheckpointError(_("expected a folder, found a file or a link"))
    checksums = _read_checksums(folder)
    for name in sorted(_FILES - checksums.keys()):
        raise CheckpointError(_("manifest.json does not list {file}").format(file=name))
    for name, expected in checksums.items():
        path = folder / name
        if not path.is_file():
            raise CheckpointError(_("{file} is missing").format(file=name))
        if sha256(path) != expected:
            raise CheckpointError(_("{file} has changed since it was written").format(file=name))


def _read_checksums(folder: Path) -> Mapping[str, Any]:
    try:
        checksums = read_json_object(folder / "manifest.json", CheckpointError).get("sha256")
    except (CheckpointError, OSError) as error:
        raise CheckpointError(_("manifest.json cannot be read ({error})").format(error=error)) from error
    if not isinstance(checksums, dict) or any(Path(name).is_absolute() or ".." in name for name in checksums):
        raise CheckpointError(_("manifest.json holds no checksums of files in this folder"))
    return checksums


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _remove(path: Path) -> None:
    """Remove a checkpoint, or the file or link that has its name; what a link points to is kept."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path)


def optimizer_state(
    optimizer: paddle.optimizer.Optimizer, model: nn.Layer, average: WeightAverage | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the optimiser's accumulators by structured parameter name, such as ``encoder.weight::moment1``.

    Paddle uses generated names (``linear_7.w_0_moment1_0``), which differ from process to process. Further keys:

    - ``NAME::master``: the float32 copy of a half-precision weight.
    - ``NAME::own``: with an average, the trained weight, because the model folder contains the average.
    - ``NAME::average``: the float32 average of a half-precision weight, because the model folder contains it rounded.
    """
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    state = optimizer.state_dict()
    masters = state.pop("master_weights", {})
    for name, parameter in model.named_parameters():
        prefix = f"{parameter.name}_"
        for key, value in state.items():
            if isinstance(value, paddle.Tensor) and key.startswith(prefix):
                arrays[f"{name}::{key.removeprefix(prefix).removesuffix('_0')}"] = value.numpy()
        if parameter.name in masters:
            arrays[f"{name}::{MASTER_SUFFIX}"] = masters[parameter.name].numpy()
    if average:
        arrays |= {f"{name}::{TRAINED_SUFFIX}": weight.numpy() for name, weight in average.weights.items()}
        half = [name for name, weight in average.weights.items() if weight.dtype != paddle.float32]
        arrays |= {f"{name}::{AVERAGE_SUFFIX}": average.averages[name].numpy() for name in half}
    return arrays


def _read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    try:
        arrays: dict[str, np.ndarray[Any, Any]] = load_file(path)
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        message = _("{path}: not a readable file of tensors ({error})")
        raise CheckpointError(message.format(path=path, error=error)) from error
    return arrays


def load_optimizer_state(
    optimizer: paddle.optimizer.Optimizer, model: nn.Layer, path: Path, average: WeightAverage | None = None
) -> None:
    """Restore the arrays that `optimizer_state` returned.

    Call the next ``optimizer.step`` inside ``unique_name.guard()``, so that it finds the restored accumulators.

    Args:
        optimizer: an optimiser that has done no step yet.
        model: the model, with the weights of the checkpoint's model folder.
        path: the file ``optimizer.safetensors``.
        average: the average, restarted with these weights.

    Raises:
        CheckpointError: the file cannot be read, contains a parameter that the model does not have or one of another
            shape, or a weight that is not finite.
    """
    parameters = dict(model.named_parameters())
    arrays = _read_arrays(path)
    check_finite({key: array for key, array in arrays.items() if key.rpartition("::")[2] in _WEIGHTS}, path)
    state: dict[str, Any] = {}
    masters: dict[str, paddle.Tensor] = {}
    for key, value in arrays.items():
        name, _separator, accumulator = key.rpartition("::")
        if name not in parameters:
            raise CheckpointError(
                _("{path}: contains {name!r}, which the model does not have").format(path=path, name=name)
            )
        if accumulator in _WEIGHTS and list(value.shape) != list(parameters[name].shape):
            message = _("{path}: {name} has the shape {found}, expected {expected}")
            values = {"found": list(value.shape), "expected": list(parameters[name].shape)}
            raise CheckpointError(message.format(path=path, name=key, **values))
        tensor = paddle.to_tensor(value)
        if accumulator == TRAINED_SUFFIX:
            parameters[name].set_value(tensor)
        elif accumulator == MASTER_SUFFIX:
            # The optimiser names the accumulators after this copy. In the name space of the first step the copy is
            # the first of its name, hence the 0.
            tensor.name = f"{parameters[name].name}_fp32_master_0"
            masters[parameters[name].name] = tensor
        elif accumulator == AVERAGE_SUFFIX:
            if average:
                average.averages[name] = tensor
        else:
            state[f"{parameters[name].name}_{accumulator}_0"] = tensor
    optimizer.set_state_dict({**state, "master_weights": masters} if masters else state)
