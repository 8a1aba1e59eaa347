"""Export a trained model to a folder that other people can use."""

from __future__ import annotations

import shutil
from pathlib import Path

from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import atomic_folder, exists, expand_user, read_json_object, write_json
from paddle_tasks.inference.model_card import write_cards, write_stages
from paddle_tasks.inference.model_folders import model_folder, named_folder
from paddle_tasks.inference.stages import is_finished, portable_config
from paddle_tasks.language import _
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.models.pretrained.saving import WEIGHTS
from paddle_tasks.process_state import default_numpy_errors
from paddle_tasks.tasks import SETTINGS


@default_numpy_errors()
def export_float16(run: str | Path, output: str | Path) -> Path:
    """Write the best model of a run with its weights rounded to float16, and a model card.

    The files have half the size and are loaded like any model folder.

    Args:
        run: a run folder, a model folder, or the name of a model that ships with the package.
        output: a folder that does not exist yet.

    Returns:
        The new folder.

    Raises:
        CheckpointError: the run has no trained model, the folder exists, or a weight is too large for float16.
    """
    run, target = named_folder(run), expand_user(output)
    source = model_folder(run)
    if exists(target):
        raise CheckpointError(
            _("{folder}: exists already and is not overwritten; name a new folder").format(folder=target)
        )
    if not target.parent.is_dir():
        raise CheckpointError(_("{file}: no such folder {folder}").format(file=target, folder=target.parent))
    if source != run and not is_finished(run):
        message = _("{run}: is not finished; train it again to continue, or name the model folder: {model}")
        raise CheckpointError(message.format(run=run, model=source))
    with atomic_folder(target) as temporary:
        for path in sorted(source.iterdir()):
            if path.name != WEIGHTS:
                shutil.copyfile(path, temporary / path.name)
        settings = read_json_object(source / SETTINGS, CheckpointError)
        write_json(temporary / SETTINGS, {**settings, "config": portable_config(settings["config"])})
        tensors.write(temporary / WEIGHTS, tensors.read(source / WEIGHTS), half=True)
        if source != run:  # a model folder alone does not say how the model was trained
            write_stages(run, temporary)
            write_cards(temporary, target.name)
    return target


EXPORTS = {"float16": export_float16}
"""The export functions by the name of the format."""
