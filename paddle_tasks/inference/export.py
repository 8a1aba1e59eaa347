"""Export trained models for other people and programs, and import those of other programs."""

from __future__ import annotations

import shutil
from pathlib import Path

from paddle_tasks import tasks
from paddle_tasks.errors import CheckpointError, ConfigError, did_you_mean
from paddle_tasks.files import atomic_folder, exists, expand_user, write_json
from paddle_tasks.inference.export_networks import FORMATS, Wish, write_card, write_networks
from paddle_tasks.inference.exported import ONNX, is_exported
from paddle_tasks.inference.model_card import write_cards, write_stages
from paddle_tasks.inference.model_folders import model_folder, named_folder
from paddle_tasks.inference.pipelines import load_layer
from paddle_tasks.inference.stages import is_finished, portable_config
from paddle_tasks.language import _, join
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.models.pretrained.saving import TRAINING_ONLY, WEIGHTS
from paddle_tasks.process_state import default_numpy_errors, random_generator
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.tasks.model_settings import read_settings
from paddle_tasks.training.capabilities import ExchangedTask


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
    _check_target(target)
    if is_exported(source):
        raise CheckpointError(_("{run}: is an exported model already; name the run").format(run=run))
    _check_finished(run, source)
    with atomic_folder(target) as temporary:
        for path in sorted(source.iterdir()):
            if path.name != WEIGHTS:
                shutil.copyfile(path, temporary / path.name)
        settings = read_settings(source)
        write_json(temporary / SETTINGS, {**settings, "config": portable_config(settings["config"])})
        arrays = tensors.read(source / WEIGHTS)
        kept = {name: array for name, array in arrays.items() if not name.startswith(TRAINING_ONLY)}
        tensors.write(temporary / WEIGHTS, kept, half=True)
        if source != run:  # a model folder alone does not say how the model was trained
            write_stages(run, temporary)
            write_cards(temporary, target.name)
    return target


def _check_finished(run: Path, source: Path) -> None:
    if source != run and not is_finished(run):
        message = _("{run}: is not finished; train it again to continue, or name the model folder: {model}")
        raise CheckpointError(message.format(run=run, model=source))


def _check_target(target: Path) -> None:
    if exists(target):
        raise CheckpointError(
            _("{folder}: exists already and is not overwritten; name a new folder").format(folder=target)
        )
    if not target.parent.is_dir():
        raise CheckpointError(_("{file}: no such folder {folder}").format(file=target, folder=target.parent))


PADDLE_TASKS = "paddle-tasks"
"""The format of every model: a model folder with the weights rounded to float16."""


def export(
    run: str | Path,
    output: str | Path,
    form: str = PADDLE_TASKS,
    *,
    data: str | Path | None = None,
    int8: bool = False,
) -> Path:
    """Write the best model of a run in a format, and return the new folder or file.

    Args:
        run: as in `export_float16`.
        output: a folder or, for a format of other programs, a file; it does not exist yet.
        form: ``paddle-tasks``, ``onnx``, ``paddle``, or a format of the run's task, such as ``word2vec-text``.
        data: the file on whose rows exported networks are compared with the model; by default test or dev of the run.
        int8: of networks, whether copies with products in int8 are written and measured too.

    Raises:
        CheckpointError: the run has no trained model, or the output exists.
        ConfigError: there is no such format, the model cannot be exported in it, or it takes no such option.
        ExportError: the exported model does not answer as the trained one.
    """
    if int8 and form != ONNX:
        raise ConfigError(_("{name}: is for --format {forms}").format(name="--int8", forms=ONNX))
    if form in FORMATS:
        wish = Wish(form, None if data is None else str(data), int8)
        return _export_networks(named_folder(run), expand_user(output), wish)
    if data is not None:
        raise ConfigError(_("{name}: is for --format {forms}").format(name="--data", forms=join(FORMATS)))
    if form == PADDLE_TASKS:
        return export_float16(run, output)
    target = expand_user(output)
    _check_target(target)
    predictor = load_layer(run, device="cpu")
    if not isinstance(predictor.task, ExchangedTask):
        known = [PADDLE_TASKS, *FORMATS]
        message = _("--format {form}: {run} has the formats {known}{near}")
        raise ConfigError(message.format(form=form, run=run, known=join(known), near=did_you_mean(form, known)))
    predictor.task.write_model_file(predictor.model, target, form)
    return target


@default_numpy_errors()
def _export_networks(run: Path, target: Path, wish: Wish) -> Path:
    source = model_folder(run)
    _check_target(target)
    if is_exported(source):
        raise CheckpointError(_("{run}: is an exported model already; name the run").format(run=run))
    _check_finished(run, source)
    predictor = load_layer(run, device="cpu")
    with atomic_folder(target) as temporary:
        write_networks(run, predictor, temporary, wish)
        write_card(run, source, temporary, target.name)
    return target


def import_model(task: str, file: str | Path, output: str | Path) -> Path:
    """Make a model folder from a model file of another program.

    Args:
        task: the name of the task that knows the format.
        file: the file.
        output: a folder that does not exist yet.

    Returns:
        The new folder, which `load`, `predict` and `export` take like a run.

    Raises:
        ConfigError: there is no such task, or it reads no such files.
        DataError: the file cannot be read.
        CheckpointError: the folder exists.
    """
    kind, target = tasks.find(task), expand_user(output)
    if not issubclass(kind, ExchangedTask):
        names = [name for name in tasks.names() if issubclass(tasks.find(name), ExchangedTask)]
        message = _("task: {name} reads no model files of other programs; {known} does")
        raise ConfigError(message.format(name=task, known=join(names)))
    _check_target(target)
    with random_generator():
        imported, model = kind.read_model_file(expand_user(file))
    with atomic_folder(target) as temporary:
        imported.save_model(model, temporary)
    return target
