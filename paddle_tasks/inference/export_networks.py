"""Export trained models as networks that need neither Paddle nor this package, with a script that predicts."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_tasks import tasks
from paddle_tasks.data.tables.catalogue import portable_path
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.files import read_json_object, write_json, write_text
from paddle_tasks.inference.card_notes import NOTES
from paddle_tasks.inference.export_check import Rows, compare, read_rows, require_epsilons, require_equal
from paddle_tasks.inference.exported import EXPORT, ONNX, load_exported
from paddle_tasks.inference.model_card import write_cards, write_stages
from paddle_tasks.inference.pipelines import Predictor
from paddle_tasks.inference.stages import STAGES, portable_config
from paddle_tasks.language import _, join
from paddle_tasks.models.graphs import onnx_file
from paddle_tasks.models.graphs.network import Network, SavedModel
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.training.protocol import ExportableTask

SCRIPT = "predict.py"
_SCRIPTS = ASSETS.parent / "scripts"
FORMATS: tuple[str, ...] = (ONNX,)


def write_networks(run: Path, predictor: Predictor, folder: Path, form: str, data: str | None) -> Mapping[str, Any]:
    """Write the networks of a trained model, and check that they answer as it does.

    Args:
        run: the run, or the model folder.
        predictor: the trained model.
        folder: an empty folder.
        form: a format.
        data: the rows to compare both on; None: those of the run.

    Returns:
        What was checked, the content of export.json.

    Raises:
        ConfigError: the task has no networks, or a part of the model cannot be described.
        ExportError: the exported model answers otherwise.
    """
    task, source = predictor.task, predictor.folder
    if not isinstance(task, ExportableTask):
        message = _("--format {form}: models of {task} cannot be exported as networks; {known} can")
        known = join([name for name in tasks.names() if issubclass(tasks.find(name), ExportableTask)])
        raise ConfigError(message.format(form=form, task=task.config.task, known=known))
    settings = read_json_object(source / SETTINGS, CheckpointError)
    networks = task.networks(SavedModel.read(source, settings))
    _write_files(networks, folder, form)
    write_json(folder / SETTINGS, {**settings, "config": portable_config(settings["config"])})
    task.write_export(source, folder)
    write_text(folder / SCRIPT, (_SCRIPTS / f"{task.export_script()}.py.txt").read_text(encoding="utf-8"))
    write_json(folder / EXPORT, {"format": form})
    facts = {**_describe(networks, form), **_check(run, predictor, folder, form, data)}
    write_json(folder / EXPORT, facts)
    return facts


def write_card(run: Path, source: Path, folder: Path, name: str) -> None:
    """Write the card of an exported folder, if it is known how the model was trained.

    Args:
        run: the run, or the model folder.
        source: the model folder.
        folder: the exported folder.
        name: its name.
    """
    if source != run:
        write_stages(run, folder)
    elif (source / STAGES).is_file():
        for file in (STAGES, NOTES):
            if (source / file).is_file():
                shutil.copyfile(source / file, folder / file)
    else:
        return
    write_cards(folder, name)


def _write_files(networks: Sequence[Network], folder: Path, form: str) -> None:
    del form
    for network in networks:
        onnx_file.write(network, folder)


def _describe(networks: Sequence[Network], form: str) -> dict[str, Any]:
    """Return the format, the versions it was written with, and the inputs of each network."""
    inputs = {
        network.name: {name: {"type": one.kind, "axes": list(one.axes)} for name, one in network.inputs.items()}
        for network in networks
    }
    versions = {name: importlib.metadata.version(name) for name in ("paddle_tasks", "onnx")}
    return {"format": form, "versions": versions, "inputs": inputs}


def _check(run: Path, predictor: Predictor, folder: Path, form: str, data: str | None) -> dict[str, Any]:
    epsilons: Counter[float] = Counter()
    for path in folder.glob(f"*{onnx_file.SUFFIX}"):
        epsilons += onnx_file.norm_epsilons(path)
    require_epsilons(epsilons, predictor.model)
    rows = read_rows(predictor.task, run, data)
    comparison = compare(_evaluate(folder, rows), predictor.task.evaluate(predictor.model, rows.split, _never))
    require_equal(comparison, run, form)
    return {
        "layer_norm_epsilons": {str(epsilon): count for epsilon, count in epsilons.items()},
        "rows": comparison.rows,
        "data": portable_path(rows.split.path),
        "largest_difference": comparison.largest,
    }


def _evaluate(folder: Path, rows: Rows) -> Any:
    task, model = load_exported(folder, read_json_object(folder / SETTINGS, CheckpointError), "cpu")
    task.splits[rows.name] = rows.split
    return task.evaluate(model, rows.split, _never)


def _never() -> None:
    """Interrupt nothing."""
