"""Prediction with a trained model and with its exported forms."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from paddle_tasks.inference.export import export
from paddle_tasks.inference.exported import ONNX, PADDLE, load_exported, open_networks
from paddle_tasks.inference.pipelines import load
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.graphs.onnx_file import OnnxNetworks
from paddle_tasks.onednn import precision
from paddle_tasks.tasks import find_paddle_free
from paddle_tasks.tasks.model_settings import read_settings
from paddle_tasks.workflows.bench.report import Notify, Report, run_rounds
from paddle_tasks.workflows.bench.texts import BenchTexts

_CALLS = 20
"""Calls with one text in each round."""
Predict = Callable[[Sequence[str]], Any]


def measure_exports(
    name: str, file: Path, *, data: str | None, repeats: int, notify: Notify = lambda _text: None
) -> Report:
    """Export a model in each format, and time prediction with each and with the model itself, in turn.

    Args:
        name: a run folder or the name of a shipped model.
        file: the texts; `predict` reads the same files.
        data: the rows to compare the exported models on; None: those of the run.
        repeats: rounds that count.
        notify: called with messages about the progress.

    Raises:
        UserError: there is no such model, it cannot be exported, or the file holds no texts.
    """
    texts = BenchTexts.read(name, file)
    with tempfile.TemporaryDirectory() as folder:
        predictors = {**_own(name), **_exported(name, Path(folder), data, notify)}
        timers = {kind: partial(texts.time, predict, _CALLS) for kind, predict in predictors.items()}
        rounds = run_rounds(timers, repeats, warmup=1, notify=notify)
    return texts.report("export", [texts.measurement(kind, rounds[kind], (50,)) for kind in predictors])


def _own(name: str) -> dict[str, Predict]:
    """Return the model itself in each precision of this CPU."""
    kinds: tuple[precision.Precision, ...] = ("float32",)
    kinds = (*kinds, "bfloat16") if precision.has_bfloat16() else kinds
    return {f"run, {kind}": load(name, device="cpu", precision=kind).answer for kind in kinds}


def _exported(name: str, folder: Path, data: str | None, notify: Notify) -> dict[str, Predict]:
    found: dict[str, Predict] = {}
    for form in (PADDLE, ONNX):
        notify(f"export --format {form}")
        target = export(name, folder / form, form, data=data, int8=form == ONNX)
        networks = OnnxNetworks(target) if form == ONNX else open_networks(target)
        found[form] = _predictor(target, networks)
    found["onnx, int8"] = _predictor(folder / ONNX, OnnxNetworks(folder / ONNX, int8=True))
    return found


def _predictor(folder: Path, networks: Networks) -> Predict:
    """Return what predicts with networks of an exported folder."""
    settings: Mapping[str, Any] = read_settings(folder)
    kind = find_paddle_free(settings["config"]["task"])
    if kind is not None:
        return kind.load_exported(folder, settings, networks).predict
    task, model = load_exported(folder, settings, "cpu", networks)
    return partial(task.predict, model)
