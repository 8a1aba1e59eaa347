"""Export trained models as networks that need neither Paddle nor this package, with a script that predicts."""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from paddle_tasks import tasks
from paddle_tasks.data.tables.catalogue import portable_path
from paddle_tasks.errors import CheckpointError, ConfigError
from paddle_tasks.files import read_json_object, write_json, write_text
from paddle_tasks.inference.card_exports import SCRIPT
from paddle_tasks.inference.card_notes import NOTES
from paddle_tasks.inference.export_check import Rows, compare, read_rows, require_epsilons, require_equal
from paddle_tasks.inference.export_int8 import measure_int8, write_int8
from paddle_tasks.inference.export_probe import RecordingNetworks, works_with_onednn
from paddle_tasks.inference.exported import EXPORT, ONNX, PADDLE, load_exported, open_networks
from paddle_tasks.inference.model_card import write_cards, write_stages
from paddle_tasks.inference.pipelines import Predictor
from paddle_tasks.inference.stages import STAGES, portable_config
from paddle_tasks.language import _, join
from paddle_tasks.models.graphs import onnx_file, paddle_file
from paddle_tasks.models.graphs.network import Network, Networks, SavedModel
from paddle_tasks.models.pretrained.names import ASSETS
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.training.capabilities import ExportableTask

_SESSION = "paddle_session"
_SCRIPTS = ASSETS.parent / "scripts"
FORMATS: tuple[str, ...] = (ONNX, PADDLE)


@dataclass(frozen=True)
class Wish:
    """What is to be exported.

    Attributes:
        form: one of `FORMATS`.
        data: the rows to compare the exported model with the trained one on; None: those of the run.
        int8: whether networks with products in int8 are written too.
    """

    form: str
    data: str | None = None
    int8: bool = False


def write_networks(run: Path, predictor: Predictor, folder: Path, wish: Wish) -> None:
    """Write the networks of a trained model, and check that they answer as it does.

    What was checked is written into export.json.

    Args:
        run: the run, or the model folder.
        predictor: the trained model.
        folder: an empty folder.
        wish: what is to be exported.

    Raises:
        ConfigError: the task has no networks, or a part of the model cannot be described.
        ExportError: the exported model answers otherwise.
    """
    task, source, form = predictor.task, predictor.folder, wish.form
    if not isinstance(task, ExportableTask):
        message = _("--format {form}: models of {task} cannot be exported as networks; those of {known} can")
        known = join([name for name in tasks.names() if issubclass(tasks.find(name), ExportableTask)])
        raise ConfigError(message.format(form=form, task=predictor.task.config.task, known=known))
    settings = read_json_object(source / SETTINGS, CheckpointError)
    networks = task.networks(SavedModel.read(source, settings))
    written = {network.name: _WRITERS[form](network, folder) for network in networks}
    write_json(folder / SETTINGS, {**settings, "config": portable_config(settings["config"])})
    task.write_export(source, folder)
    facts = _describe(networks, form, written)
    write_json(folder / EXPORT, facts)
    rows = read_rows(task, run, wish.data)
    facts.update(_check(run, predictor, folder, form, rows))
    if wish.int8:
        write_int8(folder)
        facts["int8"] = measure_int8(folder, partial(_score, folder, rows), _metric(task))
    write_json(folder / EXPORT, facts)
    _write_script(task.export_script(), folder, facts)


def _write_program(network: Network, folder: Path) -> list[str]:
    from paddle_tasks.models.graphs import paddle_graph  # imports Paddle

    return paddle_graph.write(network, folder)


_WRITERS: Mapping[str, Callable[[Network, Path], list[str]]] = {
    ONNX: lambda network, folder: onnx_file.output_names(onnx_file.write(network, folder)),
    PADDLE: _write_program,
}
"""Write a network in each format, and return the names of its outputs."""


def _write_script(name: str, folder: Path, facts: Mapping[str, Any]) -> None:
    text = (_SCRIPTS / f"{name}.py.txt").read_text(encoding="utf-8")
    if facts["format"] == PADDLE:
        shutil.copyfile(_SCRIPTS / f"{_SESSION}.py.txt", folder / f"{_SESSION}.py")
        text = text.replace("import onnxruntime\n", f"import {_SESSION} as onnxruntime\n")
        text = text.replace("needs onnxruntime", "needs paddlepaddle").replace(onnx_file.SUFFIX, paddle_file.SUFFIX)
    elif facts.get("int8", {}).get("is_default"):
        text = text.replace(onnx_file.SUFFIX, onnx_file.INT8_SUFFIX)
    write_text(folder / SCRIPT, text)


def _metric(task: Any) -> str:
    """Return the metric that says what int8 costs: the one that chose the best model, if higher is better."""
    names = [task.config.evaluation.metric, *task.METRICS]
    return str(next(name for name in names if name not in task.LOWER_IS_BETTER))


def _score(folder: Path, rows: Rows, networks: Networks) -> Mapping[str, Any]:
    metrics: Mapping[str, Any] = _evaluate(folder, rows, networks).metrics
    return metrics


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


def _describe(networks: Sequence[Network], form: str, outputs: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the format, the versions it was written with, and the inputs and outputs of each network."""
    inputs = {
        network.name: {name: {"type": one.kind, "axes": list(one.axes)} for name, one in network.inputs.items()}
        for network in networks
    }
    versions = {name: importlib.metadata.version(name) for name in ("paddle_tasks", "onnx")}
    return {"format": form, "versions": versions, "inputs": inputs, "outputs": dict(outputs)}


def _check(run: Path, predictor: Predictor, folder: Path, form: str, rows: Rows) -> dict[str, Any]:
    epsilons = _norm_epsilons(folder, form)
    require_epsilons(epsilons, predictor.model)
    recorded = RecordingNetworks(open_networks(folder))
    found = _evaluate(folder, rows, recorded)
    comparison = compare(found, predictor.task.evaluate(predictor.model, rows.split, _never))
    require_equal(comparison, run, form)
    return {
        **({"onednn": _probe(folder, recorded)} if form == PADDLE else {}),
        "layer_norm_epsilons": {str(epsilon): count for epsilon, count in epsilons.items()},
        "rows": comparison.rows,
        "data": portable_path(rows.split.path),
        "largest_difference": comparison.largest,
    }


def _norm_epsilons(folder: Path, form: str) -> Counter[float]:
    epsilons: Counter[float] = Counter()
    names = read_json_object(folder / EXPORT, CheckpointError)["outputs"]
    reader = onnx_file if form == ONNX else paddle_file
    for name in names:
        epsilons += reader.norm_epsilons(folder / f"{name}{reader.SUFFIX}")
    return epsilons


def _probe(folder: Path, recorded: RecordingNetworks) -> bool:
    """Return whether oneDNN computes the programs of a folder rightly."""
    with tempfile.TemporaryDirectory() as scratch:
        return works_with_onednn(folder, recorded, Path(scratch))


def _evaluate(folder: Path, rows: Rows, networks: Networks | None = None) -> Any:
    settings = read_json_object(folder / SETTINGS, CheckpointError)
    task, model = load_exported(folder, settings, "cpu", networks)
    task.splits[rows.name] = rows.split
    return task.evaluate(model, rows.split, _never)


def _never() -> None:
    """Interrupt nothing."""
