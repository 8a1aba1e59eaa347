"""Folders of exported models: what is in them, and loading them like any other model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paddle_tasks import runtime, tasks
from paddle_tasks.errors import CheckpointError, SetupError
from paddle_tasks.files import is_file, read_json_object
from paddle_tasks.language import _
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.graphs.onnx_file import OnnxNetworks
from paddle_tasks.models.graphs.paddle_file import PaddleNetworks
from paddle_tasks.process_state import default_settings, random_generator
from paddle_tasks.training.capabilities import ExportableTask

EXPORT = "export.json"
"""The file that says in which format the networks of a folder are, and what was checked."""

ONNX, PADDLE = "onnx", "paddle"


def is_exported(folder: Path) -> bool:
    """Return whether a model folder holds exported networks in place of weights."""
    return is_file(folder / EXPORT)


def open_networks(folder: Path) -> Networks:
    """Return the networks of an exported folder.

    Raises:
        CheckpointError: they are in an unknown format.
        SetupError: the library of their format is missing.
    """
    facts = read_json_object(folder / EXPORT, CheckpointError)
    form = facts.get("format")
    if form == ONNX:
        return OnnxNetworks(folder, int8=bool(facts.get("int8", {}).get("is_default")))
    if form == PADDLE:
        return PaddleNetworks(folder, facts["outputs"], onednn=bool(facts.get("onednn")))
    message = _("{file}: format {form!r} is unknown; expected onnx or paddle")
    raise CheckpointError(message.format(file=folder / EXPORT, form=form))


def load_exported(
    folder: Path, settings: Mapping[str, Any], device: str, networks: Networks | None = None
) -> tuple[Any, Any]:
    """Return the task of an exported folder, and the Layer that computes with its networks.

    Args:
        folder: the exported folder.
        settings: its settings.
        device: ``auto`` or ``cpu``.
        networks: those to compute with; None: those that the folder holds.

    Raises:
        SetupError: another device is asked for, or a library is missing.
    """
    if device not in ("auto", "cpu"):
        message = _("{folder}: an exported model computes on a CPU; leave out --device {device}")
        raise SetupError(message.format(folder=folder, device=device))
    runtime.import_paddle()
    kind = tasks.find(settings["config"]["task"])
    if not issubclass(kind, ExportableTask):
        raise CheckpointError(_("{folder}: the task {task} has no exported models").format(folder=folder, task=kind))
    with default_settings():
        runtime.use_device("cpu")
        with random_generator():
            return kind.load_exported(folder, networks or open_networks(folder))
