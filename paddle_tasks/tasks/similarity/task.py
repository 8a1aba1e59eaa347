"""Similarity: do two texts mean the same? CLUE's AFQMC."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Annotated, Any, ClassVar

from paddle import nn
from paddlenlp.datasets import MapDataset
from pydantic import Field, ValidationError, WrapValidator
from pydantic_core import PydanticCustomError

from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.data.batching.token_cache import cached_encodings
from paddle_tasks.data.pairs.text_pairs import split_pair
from paddle_tasks.data.tables.section import DataSection
from paddle_tasks.language import _
from paddle_tasks.metrics.threshold import ThresholdMetric
from paddle_tasks.models.encoders.build import Encoder
from paddle_tasks.models.graphs.network import PAIRS, Input
from paddle_tasks.models.graphs.pairs import pair_logits
from paddle_tasks.models.similarity import PairClassifier, PairKind
from paddle_tasks.tasks.classification.baseline import TfidfBaseline
from paddle_tasks.tasks.classification.data import TEXT_PAIR, LabelledDataCheck, RowFormat
from paddle_tasks.tasks.classification.decision import Decision
from paddle_tasks.tasks.classification.display import display_explanation
from paddle_tasks.tasks.classification.exported import LogitsGraph
from paddle_tasks.tasks.classification.section import ClassificationConfig, ClassifierSection
from paddle_tasks.tasks.classification.task import ClassifierTask
from paddle_tasks.tasks.encoder import N_SPECIAL_TOKENS
from paddle_tasks.tasks.similarity import MEANINGS
from paddle_tasks.tasks.similarity.decision import Threshold
from paddle_tasks.tasks.similarity.ngrams import fit_ngrams
from paddle_tasks.tasks.similarity.record_view import PairView
from paddle_tasks.text.packing import PackedIds, concatenate_rows
from paddle_tasks.training.display import Line
from paddle_tasks.training.protocol import Baseline, DataCheck, Record
from paddle_tasks.training.record_view import RecordView


def _threshold(value: Any, validate: Callable[[Any], Any]) -> Any:
    try:
        return validate(value)
    except ValidationError:  # pydantic would report a problem for each of the two forms
        raise PydanticCustomError(
            "threshold",
            _("expected accuracy or f1, for which the threshold is chosen on dev, or a number from 0 to 1"),
        ) from None


class PairSection(ClassifierSection):
    """The ``model`` section: how two texts are compared, and from which probability on they are similar.

    ``kind`` is ``cross`` (both texts are read together, with segment ids), ``aligned`` (likewise, and each token is
    compared with the tokens of the other text by attention) or ``bi`` (each text is read alone; their cosine is
    compared; ``head`` and ``output`` have no effect). With ``ngrams`` a linear model of shared and differing n-grams is
    fitted to train first, and its score counts half. ``threshold`` applies to the probability of the second label: it
    is a number, or the metric (``accuracy`` or ``f1``) for which it is chosen on dev.
    """

    kind: PairKind = "cross"
    ngrams: bool = False
    threshold: Annotated[ThresholdMetric | Annotated[float, Field(ge=0.0, le=1.0)], WrapValidator(_threshold)] = (
        "accuracy"
    )


class PairDataSection(DataSection):
    """The ``data`` section. With ``both_orders`` the two texts of a pair change places in every second epoch."""

    both_orders: bool = False


class SimilarityConfig(ClassificationConfig):
    """The whole configuration of the task."""

    data: PairDataSection
    model: PairSection


class SimilarityTask(ClassifierTask[SimilarityConfig]):
    """Similar or not for a pair of texts, by `PairClassifier`; an example's text is the pair with a tab between."""

    FIELDS: ClassVar[tuple[str, ...]] = TEXT_PAIR.fields
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ("text_a", "text_b")
    DATA_CHECK: ClassVar[DataCheck] = LabelledDataCheck(TEXT_PAIR)
    BASELINE: ClassVar[Baseline | None] = TfidfBaseline(TEXT_PAIR, Threshold)
    RECORD_VIEW: ClassVar[RecordView] = PairView()
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ("top_k",)  # explanations do not know pairs
    FORMAT: ClassVar[RowFormat] = TEXT_PAIR
    Config: ClassVar[type[ClassificationConfig]] = SimilarityConfig
    Model: ClassVar[type[nn.Layer]] = PairClassifier
    GRAPH: ClassVar[LogitsGraph] = staticmethod(pair_logits)
    GRAPH_INPUTS: ClassVar[Mapping[str, Input]] = PAIRS

    def new_decision(self) -> Decision:
        """Return the threshold."""
        return Threshold(self.config.model.threshold)

    def encode(self, texts: Sequence[str]) -> PackedIds:
        """Return the pairs with their segments: as one input, or for ``bi`` the two encodings one after the other."""
        pairs = [split_pair(text) for text in texts]
        first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        encode = partial(cached_encodings, self.tokenizer, max_length=self.config.training.max_length)
        return (
            encode(first, second) if self.config.model.kind != "bi" else concatenate_rows(encode(first), encode(second))
        )

    def input_lengths(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each whole pair; for ``bi`` that of its longer text."""
        pairs = [split_pair(text) for text in texts]
        counts = zip(*(self.count_tokens([pair[part] for pair in pairs]) for part in (0, 1)), strict=True)
        if self.config.model.kind == "bi":
            return [max(pair) + N_SPECIAL_TOKENS for pair in counts]
        return [sum(pair) + N_SPECIAL_TOKENS + 1 for pair in counts]  # another [SEP] ends the second text

    def collate_train(self, groups: Sequence[Sequence[int]], epoch: int) -> Iterator[Batch]:
        """Yield the batches of the groups; with ``data.both_orders`` the texts change places in odd epochs."""
        batches = super().collate_train(groups, epoch)
        if not (self.config.data.both_orders and epoch % 2):
            yield from batches
            return
        for batch in batches:
            yield self.collate(self._swapped, batch.rows) if batch.rows else batch

    @cached_property
    def _swapped(self) -> MapDataset:
        """The train pairs with the second text first."""
        examples = self.splits["train"].examples
        return self.dataset([replace(one, text="\t".join(reversed(split_pair(one.text)))) for one in examples])

    def new_model(self) -> nn.Layer:
        """Return the Layer over its encoder, with n-grams that are fitted to train."""
        model = super().new_model()
        if model.ngrams is not None:
            fit_ngrams(model.ngrams, self.batches_by_length(self.train_dataset))
        return model

    @staticmethod
    def export_script() -> str:
        """Return the name of the script for pairs."""
        return "pairs"

    def build_layer(self, encoder: Encoder) -> nn.Layer:
        """Return the Layer over an encoder."""
        section = self.config.model
        return self.Model(encoder, kind=section.kind, ngrams=section.ngrams, **self.layer_settings())

    def caches_vectors(self, model: nn.Layer) -> bool:
        """Return whether text vectors can be cached; neither n-grams nor the other order are in them."""
        return super().caches_vectors(model) and model.ngrams is None and not self.config.data.both_orders

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return a line with the meaning of the label, its probability and the two texts."""
        label = record["label"]
        return display_explanation({"name": MEANINGS.get(label, label), **record})

    @property
    def threshold(self) -> float:
        """The probability from which on a pair is similar."""
        settings: Mapping[str, Any] = self.decision.settings()
        return float(settings["threshold"])
