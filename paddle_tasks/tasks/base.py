"""What any task may inherit: reading splits, batches of rows, and the model folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from paddle import nn

from paddle_tasks import config as configuration
from paddle_tasks.arrays import Array
from paddle_tasks.config import Section
from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.data.batching.row_batches import RowBatch
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.remarks import describe_rows
from paddle_tasks.data.tables.row_groups import split_groups
from paddle_tasks.data.tables.section import SplitsSection
from paddle_tasks.data.tables.splits import Split, require_good
from paddle_tasks.files import write_json
from paddle_tasks.language import _
from paddle_tasks.models.parameter_memory import parameters_within_file
from paddle_tasks.models.pretrained.saving import WEIGHTS, load_state, save_weights
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.tasks.model_settings import checking_settings, read_settings
from paddle_tasks.training.display import Line, display_fields
from paddle_tasks.training.loop import MicroBatch
from paddle_tasks.training.protocol import Baseline, DataCheck, Record, RecordFormat
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.record_view import RecordView
from paddle_tasks.training.settings import RunSection

C = TypeVar("C", bound=RunSection)


class BaseTask(ABC, Generic[C]):
    """The parts of the task contract that most tasks share; `paddle_tasks.training.protocol.Task` is the contract.

    A task declares its class attributes and defines the abstract methods; everything else may be overridden.
    """

    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ("text",)
    TABLE_METRICS: ClassVar[tuple[str, ...]] = ()
    LOWER_IS_BETTER: ClassVar[frozenset[str]] = frozenset({"loss"})
    ERROR_KINDS: ClassVar[tuple[str, ...]] = ()
    BASELINE: ClassVar[Baseline | None] = None
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ()
    RECORD_FORMATS: ClassVar[Mapping[str, RecordFormat]] = {}
    RECORD_VIEW: ClassVar[RecordView] = RecordView()
    DATA_CHECK: ClassVar[DataCheck]
    Config: ClassVar[type[Any]]

    def __init__(self, config: C) -> None:
        self.config = config
        self.splits: dict[SplitName, Any] = {}
        self.ranks = Ranks()

    @property
    def other_inputs(self) -> Mapping[str, str]:
        """Inputs besides the splits: none."""
        return {}

    # ---- data

    def read(self) -> None:
        """Read the splits that the configuration has and prepare training; write nothing."""
        data: Any = self.config.data
        names: tuple[SplitName, ...] = ("train", "dev", "test")
        for name in names:
            if data.has(name):
                self.load_split(name)
        self.prepare()

    def load_split(self, name: SplitName, source: str | None = None) -> Split[Any]:
        """Read the configuration's file of a split, or another file, and keep it as that split.

        Raises:
            DataError: the file cannot be used.
        """
        data: Any = self.config.data
        split = self.read_file(name, data.source(name, self.config.seed) if source is None else source)
        self.splits[name] = require_good(split, data.on_bad_row)
        return split

    def read_answers(self, source: str) -> Split[Any]:
        """Read the right answers of a file, as the split test."""
        return self.load_split("test", source)

    def use_layout(self, layout: Section) -> None:
        """Read the files of splits as ``layout`` says from now on; labels and vocabulary stay those of the model."""
        data: Any = self.config.data
        names = [name for name in type(layout).model_fields if name in type(data).model_fields]
        changed = data.model_copy(update={name: getattr(layout, name) for name in names})
        self.config = self.config.model_copy(update={"data": changed})

    def read_file(self, name: SplitName, source: Any) -> Split[Any]:
        """Return the examples of a file and its bad rows.

        Args:
            name: the split.
            source: a path, or what ``config.data.source`` returned.
        """
        raise NotImplementedError

    def describe_data(self) -> Sequence[str]:
        """Return a line about each split: its rows and its file."""
        return [describe_rows(split) for split in self.splits.values()]

    def check_data(self) -> Mapping[str, Any]:
        """Return the data report of the files of the splits; a fold of train is no file of its own."""
        data: Any = self.config.data
        section: Any = self.DATA_CHECK.layout_section
        layout = section(**{name: getattr(data, name) for name in section.model_fields})
        names: tuple[SplitName, ...] = ("train", "dev", "test")
        return self.DATA_CHECK.check({name: path for name in names if (path := getattr(data, name))}, layout)

    def row_groups(self, name: SplitName) -> Mapping[str, Mapping[int | str, str]]:
        """Return the groups that columns of the split's file name; documents have none."""
        data: Any = self.config.data
        return split_groups(data, name, self.config.seed) if isinstance(data, SplitsSection) else {}

    def remarks(self) -> Sequence[str]:
        """Return the remark of each split that has one."""
        return [split.remark for split in self.splits.values() if split.remark]

    def prepare(self) -> None:
        """Compute what training needs beyond the splits: here the features of train."""
        self.train_dataset = self.dataset(self.splits["train"].examples)

    @abstractmethod
    def dataset(self, examples: Sequence[Any]) -> Any:
        """Return the features of examples, in their order."""

    # ---- batches

    def collate(self, dataset: Any, rows: Sequence[int]) -> Any:
        """Return the rows with these indices as one batch; here they are arrays of ids."""
        return RowBatch([dataset[row] for row in rows], tuple(rows))

    @property
    def train_lengths(self) -> Array | Sequence[int]:
        """The number of tokens of each train row <int64>[rows]."""
        return [len(row) for row in self.train_dataset]

    @cached_property
    def train_sampler(self) -> LengthGroupedBatchSampler:
        """Decides which train rows make a batch."""
        return LengthGroupedBatchSampler(self.train_lengths, self.config.training.batch_size, self.config.seed)

    @property
    def n_batches(self) -> int:
        """The number of train batches in an epoch."""
        return len(self.train_sampler)

    def train_batches(self, epoch: int, start: int) -> Iterator[MicroBatch]:
        """Yield this rank's share of the train batches of an epoch from batch ``start`` on."""
        self.train_sampler.set_epoch(epoch)
        yield from self.collate_train([self.ranks.shard(rows) for rows in self.train_sampler.batches()[start:]], epoch)

    def collate_train(self, groups: Sequence[Sequence[int]], epoch: int) -> Iterator[Any]:
        """Yield a batch for each group of train rows, which may be empty."""
        del epoch
        yield from (self.collate(self.train_dataset, rows) for rows in groups)

    # ---- predictions

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return a line for each key of a record."""
        return display_fields(record)

    # ---- the model folder

    @abstractmethod
    def build_model(self) -> nn.Layer:
        """Return the model that training starts from."""

    def save_model(self, model: nn.Layer, folder: Path) -> None:
        """Write the weights, and what `settings` returns beside the configuration."""
        save_weights(model, folder)
        self.write_settings(folder)

    def write_settings(self, folder: Path) -> None:
        """Write what `settings` returns beside the configuration."""
        write_json(folder / SETTINGS, {**self.settings(), "config": self.config.model_dump(mode="json")})

    def settings(self) -> dict[str, Any]:
        """Return what a model folder needs besides weights and configuration, such as the labels."""
        return {}

    def restore_settings(self, settings: Mapping[str, Any]) -> None:
        """Restore what `settings` returned; older versions may have written less."""

    def load_weights(self, model: nn.Layer, folder: Path) -> None:
        """Restore weights and settings."""
        load_state(model, folder)
        with checking_settings(folder):
            self.restore_settings(read_settings(folder))

    @classmethod
    def load(cls, folder: Path) -> tuple[Any, nn.Layer]:
        """Return the task and its model from a folder that `save_model` wrote; no train data is needed."""
        task = cls.restore(folder)
        with parameters_within_file(folder / WEIGHTS):
            return task, task.load_model(folder)

    @classmethod
    def restore(cls, folder: Path) -> Any:
        """Return the task of a model folder or an exported one, without its model."""
        settings = read_settings(folder)
        config = configuration.validate(settings["config"], cls.Config, str(folder / SETTINGS))
        with checking_settings(folder):
            task = cls(config)
            task.restore_settings(settings)
        return task

    def load_model(self, folder: Path) -> nn.Layer:
        """Return the model of a folder that `save_model` wrote."""
        model = self.build_model()
        load_state(model, folder)
        return model

    @staticmethod
    def card_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings that a model card names, besides those of the optimiser."""
        return {_("rows a batch"): config["training"]["batch_size"]}
