"""What explanations and teachers need to know of a classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from paddle import nn

from paddle_tasks.arrays import Array
from paddle_tasks.tasks.classification.data import RowFormat
from paddle_tasks.tasks.classification.ngrams import NgramMixture
from paddle_tasks.tasks.classification.section import ClassificationConfig
from paddle_tasks.text.tokenizer import Tokenizer


class Classifier(Protocol):
    """The part of `paddle_tasks.tasks.classification.task.ClassifierTask` that its helpers use."""

    FORMAT: ClassVar[RowFormat]
    tokenizer: Tokenizer
    ngrams: NgramMixture

    @property
    def config(self) -> ClassificationConfig:
        """The configuration."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the logits."""

    @property
    def splits(self) -> Mapping[Any, Any]:
        """The splits that have been read."""

    def dataset(self, examples: Sequence[Any]) -> Any:
        """Return the features of examples."""

    def probabilities(self, model: nn.Layer, dataset: Any) -> Array:
        """Return <float32>[rows, labels]."""

    @classmethod
    def load(cls, folder: Path) -> tuple[Any, nn.Layer]:
        """Return a task and its model from a model folder."""
