"""Checkpoints: written whole, listed in a manifest with checksums, verified when they are loaded."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import paddle
from paddle import nn
from safetensors.numpy import load_file, save_file

from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import readable_as_usual, sha256, whole_folder, write_json, write_text
from paddle_tasks.training.averaging import WeightAverage

_MASTER, _OWN, _AVERAGE = "master", "own", "average"


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint on disk.

    Attributes:
        folder: holds ``model/`` (loadable by itself), ``optimizer.safetensors``, ``state.json``, ``manifest.json``.
        state: the progress of the run, and whatever else the caller saved.
        passed_over: newer checkpoints that failed their checksums, with the reason.
    """

    folder: Path
    state: Mapping[str, Any]
    passed_over: tuple[str, ...] = ()


class CheckpointStore:
    """The folder ``checkpoints/`` of a run, with the pointer files ``latest`` and ``best``."""

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
        """Write a checkpoint for ``step``, then move ``latest`` (and ``best``), then drop what is not kept."""
        target = self.folder_of(step)
        with whole_folder(target) as temporary:
            write_model(temporary / "model")
            path = temporary / "optimizer.safetensors"
            with readable_as_usual(path):
                save_file(dict(optimizer_state), path)
            write_json(temporary / "state.json", state)
            files = sorted(path for path in temporary.rglob("*") if path.is_file())
            listing = {str(path.relative_to(temporary)): sha256(path) for path in files}
            write_json(temporary / "manifest.json", {"step": step, "sha256": listing})
        self.point_at(target, is_best=is_best)
        return target

    def folder_of(self, step: int) -> Path:
        """Return the folder of the checkpoint after a step."""
        return self.folder / f"step-{step:08d}"

    def point_at(self, target: Path, *, is_best: bool) -> None:
        """Make ``target`` the latest checkpoint (and the best one), then drop what is not kept."""
        write_text(self.folder / "latest", target.name + "\n")
        if is_best:
            write_text(self.folder / "best", target.name + "\n")
        # Newer ones were passed over as damaged when the run was continued, so they must not fill the places.
        kept = {self._pointer("best"), *[path.name for path in self._newest_first() if path <= target][: self.keep]}
        for path in self._newest_first():
            if path.name not in kept:
                shutil.rmtree(path)

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"), reverse=True)

    def _pointer(self, name: str) -> str | None:
        path = self.folder / name
        return path.read_text(encoding="utf-8").strip() if path.is_file() else None

    def load_latest(self) -> Checkpoint | None:
        """Return the newest whole checkpoint, or None when there is none at all.

        Raises:
            CheckpointError: checkpoints are there, but none is whole.
        """
        problems: list[str] = []
        for folder in self._newest_first():
            problem = verify(folder)
            if problem is None:
                state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
                return Checkpoint(folder, state, tuple(problems))
            problems.append(f"{folder}: {problem}")
        if problems:
            listing = "\n".join(f"  {problem}" for problem in problems)
            raise CheckpointError(f"{self.folder}: no checkpoint is whole; train again with --fresh\n{listing}")
        return None


def verify(folder: Path) -> str | None:
    """Return what is wrong with a checkpoint, or None when every file has its checksum."""
    try:
        listing = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["sha256"]
    except (OSError, ValueError, KeyError) as error:
        return f"manifest.json cannot be read ({error})"
    for name, expected in listing.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if sha256(path) != expected:
            return f"{name} has changed since it was written"
    return None


def optimizer_state(
    optimizer: paddle.optimizer.Optimizer, model: nn.Layer, average: WeightAverage | None = None
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the accumulators by structured parameter name, ``encoder.weight::moment1``.

    Paddle keys them by generated names (``linear_7.w_0_moment1_0``), which differ from process to process. Of a
    half-precision weight there is ``::master`` too, its float32 copy, and beside an average ``::own``, the weight that
    is trained, since the model's folder holds the average; in half precision that is rounded, so ``::average`` is it.
    """
    named: dict[str, np.ndarray[Any, Any]] = {}
    state = optimizer.state_dict()
    masters = state.pop("master_weights", {})
    for name, parameter in model.named_parameters():
        prefix = f"{parameter.name}_"
        for key, value in state.items():
            if isinstance(value, paddle.Tensor) and key.startswith(prefix):
                named[f"{name}::{key.removeprefix(prefix).removesuffix('_0')}"] = value.numpy()
        if parameter.name in masters:
            named[f"{name}::{_MASTER}"] = masters[parameter.name].numpy()
    if average:
        named |= {f"{name}::{_OWN}": weight.numpy() for name, weight in average.weights.items()}
        rounded = [name for name, weight in average.weights.items() if weight.dtype != paddle.float32]
        named |= {f"{name}::{_AVERAGE}": average.averages[name].numpy() for name in rounded}
    return named


def load_optimizer_state(
    optimizer: paddle.optimizer.Optimizer, model: nn.Layer, path: Path, average: WeightAverage | None = None
) -> None:
    """Restore what `optimizer_state` returned; the next ``step`` has to run inside ``unique_name.guard()``.

    Args:
        optimizer: has done no step yet.
        model: holds the weights of the checkpoint's model folder.
        path: the file.
        average: has been restarted with these weights.

    Raises:
        CheckpointError: a parameter of the file is not in the model.
    """
    parameters = dict(model.named_parameters())
    state: dict[str, Any] = {}
    masters: dict[str, paddle.Tensor] = {}
    for key, value in load_file(path).items():
        name, _, accumulator = key.rpartition("::")
        if name not in parameters:
            raise CheckpointError(f"{path}: holds {name!r}, which the model does not have")
        tensor = paddle.to_tensor(value)
        if accumulator == _OWN:
            parameters[name].set_value(tensor)
        elif accumulator == _MASTER:
            # The accumulators are named after it; of the name space of the first step, it is the first of its name.
            tensor.name = f"{parameters[name].name}_fp32_master_0"
            masters[parameters[name].name] = tensor
        elif accumulator == _AVERAGE:
            if average:
                average.averages[name] = tensor
        else:
            state[f"{parameters[name].name}_{accumulator}_0"] = tensor
    optimizer.set_state_dict({**state, "master_weights": masters} if masters else state)
