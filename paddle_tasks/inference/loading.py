"""Loading what a model folder holds: without Paddle, as a Layer, or as exported networks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from paddle_tasks import runtime, tasks
from paddle_tasks.inference.exported import is_exported, load_exported, open_networks
from paddle_tasks.onednn.precision import Precision
from paddle_tasks.process_state import default_settings, random_generator


def load_quick(folder: Path, settings: Mapping[str, Any], precision: Precision) -> tasks.PaddleFreePredictor | None:
    """Return what predicts with a model folder without Paddle; None if there is nothing."""
    kind = tasks.find_paddle_free(settings["config"]["task"])
    if is_exported(folder):
        return kind.load_exported(folder, settings, open_networks(folder)) if kind else None
    if kind is None:
        return None
    try:
        return kind.load(folder, settings, bfloat16=precision == "bfloat16")
    except (LookupError, TypeError, ValueError, AttributeError):  # Paddle's path says what is wrong with the folder
        return None


def may_use_gpu(device: str) -> bool:
    """Return whether Paddle must be asked for the device."""
    return device not in ("auto", "cpu") or (device == "auto" and runtime.has_gpu_package())


def load_with_paddle(folder: Path, settings: Mapping[str, Any], device: str) -> tuple[Any, Any]:
    """Return the task of a model folder and its Layer."""
    if is_exported(folder):
        return load_exported(folder, settings, device)
    runtime.import_paddle()
    from paddle_tasks.models import cpu

    with default_settings():
        runtime.use_device(device)
        with random_generator():
            task, model = tasks.find(settings["config"]["task"]).load(folder)
        cpu.switch_in(model)
    return task, model
