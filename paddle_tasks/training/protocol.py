"""The task contract: everything that the other layers need to know of a task.

A task is a class that fulfils `Task`. It declares its configuration, data, metrics, baseline and records; training,
evaluation, prediction, reports and the command line use nothing else. `paddle_tasks.tasks.find` returns the class of a
name. docs/add-a-task.md walks through a whole task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from paddle_tasks.config import Section
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.training.display import Line, Table
from paddle_tasks.training.panels import Panels, nothing
from paddle_tasks.training.record_view import RecordView
from paddle_tasks.training.settings import AnyRunSection, RunSection

if TYPE_CHECKING:  # records and their formats are used without Paddle too
    import paddle
    from paddle import nn

    from paddle_tasks.training.loop import MicroBatch
    from paddle_tasks.training.ranks import Ranks

Record = Mapping[str, Any]
"""What predictions/SPLIT.jsonl and `predict` say of one row; JSON values under the task's own keys."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of a split.

    Attributes:
        metrics: numbers by name; nested ones, such as ``per_label``, are for result.json only, and may be those of
            one split. Those whose names end in ``_per_second`` are measured; no comparison of runs sees them.
        predictions: one record for each row, in the order of the rows.
        errors: one record for each error, with its ``loss`` and, if the task has error kinds, its ``kind``; None if the
            errors are the predictions whose ``predicted`` differs from their ``gold``.
        texts: texts for VisualDL, by tag.
        panels: computes the panels of the split; to be called while the model has the weights that were scored.
        vectors: computes the sentence vectors of the split, under the same condition.
        samples: records of `Task.predict` for fixed inputs, of models that write; samples.jsonl has them.
    """

    metrics: Mapping[str, Any]
    predictions: Sequence[Record]
    errors: Sequence[Record] | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    panels: Callable[[], Panels] = nothing
    vectors: Callable[[], Panels] = nothing
    samples: Sequence[Record] = ()

    def error_records(self) -> Sequence[Record]:
        """Return the records of errors.jsonl."""
        if self.errors is not None:
            return self.errors
        return [record for record in self.predictions if record["predicted"] != record["gold"]]


# ---- parts that a task declares


class DataCheck(Protocol):
    """The data check of a task: what `check-data` reports of its files."""

    @property
    def layout_section(self) -> type[Section]:
        """The settings of the ``data`` section that say how files are laid out."""

    def check(self, sources: Mapping[SplitName, str], layout: Any) -> dict[str, Any]:
        """Read the files and return the data report, with at least the keys that every task has.

        These are ``rows``, ``bad_rows``, ``duplicate_texts``, ``contradictory_texts`` and ``leaked_texts``.

        Args:
            sources: a path or catalogue name for each split, ``train`` first.
            layout: an instance of `layout_section`.

        Raises:
            UserError: a file is missing or is not laid out so.
        """

    def lines(self, report: Mapping[str, Any]) -> Iterator[str]:
        """Yield a report as lines of text."""


@dataclass(frozen=True)
class BaselineScores:
    """A fitted baseline.

    Attributes:
        splits: the splits that were read.
        n_parameters: weights and biases, or counts.
        seconds: the time that fitting took.
        evaluations: the scores of the splits other than train.
    """

    splits: Mapping[SplitName, Split[Any]]
    n_parameters: int
    seconds: float
    evaluations: Mapping[SplitName, Evaluation]


class Baseline(Protocol):
    """A model without a network that a trained one has to beat: TF-IDF, n-grams, copying the input."""

    @property
    def model_section(self) -> type[Section]:
        """The ``model`` section of its configuration; the baseline's name is under ``encoder``."""

    @property
    def options(self) -> Sequence[str]:
        """The names of the options that `complete` takes."""

    def recognises(self, encoder: str) -> bool:
        """Return whether ``model.encoder`` names this baseline."""

    def complete(self, model: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return a ``model`` section with the options laid over it and defaults for what is missing.

        Args:
            model: an empty section, or one that was complete before.
            options: the options that were given.
        """

    def fit(self, config: AnyRunSection, notify: Callable[[str], None]) -> BaselineScores:
        """Read the data, fit the baseline and score it; write nothing.

        Args:
            config: ``task``, ``seed``, the task's ``data`` and a complete ``model`` section.
            notify: is told what is going on.

        Raises:
            UserError: the data cannot be used.
        """


@dataclass(frozen=True)
class RecordFormat:
    """A form other than JSON lines in which `predict` writes a task's records; one of the functions is given.

    Attributes:
        to_lines: returns the lines that replace the JSON lines, from the records and the ids of their rows.
        write_file: writes the records to the file that the option names, and returns a table to print, if there is one.
        suffixes: the endings that the file may have; any if there are none.
    """

    to_lines: Callable[[Sequence[Record], Sequence[int | str]], Sequence[str]] | None = None
    write_file: Callable[[Sequence[Record], Path], Table | None] | None = None
    suffixes: tuple[str, ...] = ()


# ---- the task


class Task(Protocol):
    """One task: declarations on the class; an object has a configuration and, after `read`, its data.

    Attributes:
        Config: the model of the whole configuration, a subclass of `RunSection`.
        FIELDS: the fields of a row of its data.
        INPUT_FIELDS: those of them that `predict` needs.
        METRICS: the metrics that may choose the best model.
        SUMMARY_METRICS: the metrics on the screen and in model cards, in this order.
        TABLE_METRICS: the metrics that the results table shows besides the one that chose the model.
        LOWER_IS_BETTER: those of METRICS of which the lowest value is the best.
        ERROR_KINDS: the kinds of errors, the first ones first in errors.jsonl; empty if there is one kind.
        DATA_CHECK: what `check-data` does.
        BASELINE: what `baseline` does; None if the task has none.
        PREDICT_OPTIONS: the keyword arguments of `predict`.
        RECORD_FORMATS: the forms in which `predict` writes records, by the name of the option.
        RECORD_VIEW: how reports read the records of predictions/SPLIT.jsonl and errors.jsonl.
        splits: the splits that have been read.
        ranks: the processes that share batches and evaluations.
    """

    Config: ClassVar[type[Any]]
    FIELDS: ClassVar[tuple[str, ...]]
    INPUT_FIELDS: ClassVar[tuple[str, ...]]
    METRICS: ClassVar[tuple[str, ...]]
    SUMMARY_METRICS: ClassVar[tuple[str, ...]]
    TABLE_METRICS: ClassVar[tuple[str, ...]]
    LOWER_IS_BETTER: ClassVar[frozenset[str]]
    ERROR_KINDS: ClassVar[tuple[str, ...]]
    DATA_CHECK: ClassVar[DataCheck]
    BASELINE: ClassVar[Baseline | None]
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]]
    RECORD_FORMATS: ClassVar[Mapping[str, RecordFormat]]
    RECORD_VIEW: ClassVar[RecordView]

    ranks: Ranks

    def __init__(self, config: Any) -> None:
        """Take an instance of `Config`; read nothing."""

    @property
    def config(self) -> RunSection:
        """The configuration."""

    @property
    def splits(self) -> Mapping[SplitName, Split[Any]]:
        """The splits that have been read."""

    # ---- data

    def read(self) -> None:
        """Read and check all inputs of a run: data, labels, vocabulary, the encoder's name; write nothing.

        Raises:
            UserError: something cannot be used.
        """

    def load_split(self, name: SplitName, source: str | None = None) -> Split[Any]:
        """Read a split and keep it in `splits`.

        Args:
            name: the split.
            source: a file in the layout of the configuration; None is the configuration's own file.

        Raises:
            DataError: the file cannot be used.
        """

    def use_layout(self, layout: Any) -> None:
        """Read the files of splits as another layout says from now on; labels and vocabulary stay those of the model.

        Args:
            layout: an instance of the ``layout_section`` of DATA_CHECK.

        Raises:
            ConfigError: it does not fit the model.
        """

    @property
    def other_inputs(self) -> Mapping[str, str]:
        """A digest of each input besides the splits, by the setting that names it; a resumed run needs the same."""

    def describe_data(self) -> Sequence[str]:
        """Return lines about the splits that have been read: rows, and what the task has of labels and lengths."""

    def check_data(self) -> Mapping[str, Any]:
        """Return the data report of the configuration's own files, with the keys of `DataCheck.check`.

        Raises:
            UserError: a file is missing or cannot be used.
        """

    def row_groups(self, name: SplitName) -> Mapping[str, Mapping[int | str, str]]:
        """Return by column what its rows say of the group of a row, such as its domain, by the row's line.

        Only columns that the task does not read otherwise count, and only those whose name says that they are groups.

        Raises:
            UserError: the file of the split is missing or cannot be used.
        """

    def remarks(self) -> Sequence[str]:
        """Return what is suspicious about the splits without being wrong, and what of them the model does not read."""

    def dataset(self, examples: Sequence[Any]) -> Any:
        """Return the features of examples, in their order; `collate` takes them."""

    def collate(self, dataset: Any, rows: Sequence[int]) -> MicroBatch:
        """Return the rows with these indices as one batch."""

    @property
    def n_batches(self) -> int:
        """The number of train batches in an epoch."""

    def train_batches(self, epoch: int, start: int) -> Iterator[MicroBatch]:
        """Yield this rank's share of the train batches of an epoch, both counted from 0, from ``start`` on.

        The order is a function of the seed and the epoch.
        """

    # ---- model and scores

    def build_model(self) -> nn.Layer:
        """Return the model that training starts from; random weights come from Paddle's generator."""

    def loss(self, model: nn.Layer, batch: Any) -> tuple[paddle.Tensor, int]:
        """Return the summed loss <float32>[] of a batch and the number of items that were summed."""

    def evaluate(self, model: nn.Layer, split: Any, check_interrupt: Callable[[], None]) -> Evaluation:
        """Score a split; all ranks do it together, each its share.

        Args:
            model: the model.
            split: what `load_split` returned.
            check_interrupt: called before each batch; it may raise `Interrupted`.
        """

    def read_answers(self, source: str) -> Any:
        """Read the right answers of a file, as the split test; labels that are not known yet are those of the file.

        Raises:
            UserError: the file cannot be used, or only a trained model knows what its answers are.
        """

    def score_records(self, split: Any, records: Sequence[Record]) -> Mapping[str, Any]:
        """Return the metrics of somebody's predictions for a split, one record for each row in their order.

        Records are of the form of predictions/SPLIT.jsonl or of `predict`. Metrics that need what the records do not
        hold, such as a loss without probabilities, are left out.

        Raises:
            DataError: the number of records differs from that of the rows, or a record lacks a key.
        """

    # ---- predictions

    def predict(self, model: nn.Layer, texts: Sequence[str], *args: Any, **options: Any) -> list[dict[str, Any]]:
        """Return a record for each text.

        Args:
            model: the model.
            texts: the inputs; the fields of an input with several have tabs between them.
            *args: none.
            **options: those of `PREDICT_OPTIONS`.
        """

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return a record of `predict` as lines for people."""

    # ---- the model folder

    def save_model(self, model: nn.Layer, folder: Path) -> None:
        """Write weights, tokenizer, labels and settings into a folder that `load` reads."""

    def load_weights(self, model: nn.Layer, folder: Path) -> None:
        """Restore what `save_model` wrote into a model of the same configuration."""

    @classmethod
    def load(cls, folder: Path) -> tuple[Any, nn.Layer]:
        """Return a task and its model from a folder that `save_model` wrote; no train data is needed."""

    @staticmethod
    def card_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings that a model card names, from a configuration as JSON; None values are left out."""
