"""Score a finished or interrupted run on a split or on another file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from pydantic import create_model

from paddle_tasks import config as configuration
from paddle_tasks.config import Section
from paddle_tasks.data.tables import catalogue
from paddle_tasks.data.tables.catalogue import SplitName, shipped_name
from paddle_tasks.errors import ConfigError, UserError
from paddle_tasks.inference.model_folders import is_shipped
from paddle_tasks.inference.pipelines import load_layer
from paddle_tasks.inference.records import Record
from paddle_tasks.language import _, plural
from paddle_tasks.metrics.names import metric_name
from paddle_tasks.process_state import default_settings
from paddle_tasks.training.display import Segment
from paddle_tasks.workflows.config import as_assignments


@default_settings()
def evaluate(
    run: str | Path,
    *,
    data: str | Path | None = None,
    split: SplitName = "test",
    settings: Sequence[str] | Mapping[str, Any] = (),
    device: str = "auto",
) -> Record:
    """Return ``{"run", "split", "data", "rows", "skipped_rows", "metrics"}`` for the best model of a run.

    It is a dict, which a notebook shows as a table. If the train data cannot be read, ``not_deduplicated`` says why
    there are no scores without the rows it shares.

    >>> scores = evaluate("builtin/sentiment", data="builtin/sentiment")
    >>> scores["rows"], scores["metrics"]["accuracy"] > 0.8
    (609, True)

    Args:
        run: the run folder; or the name of a model that ships with the package, which needs ``data``.
        data: another file, or the name of a data set; by default the run's own file of the split.
        split: the split to score.
        settings: what the file needs in place of the settings of the run: ``data.…=VALUE`` such as
            ``data.columns.text=review`` or ``data.label_map={"1": positive, "0": negative}``, or a mapping of sections
            or dotted keys.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.

    Raises:
        CheckpointError: the folder contains no trained model.
        ConfigError: the run has no such split, or a setting is unknown or does not fit the model.
        DataError: the file cannot be used.
    """
    ships = is_shipped(run)
    if data is None and ships:
        raise ConfigError(_needs_data(run))
    predictor = load_layer(run, device=device)
    task = predictor.task
    if data is None and not task.config.data.has(split):
        raise ConfigError(_("{run}: has no data.{split}; name a file with --data").format(run=run, split=split))
    written = as_assignments(settings)
    layout = parse_layout(task, written) if written else None
    missing = _("{run}: ships without its train data").format(run=run) if ships else _load_train(task)
    if layout is not None:
        task.use_layout(layout)
    scored = task.load_split(split, None if data is None else str(data))
    evaluation = task.evaluate(predictor.model, scored, lambda: None)
    found = {
        "run": str(run),
        "split": split,
        "data": str(scored.path),
        **({"settings": list(written)} if written else {}),
        "rows": len(scored.examples),
        "skipped_rows": len(scored.bad_rows),
        "metrics": dict(evaluation.metrics),
        **({"not_deduplicated": missing} if missing else {}),
    }
    return Record(found, partial(display_scores, names=task.SUMMARY_METRICS))


def _needs_data(run: str | Path) -> str:
    """Return the message that a shipped model needs data to score, with a command that gives it some."""
    sample = f"builtin/{Path(run).name}"
    data = sample if sample in catalogue.names() else "FILE"
    message = _(
        "{run}: ships without its train data; name the data to score with --data (in Python data=), for example:\n"
        "  {command}"
    )
    return message.format(run=run, command=f"paddle-tasks evaluate {run} --data {data}")


def _load_train(task: Any) -> str:
    """Read the train data, for scores without the rows whose text is in it; return why that is not possible.

    Train is laid out as the run's configuration says.
    """
    try:
        task.load_split("train")
    except UserError as error:
        return str(error)
    return ""


def display_scores(found: Mapping[str, Any], names: Sequence[str]) -> list[list[Segment]]:
    """Return what `evaluate` has found as lines for people: what was scored, and the metrics with these names."""
    rows = plural("{count} row", "{count} rows", found["rows"])
    heading = _("{run}: {split}, {rows} of {file}").format(
        run=found["run"], split=_(found["split"]), rows=rows, file=shipped_name(Path(found["data"])) or found["data"]
    )
    metrics = found["metrics"]
    scores = [
        f"  {metric_name(name)} {metrics[name]:.4f}" for name in names if isinstance(metrics.get(name), int | float)
    ]
    return [[Segment(line)] for line in (heading, *scores)]


def parse_layout(task: Any, settings: Sequence[str]) -> Section:
    """Return the layout of a task's files with settings laid over it.

    Args:
        task: a task with a configuration.
        settings: ``data.…=VALUE`` settings.

    Raises:
        ConfigError: a setting is unknown, with the nearest right name, or has a wrong value.
    """
    schema = task.DATA_CHECK.layout_section
    own = task.config.data.model_dump(mode="json", include=set(schema.model_fields))
    tree = configuration.override({"data": own}, settings)
    checked: Any = configuration.validate(tree, _schema(schema), "evaluate")
    layout: Section = checked.data
    return layout


@cache
def _schema(layout: Any) -> type[Section]:
    return create_model("EvaluateConfig", __base__=Section, data=(layout, layout()))
