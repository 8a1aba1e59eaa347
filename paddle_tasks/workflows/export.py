"""Write a trained model anew, for others to use."""

from __future__ import annotations

import shutil
from pathlib import Path

from paddle_tasks.errors import CheckpointError
from paddle_tasks.files import whole_folder
from paddle_tasks.inference.pipelines import model_folder
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.models.pretrained.saving import WEIGHTS
from paddle_tasks.workflows.model_card import is_finished, write_card


def export_float16(run: str | Path, output: str | Path) -> Path:
    """Write the best model of a run with its weights rounded to float16: half the size, loaded as before, with a card.

    Args:
        run: a run folder, or a model folder itself.
        output: a folder that is not there yet.

    Returns:
        The new folder.

    Raises:
        CheckpointError: nothing is trained in the run, the folder is there already, or a weight is too large.
    """
    source, target = model_folder(Path(run)), Path(output)
    if target.exists():
        raise CheckpointError(f"{target}: is there already; name a new folder, nothing is overwritten")
    if not target.parent.is_dir():
        raise CheckpointError(f"{target}: no such folder {target.parent}")
    if source != Path(run) and not is_finished(Path(run)):
        raise CheckpointError(f"{run}: is not finished; train it again to go on, or name the model alone: {source}")
    with whole_folder(target) as temporary:
        for path in sorted(source.iterdir()):
            if path.name != WEIGHTS:
                shutil.copyfile(path, temporary / path.name)
        tensors.write(temporary / WEIGHTS, tensors.read(source / WEIGHTS), half=True)
        if source != Path(run):  # of a model folder by itself nothing more is known than stands in it
            write_card(Path(run), temporary, target.name)
    return target


EXPORTS = {"float16": export_float16}
"""What a model can be exported as, by the name of the format."""
