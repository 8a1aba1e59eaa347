"""Similarity: do two texts mean the same? CLUE's AFQMC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar

import numpy as np
from paddle import nn
from paddlenlp.datasets import MapDataset
from pydantic import Field, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.data.batching.token_cache import encoded
from paddle_tasks.data.pairs.text_pairs import parse_labelled_pair, split_pair
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.section import DataSection
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.errors import ConfigError
from paddle_tasks.metrics.threshold import Aim, best_threshold
from paddle_tasks.models.encoders.build import Encoder
from paddle_tasks.models.similarity import PairClassifier, PairKind
from paddle_tasks.tasks.classification.section import ClassificationConfig, ClassifierSection
from paddle_tasks.tasks.classification.task import TextClassification
from paddle_tasks.tasks.similarity.ngrams import fit
from paddle_tasks.text.packing import PackedIds, side_by_side

_HALF = 0.5


def _threshold(value: Any, validate: Callable[[Any], Any]) -> Any:
    try:
        return validate(value)
    except ValidationError:  # which would complain of each form by itself
        raise PydanticCustomError(
            "threshold", "expected accuracy or f1, for what it is chosen on dev, or a number from 0 to 1"
        ) from None


class PairSection(ClassifierSection):
    """The ``model`` section: how two texts are compared, and from which probability on they are similar.

    ``kind`` is ``cross`` (read together, with segment ids), ``aligned`` (so too, and each token is compared with what
    it finds in the other text) or ``bi`` (each by itself, compared by their cosine; ``head`` and ``output`` are not
    looked at). With ``ngrams`` a linear model of shared and differing n-grams is fitted to train first, and has half a
    say. ``threshold`` is that of the second label's probability: what scores best on dev, by ``accuracy`` or ``f1``,
    or a number.
    """

    kind: PairKind = "cross"
    ngrams: bool = False
    threshold: Annotated[Aim | Annotated[float, Field(ge=0.0, le=1.0)], WrapValidator(_threshold)] = "accuracy"


class PairDataSection(DataSection):
    """The ``data`` section: with ``both_orders`` a pair's second text comes first in every other epoch."""

    both_orders: bool = False


class SimilarityConfig(ClassificationConfig):
    """The whole configuration of the task."""

    data: PairDataSection
    model: PairSection


class Task(TextClassification):
    """Similar or not for a pair of texts, by `PairClassifier`.

    Attributes:
        threshold: the probability from which on a pair is similar.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ("text_a", "text_b", "label")
    Config: ClassVar[type[ClassificationConfig]] = SimilarityConfig
    Model: ClassVar[type[nn.Layer]] = PairClassifier

    config: SimilarityConfig

    def __init__(self, config: SimilarityConfig) -> None:
        super().__init__(config)
        given = config.model.threshold
        self.threshold = _HALF if isinstance(given, str) else given
        self._aim: Aim | None = None  # a model that was loaded keeps its threshold

    @staticmethod
    def parser(labels: Sequence[str] | None) -> Callable[[Row], LabelledText]:
        """See `TextClassification.parser`; an example's text is the two with a tab between them."""
        return partial(parse_labelled_pair, labels=labels)

    def read_splits(self) -> None:
        """See `TextClassification.read_splits`; there are two labels, and dev will choose the threshold."""
        super().read_splits()
        given = self.config.model.threshold
        self._aim = given if isinstance(given, str) else None
        if len(self.labels) != 2:
            raise ConfigError(f"data.labels: pairs are similar or not, expected two labels, found {list(self.labels)}")

    def texts_of(self, example: LabelledText) -> tuple[str, ...]:
        """Return the two texts of a pair."""
        return split_pair(example.text)

    def _encode(self, texts: Sequence[str]) -> PackedIds:
        """Return the pairs with their segments: as one input, or the two encodings one behind the other."""
        pairs = [split_pair(text) for text in texts]
        first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        code = partial(encoded, self.tokenizer, max_length=self.config.training.max_length)
        return code(first, second) if self.config.model.kind != "bi" else side_by_side(code(first), code(second))

    def batches_of(self, epoch: int, start: int) -> Iterator[Batch]:
        """See `TextClassification.batches_of`; with `data.both_orders` the texts change places in odd epochs."""
        batches = super().batches_of(epoch, start)
        if not (self.config.data.both_orders and epoch % 2):
            yield from batches
            return
        for batch in batches:
            (turned,) = self._collated(self._turned, [batch.rows]) if batch.rows else (batch,)
            yield turned

    @cached_property
    def _turned(self) -> MapDataset:
        """The train pairs with the second text first."""
        examples = self.splits["train"].examples
        return self.dataset([replace(one, text="\t".join(reversed(split_pair(one.text)))) for one in examples])

    def build_model(self) -> nn.Layer:
        """See `TextClassification.build_model`; its n-grams are fitted to train."""
        model = super().build_model()
        if model.ngrams is not None:
            fit(model.ngrams, self._by_length(self._train))
        return model

    def _layer(self, encoder: Encoder) -> nn.Layer:
        section = self.config.model
        return self.Model(encoder, kind=section.kind, ngrams=section.ngrams, **self._parts())

    def _keeps_vectors(self, model: nn.Layer) -> bool:
        # Neither n-grams nor the other order are in the vectors that are kept.
        return model.ngrams is None and not self.config.data.both_orders and super()._keeps_vectors(model)

    # ---- the decision

    def _settle(self, split: Split[LabelledText], gold: Array, probabilities: Array) -> None:
        if self._aim and split.name == "dev":
            self.threshold = best_threshold(gold == 1, probabilities[:, 1], self._aim)

    def _decide(self, probabilities: Array) -> Array:
        return _from(probabilities, self.threshold)

    def _scores(self, gold: Array, probabilities: Array, losses: Array) -> dict[str, Any]:
        """Return the scores at the threshold, the threshold, and what 0.5 would give: on dev it was not chosen for."""
        plain = self._counted(gold, _from(probabilities, _HALF), losses)
        at_half = {f"{name}_at_half": plain[name] for name in ("accuracy", "f1")}
        return {**super()._scores(gold, probabilities, losses), "threshold": self.threshold, **at_half}

    def _settings(self) -> dict[str, Any]:
        return {**super()._settings(), "threshold": self.threshold}

    def _take(self, settings: Mapping[str, Any]) -> None:
        super()._take(settings)
        self.threshold = float(settings["threshold"])


def _from(probabilities: Array, threshold: float) -> Array:
    """Return <int64>[rows], 1 where the second label has that probability or more."""
    # In float64: rounded to float32 a threshold between two probabilities may be one of them.
    return (probabilities[:, 1].astype(np.float64) >= threshold).astype(np.int64)
