"""What a task has to offer to be trained, scored and used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import paddle
from paddle import nn

from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.splits import Split
from paddle_tasks.training.panels import Panels, nothing
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.settings import RunSection


@dataclass(frozen=True)
class Evaluation:
    """Scores of a split, and what there is to see of them.

    Attributes:
        metrics: the scores.
        predictions: one record for each row, in their order.
        errors: one record for each error, with its ``loss`` and perhaps its ``kind``; None when the errors are the
            predictions of which ``predicted`` is not ``gold``.
        texts: what VisualDL shows, by tag.
        panels: makes what else there is to look at, by tag; to be called where it is shown, while the model still has
            the weights that were scored.
        vectors: makes sentence vectors of the split, by tag, in the same way.
    """

    metrics: Mapping[str, Any]
    predictions: Sequence[Mapping[str, Any]]
    errors: Sequence[Mapping[str, Any]] | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    panels: Callable[[], Panels] = nothing
    vectors: Callable[[], Panels] = nothing

    def wrong(self) -> Sequence[Mapping[str, Any]]:
        """Return what stands in errors.jsonl."""
        if self.errors is not None:
            return self.errors
        return [record for record in self.predictions if record["predicted"] != record["gold"]]


class Task(Protocol):
    """One task with its configuration and, once `read` has run, its data.

    Attributes:
        Config: the model of the whole configuration.
        FIELDS: the fields that a row of its data has.
        METRICS: the scores that may choose the best model.
        ranks: the processes that share the rows of its batches and evaluations.
    """

    Config: ClassVar[type[RunSection]]
    FIELDS: ClassVar[tuple[str, ...]]
    METRICS: ClassVar[tuple[str, ...]]

    splits: Mapping[SplitName, Split[Any]]
    ranks: Ranks

    @property
    def taught_by(self) -> str:
        """A digest of what it learns from besides its splits; empty when there is nothing."""

    def read(self) -> None:
        """Read and check everything a run needs, and write nothing: data, labels, vocabulary, encoder's name.

        Raises:
            UserError: something cannot be used.
        """

    @staticmethod
    def parser(labels: Sequence[str] | None) -> Callable[[Row], Any]:
        """Return what turns a row into an example, or raises DataError with the reason why it cannot be used."""

    def build_model(self) -> nn.Layer:
        """Return the model that training starts from; random weights come from Paddle's generator."""

    def batches_of(self, epoch: int, start: int) -> Iterator[Batch]:
        """Yield this rank's share of the train batches of an epoch, both counted from 0, from ``start`` on."""

    @property
    def n_batches(self) -> int:
        """Train batches in an epoch."""

    def loss(self, model: nn.Layer, batch: Batch) -> tuple[paddle.Tensor, int]:
        """Return the summed loss <float32>[] of a batch and its number of rows."""

    def evaluate(self, model: nn.Layer, split: Split[Any], check_interrupt: Callable[[], None]) -> Evaluation:
        """Score a split, calling ``check_interrupt`` before each batch; all ranks do it together, each its share."""

    def save_model(self, model: nn.Layer, folder: Path) -> None:
        """Write weights, tokenizer, labels and settings into a folder that `load` and `predict` can use."""

    def load_weights(self, model: nn.Layer, folder: Path) -> None:
        """Put the weights that `save_model` wrote back into a model of the same kind."""
