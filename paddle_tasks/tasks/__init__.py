"""The tasks, found by name: those of this package, and those that installed packages register.

A package registers a task with an entry point of the group ``paddle_tasks.tasks``, whose object is a class that
fulfils `paddle_tasks.training.protocol.Task`; see docs/add-a-task.md. The working folder is never searched.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from paddle_tasks import runtime
from paddle_tasks.errors import ConfigError, SetupError, did_you_mean
from paddle_tasks.language import _, join
from paddle_tasks.training.demonstration import Demonstration

if TYPE_CHECKING:
    from pathlib import Path

    from paddle_tasks.generation.decoding import TextStream
    from paddle_tasks.models.graphs.network import Networks
    from paddle_tasks.training.display import Line
    from paddle_tasks.training.protocol import Record, RecordFormat, Task

GROUP = "paddle_tasks.tasks"
"""The entry-point group of tasks in other packages."""

SETTINGS = "paddle_tasks.json"
"""The file in a model folder that names its task, labels and configuration."""

CLASSES = {
    "long_text": "LongTextTask",
    "news": "NewsTask",
    "novel": "NovelTask",
    "opinion": "OpinionTask",
    "pretrain": "PretrainTask",
    "sentiment": "SentimentTask",
    "similarity": "SimilarityTask",
    "translate": "TranslateTask",
    "word2vec": "Word2VecTask",
}
"""The class of each task of this package, in the module ``task`` of the sub-package with its name."""


def _entry_points() -> dict[str, EntryPoint]:
    """Return the tasks by name; another package cannot replace a task of this one."""
    installed = {point.name: point for point in entry_points(group=GROUP)}
    own = {
        name: EntryPoint(name, f"{__name__}.{name}.task:{class_name}", GROUP) for name, class_name in CLASSES.items()
    }
    return {**installed, **own}


def names() -> list[str]:
    """Return the names of all tasks."""
    return sorted(_entry_points())


def find(name: Any) -> type[Task]:
    """Return the class of a task.

    Raises:
        ConfigError: there is no such task.
        SetupError: the package that registers the task cannot be imported.
    """
    points = _entry_points()
    if not isinstance(name, str) or name not in points:
        raise ConfigError(_unknown(name, sorted(points)))
    return _load(points[name])


def _unknown(name: Any, known: Sequence[str]) -> str:
    if name is None:
        return _("task: missing (one of {known})").format(known=join(known))
    near = did_you_mean(str(name), known)
    return _("task: {name!r} is unknown{near} (one of {known})").format(name=name, near=near, known=join(known))


def _load(point: EntryPoint) -> type[Task]:
    try:
        task: type[Task] = point.load()
    except (ImportError, AttributeError) as error:
        if point.name in CLASSES:
            raise
        raise SetupError(
            _("task: {name} is registered as {object}, which cannot be loaded: {error}").format(
                name=point.name, object=point.value, error=error
            )
        ) from error
    missing = [] if point.name in CLASSES else missing_members(task)
    if missing:
        raise SetupError(
            _("task: {name}: {object} is not a task, it lacks {members}").format(
                name=point.name, object=point.value, members=join(missing)
            )
        )
    return task


def missing_members(task: Any) -> list[str]:
    """Return the members of the task contract that a class lacks."""
    from paddle_tasks.training.protocol import Task
    from paddle_tasks.training.settings import RunSection

    names = {*vars(Task), *Task.__annotations__} - {"splits", "ranks", "config"}  # known once there is an object
    missing = sorted(name for name in names if not name.startswith("_") and not hasattr(task, name))
    has_config = isinstance(getattr(task, "Config", None), type) and issubclass(task.Config, RunSection)
    return missing if has_config or missing else [_("a Config that is a RunSection")]


class PaddleFreePredictor(Protocol):
    """Predicts with a trained model without Paddle, whose import takes seconds.

    The package of a task of this project names the class in ``PREDICTOR``. Members with the name of a member of `Task`
    have the same meaning.

    Attributes:
        PADDLE_OPTIONS: the options of `predict` that only the task knows; its ``complete(model, records, **options)``
            adds what they ask for to the records of `predict`.
    """

    FIELDS: ClassVar[tuple[str, ...]]
    INPUT_FIELDS: ClassVar[tuple[str, ...]]
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]]
    PADDLE_OPTIONS: ClassVar[tuple[str, ...]]
    RECORD_FORMATS: ClassVar[Mapping[str, RecordFormat]]

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any], *, bfloat16: bool) -> PaddleFreePredictor | None:
        """Return the predictor of a model folder with these settings; None if only Paddle can compute the model."""

    @classmethod
    def load_exported(cls, folder: Path, settings: Mapping[str, Any], networks: Networks) -> PaddleFreePredictor:
        """Return the predictor of an exported folder with these settings and networks."""

    def predict(self, texts: Sequence[str], **options: Any) -> list[dict[str, Any]]:
        """Return the record of each text; several threads may do this at the same time.

        Args:
            texts: the inputs.
            **options: those of `PREDICT_OPTIONS` without `PADDLE_OPTIONS`.

        Raises:
            TypeError: an option is unknown, or ConfigError in its place.
        """

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return how a record is displayed on a terminal."""


@runtime_checkable
class PaddleFreeWriter(PaddleFreePredictor, Protocol):
    """A predictor whose model writes texts piece by piece."""

    def stream(self, text: str, **options: Any) -> TextStream:
        """Return an iterator over the pieces that continue a text; nothing is computed yet."""


def aliases() -> dict[str, str]:
    """Return the names of tasks of this package by what pipelines with their models are called elsewhere.

    The package of a task names them in ``ALIASES``: ``{"sentiment-analysis": "sentiment", …}``.
    """
    packages = {name: importlib.import_module(f"{__name__}.{name}") for name in CLASSES}
    return {alias: name for name, package in packages.items() for alias in getattr(package, "ALIASES", ())}


def find_paddle_free(name: Any) -> type[PaddleFreePredictor] | None:
    """Return the class that predicts for a task without Paddle; None if there is none."""
    if not isinstance(name, str) or name not in CLASSES:
        return None
    declared = getattr(importlib.import_module(f"{__name__}.{name}"), "PREDICTOR", None)
    if declared is None:
        return None
    module, class_name = declared.split(":")
    found: type[PaddleFreePredictor] = getattr(importlib.import_module(module), class_name)
    return found


@dataclass(frozen=True)
class ShownMetrics:
    """The metrics that a task shows.

    Attributes:
        summary: on the terminal and in learning curves and model cards.
        table: in the results table, besides the metric that chose the best model.
    """

    summary: tuple[str, ...] = ()
    table: tuple[str, ...] = ()


def shown_metrics(name: str) -> ShownMetrics:
    """Return the metrics that a task shows; none if the task is not installed.

    The packages of this project's tasks declare them outside of the class, so that reports do not load Paddle.
    """
    declared: Any
    if name in CLASSES:
        declared = importlib.import_module(f"{__name__}.{name}")
    elif name in names():
        runtime.import_paddle()
        try:
            declared = find(name)
        except SetupError:
            return ShownMetrics()
    else:
        return ShownMetrics()
    return ShownMetrics(declared.SUMMARY_METRICS, declared.TABLE_METRICS)


def demonstration(name: str) -> Demonstration:
    """Return how a page shows the records of an installed task, which may declare it as ``DEMONSTRATION``.

    The packages of this project's tasks declare it outside of the class, so that it is known without Paddle.
    """
    declared: Any = importlib.import_module(f"{__name__}.{name}") if name in CLASSES else find(name)
    found: Demonstration = getattr(declared, "DEMONSTRATION", Demonstration())
    return found
