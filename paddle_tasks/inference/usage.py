"""What a model or a pipeline takes and returns, known without loading it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddle_tasks import runtime, tasks
from paddle_tasks.inference.exported import is_exported
from paddle_tasks.inference.model_folders import model_folder, trained_folder
from paddle_tasks.inference.pipelines import PIPELINES
from paddle_tasks.inference.records import Display
from paddle_tasks.tasks.model_settings import read_settings
from paddle_tasks.training.capabilities import StreamingTask
from paddle_tasks.training.demonstration import Demonstration
from paddle_tasks.training.protocol import RecordFormat

if TYPE_CHECKING:
    from paddle_tasks.training.protocol import Task


@dataclass(frozen=True)
class Usage:
    """What a pipeline takes and returns.

    Attributes:
        fields: the fields of an input.
        options: the options of a call.
        run_options: further options, which only the run of an exported model has.
        formats: the formats of records other than JSON lines, by the name of the option that selects them.
        takes_model: whether the model can be chosen.
        task: the task of the model, or what predicts for it without Paddle; None for a built-in pipeline.
        data: the ``data`` section of the configuration that the model was trained with; empty for a built-in pipeline.
        labels: the labels of the model, if it has any.
        label_names: the names of labels that have one.
        streams: whether the model writes texts, which `Predictor.stream_text` returns piece by piece.
        display: returns a record as lines for people.
        demonstration: how a page shows the records.
    """

    fields: tuple[str, ...]
    options: tuple[str, ...]
    formats: Mapping[str, RecordFormat]
    display: Display
    run_options: tuple[str, ...] = ()
    takes_model: bool = False
    task: type[Task] | type[tasks.PaddleFreePredictor] | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    label_names: Mapping[str, str] = field(default_factory=dict)
    streams: bool = False
    demonstration: Demonstration = field(default_factory=Demonstration)


def usage_of(name: str | Path) -> Usage:
    """Return the usage of what `pipeline` returns for a name, without loading a model.

    Raises:
        CheckpointError: nothing has that name.
    """
    builtin = PIPELINES.get(str(name))
    if builtin is not None:
        shown = builtin.demonstration
        return Usage(("text",), builtin.options, {}, builtin.display, takes_model=True, demonstration=shown)
    folder = model_folder(Path(trained_folder(name, PIPELINES)))
    settings = read_settings(folder)
    task_name = settings["config"]["task"]
    task = tasks.find_paddle_free(task_name) or _find_task(task_name)
    run_options = getattr(task, "PADDLE_OPTIONS", ()) if is_exported(folder) else ()
    return Usage(
        task.INPUT_FIELDS,
        tuple(option for option in task.PREDICT_OPTIONS if option not in run_options),
        task.RECORD_FORMATS,
        task.display,
        run_options=run_options,
        task=task,
        data=settings["config"].get("data") or {},
        labels=tuple(settings.get("labels") or ()),
        label_names=settings.get("label_names") or {},
        streams=issubclass(task, StreamingTask),
        demonstration=tasks.demonstration(task_name),
    )


def _find_task(name: Any) -> type[Task]:
    runtime.import_paddle()
    return tasks.find(name)
