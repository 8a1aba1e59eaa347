"""Opinion extraction: the aspects and opinion words of a review, which of them belong together, and their polarity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import paddle
from paddle import nn

from paddle_tasks.arrays import Array
from paddle_tasks.config import Section
from paddle_tasks.data.batching.batches import LengthGroupedBatchSampler
from paddle_tasks.data.opinion.checks import OpinionDataCheck
from paddle_tasks.data.opinion.examples import KnownNames, OpinionExample, OpinionSplit
from paddle_tasks.data.opinion.readers import load_opinions
from paddle_tasks.data.opinion.remarks import describe_opinions
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.sources import Source
from paddle_tasks.errors import ConfigError, did_you_mean, join_names
from paddle_tasks.language import _
from paddle_tasks.metrics.spans import ERROR_KINDS
from paddle_tasks.models.encoders.build import Encoder
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.opinion import OpinionTagger
from paddle_tasks.models.pooling import pool
from paddle_tasks.tasks.deduplication import check_count, with_deduplicated
from paddle_tasks.tasks.encoder import N_SPECIAL_TOKENS, learn_tokenizer
from paddle_tasks.tasks.opinion import SUMMARY_METRICS, TABLE_METRICS
from paddle_tasks.tasks.opinion.display import display_opinions
from paddle_tasks.tasks.opinion.doccano import DOCCANO
from paddle_tasks.tasks.opinion.exporting import ExportableOpinions
from paddle_tasks.tasks.opinion.features import OpinionBatch, ReviewFeatures, TaggedTokens, collate, review_features
from paddle_tasks.tasks.opinion.names import find_names
from paddle_tasks.tasks.opinion.panels import OpinionPanels, describe_rows
from paddle_tasks.tasks.opinion.prediction import OpinionNames, Prediction, SpecialTokens
from paddle_tasks.tasks.opinion.reader import Reader
from paddle_tasks.tasks.opinion.record_view import SpanView
from paddle_tasks.tasks.opinion.scoring import (
    DEDUPLICATED,
    SPAN_METRICS,
    TRIPLET_METRICS,
    ScoredReviews,
    count_metrics,
    prediction_record,
    read_predictions,
)
from paddle_tasks.tasks.opinion.section import OpinionConfig
from paddle_tasks.tasks.opinion.selection import CANDIDATES, EVERYTHING, Selection, best_selection
from paddle_tasks.tasks.opinion.summary import SUMMARY
from paddle_tasks.tasks.panels import attention_image, choose_rows, readable_row, vector_panels
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training.display import Line
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.protocol import DataCheck, Evaluation, Record, RecordFormat
from paddle_tasks.training.record_view import RecordView


class OpinionTask(ExportableOpinions):
    """Spans and, if they are annotated, pairs with polarities, by `OpinionTagger`.

    Attributes:
        names: the labels and polarities; without polarities no pairs are learnt.
        selection: which candidates are predicted.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ("text",)
    METRICS: ClassVar[tuple[str, ...]] = (*SPAN_METRICS, *TRIPLET_METRICS, "loss")
    SUMMARY_METRICS: ClassVar[tuple[str, ...]] = SUMMARY_METRICS
    TABLE_METRICS: ClassVar[tuple[str, ...]] = TABLE_METRICS
    ERROR_KINDS: ClassVar[tuple[str, ...]] = ERROR_KINDS
    DATA_CHECK: ClassVar[DataCheck] = OpinionDataCheck()
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ("explain",)
    RECORD_VIEW: ClassVar[RecordView] = SpanView()
    RECORD_FORMATS: ClassVar[Mapping[str, RecordFormat]] = {"doccano": DOCCANO, "summary": SUMMARY}
    Config: ClassVar[type[OpinionConfig]] = OpinionConfig

    _train_parts: Sequence[TaggedTokens]

    def __init__(self, config: OpinionConfig) -> None:
        super().__init__(config)
        self.names = OpinionNames()
        self.selection = Selection(overlaps=bool(config.model.overlaps)) if self._uses_marginals else EVERYTHING
        self._selects = False  # a model that was loaded keeps its selection

    @property
    def _uses_marginals(self) -> bool:
        return self.config.model.decoding == "marginals"

    # ---- data

    def check_settings(self) -> None:
        """Check what the configuration alone can show to be wrong."""
        training, data = self.config.training, self.config.data
        if self.config.model.overlaps and not self._uses_marginals:
            raise ConfigError(
                _("model.overlaps: model.decoding=viterbi predicts the best path, whose spans do not overlap")
            )
        if self.max_tokens < 1:
            raise ConfigError(
                _("training.max_length: {length} leaves no room besides [CLS] and [SEP]").format(
                    length=training.max_length
                )
            )
        if data.window_overlap >= self.max_tokens:
            raise ConfigError(
                _(
                    "data.window_overlap: {overlap} is not less than the {limit} tokens of a window "
                    "(training.max_length without [CLS] and [SEP])"
                ).format(overlap=data.window_overlap, limit=self.max_tokens)
            )

    def read_splits(self) -> None:
        """Read the splits, and the names that occur in train."""
        data = self.config.data
        train = self.load_split("train")
        # A fold comes from the same file as train, so its names count too: a rare label may occur in that fold alone.
        self.names = find_names(self.config, train, *([self.load_split("dev")] if data.folds else []))
        for name in ("dev", "test"):
            if data.has(name) and name not in self.splits:
                self.load_split(name)
        self._check_metric()
        self._selects = self._uses_marginals

    def read_answers(self, source: str) -> Any:
        """Read the right answers of a file, as the split test; names that are not known yet are those of the file."""
        split = self.load_split("test", source)
        self.names = self.names if self.names.labels else find_names(self.config, split)
        return split

    def describe_data(self) -> Sequence[str]:
        """Return two lines about each split: its rows and lengths, and the labels of its spans with their counts."""
        return [line for split in self.splits.values() for line in describe_opinions(split)]

    def _check_metric(self) -> None:
        metric = self.config.evaluation.metric
        if metric in TRIPLET_METRICS and not self.names.polarities:
            why = _("data.train has none") if self.config.model.pairs else _("model.pairs is false")
            raise ConfigError(
                _("evaluation.metric: {metric} needs pairs, and {why}; f1 is the F1 of spans").format(
                    metric=metric, why=why
                )
            )

    def use_layout(self, layout: Section) -> None:
        """Read files as ``layout`` says from now on, whose labels and polarities must be among those of the model."""
        super().use_layout(layout)
        for key, known in vars(self.names).items():
            unknown = next((name for name in getattr(layout, key) or () if name not in known), None)
            if unknown is not None:
                near = did_you_mean(unknown, known)
                raise ConfigError(
                    _("data.{key}: the model has no {name!r}{near} (one of {known})").format(
                        key=key, name=unknown, near=near, known=join_names(known)
                    )
                )

    def read_file(self, name: SplitName, source: str | Source) -> OpinionSplit:
        """Return the reviews of a file; names that are not known yet are those of the file."""
        data = self.config.data
        known = KnownNames(data.labels or self.names.labels or None, data.polarities or self.names.polarities or None)
        return load_opinions(name, source, data.layout, known)

    def learn_tokenizer(self) -> Tokenizer:
        """Return a tokenizer with a vocabulary learnt from the texts of train."""
        texts = (example.text for example in self.splits["train"].examples)
        return learn_tokenizer(self.config.data.vocabulary, texts)

    def prepare(self) -> None:
        """Cut the train reviews into parts that the encoder can read."""
        reviews = self._features(self.splits["train"])
        self._train_parts = [part for review in reviews for part in review.tokens.parts(self.max_tokens)]

    @property
    def by_character(self) -> bool:
        """As ``data.by_character`` says."""
        return self.config.data.by_character

    @property
    def max_text_tokens(self) -> int | None:
        """None: a long review is read in windows."""
        return None

    # ---- features and batches

    def dataset(self, examples: Sequence[OpinionExample]) -> list[ReviewFeatures]:
        """Return the features of reviews."""
        tokens = self.tokenizer.tokens([example.text for example in examples], by_character=self.by_character)
        return review_features(examples, tokens, self.names)

    def _features(self, split: OpinionSplit) -> Sequence[ReviewFeatures]:
        features: Sequence[ReviewFeatures] = self.features.of(split, self.dataset).new_data
        return features

    @cached_property
    def _special(self) -> SpecialTokens:
        return SpecialTokens(self.tokenizer.cls_id, self.tokenizer.sep_id, self.tokenizer.pad_id)

    @property
    def train_lengths(self) -> list[int]:
        """The number of tokens of each part that is trained on."""
        return [len(part) + N_SPECIAL_TOKENS for part in self._train_parts]

    def collate(self, dataset: Sequence[ReviewFeatures], rows: Sequence[int]) -> OpinionBatch:
        """Return whole reviews with these indices as one batch."""
        return collate([dataset[row].tokens for row in rows], rows, self._special)

    def collate_train(self, groups: Sequence[Sequence[int]], epoch: int) -> Iterator[OpinionBatch]:
        """Yield a batch for each group of parts."""
        del epoch
        for rows in groups:
            yield collate([self._train_parts[row] for row in rows], rows, self._special)

    # ---- model and loss

    def build_layer(self, encoder: Encoder) -> OpinionTagger:
        """Return the Layer over an encoder."""
        section = self.config.model
        return OpinionTagger(
            encoder,
            n_labels=len(self.names.labels),
            head=section.head,
            dropout=section.dropout,
            n_polarities=len(self.names.polarities),
            pair_size=section.pair_size,
        )

    def loss(self, model: nn.Layer, batch: OpinionBatch) -> tuple[paddle.Tensor, int]:
        """Return the summed loss <float32>[] of a batch and its number of tokens with a tag.

        The loss is the negative log-likelihood of the tags, and of the pairs times ``model.pair_loss_weight``.
        """
        tags, pairs = model.losses(batch.input_ids, batch.token_type_ids, batch.lengths, batch.gold)
        return (tags + self.config.model.pair_loss_weight * pairs).sum(), batch.n_tagged

    # ---- scores

    def evaluate(self, model: nn.Layer, split: OpinionSplit, check_interrupt: Callable[[], None]) -> Evaluation:
        """Score the predicted spans and triplets of a split, each as a whole.

        If the split shares texts with train, F1 has a twin over the other rows. During training the selection is
        chosen on dev.
        """
        candidates = self._read(model, self._features(split), check_interrupt, CANDIDATES)
        if self._selects and split.name == "dev":
            self.selection = best_selection(split.examples, candidates, overlaps=self.config.model.overlaps)
        predictions = [self.selection.apply(prediction) for prediction in candidates]
        scored = ScoredReviews(split.examples, predictions, self.names)

        def metrics(rows: Array) -> dict[str, Any]:
            return self._with_thresholds(scored.subset(rows).metrics())

        return Evaluation(
            with_deduplicated(metrics, self.splits, split, DEDUPLICATED),
            list(scored.records()),
            list(scored.errors()),
            scored.sample_texts(),
            OpinionPanels(split.examples, predictions, self.names, model).panels,
            partial(self._vector_panels, model, split, predictions),
        )

    def _with_thresholds(self, metrics: dict[str, Any]) -> dict[str, Any]:
        if not self._uses_marginals:
            return metrics
        selection = self.selection
        of_triplets = {"triplet_threshold": selection.triplets} if self.names.polarities else {}
        return {**metrics, "threshold": selection.spans, **of_triplets, "overlaps": float(selection.overlaps)}

    def score_records(self, split: OpinionSplit, records: Sequence[Record]) -> dict[str, Any]:
        """Return the metrics of predicted spans and triplets; the records hold no loss of the model."""
        check_count(len(split.examples), records, _("rows of {path}").format(path=split.path))
        spans, pairs = read_predictions(records, self.names)

        def metrics(rows: Array) -> dict[str, Any]:
            kept = np.flatnonzero(rows).tolist()
            examples = [split.examples[row] for row in kept]
            return count_metrics(examples, [spans[row] for row in kept], [pairs[row] for row in kept], self.names)

        return with_deduplicated(metrics, self.splits, split, DEDUPLICATED)

    @without_gradients
    def _vector_panels(self, model: nn.Layer, split: OpinionSplit, predictions: Sequence[Prediction]) -> Panels:
        """Return the mean state of the first window of some reviews, and the attention in one of them."""
        model.eval()
        chosen, size = choose_rows(len(split.examples)), self.config.evaluation.batch_size
        reviews = [self._features(split)[row] for row in chosen]
        parts = [self._first_states(model, reviews[start:][:size]) for start in range(0, len(reviews), size)]
        vectors = [pool("mean", states, states[:, 0], lengths) for states, lengths in parts]
        examples, own = ([values[row] for row in chosen] for values in (split.examples, predictions))
        short = reviews[readable_row(np.array([len(review.tokens) + N_SPECIAL_TOKENS for review in reviews]))]
        images = attention_image(model.encoder, lambda: self._first_states(model, [short]), self.tokenizer.vocabulary)
        return replace(vector_panels(paddle.concat(vectors), describe_rows(examples, own)), images=images)

    def _first_states(self, model: nn.Layer, reviews: Sequence[ReviewFeatures]) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Return the states <float>[reviews, length, width] of the first window of each review, and the lengths."""
        padded, ends = self._special.pad([review.tokens.ids[: self.max_tokens] for review in reviews])
        input_ids, lengths = paddle.to_tensor(padded), paddle.to_tensor(ends)
        return model.states(input_ids, paddle.zeros_like(input_ids), lengths), lengths

    def _read(
        self,
        model: nn.Layer,
        reviews: Sequence[ReviewFeatures],
        check_interrupt: Callable[[], None],
        selection: Selection,
    ) -> list[Prediction]:
        """Return the predictions for all reviews; each rank reads its own batches."""
        model.eval()
        reader, size = self._reader(selection), self.config.evaluation.batch_size
        lengths = [len(review.tokens) + N_SPECIAL_TOKENS for review in reviews]
        batches = LengthGroupedBatchSampler(lengths, size, max_tokens=size * self.config.training.max_length).batches()
        own: dict[int, Prediction] = {}
        with self.ranks.raise_together():
            for rows in self.ranks.shard(batches):
                check_interrupt()
                own.update(zip(rows, reader.read(model, [reviews[row] for row in rows]), strict=True))
        by_row = {row: prediction for part in self.ranks.gather_objects(own) for row, prediction in part.items()}
        return [by_row[row] for row in range(len(reviews))]

    def _reader(self, selection: Selection) -> Reader:
        return Reader(
            names=self.names,
            special=self._special,
            max_tokens=self.max_tokens,
            overlap=self.config.data.window_overlap,
            batch_size=self.config.evaluation.batch_size,
            pair_weight=self.config.model.pair_loss_weight,
            min_probs=selection.min_probs if self._uses_marginals else None,
        )

    # ---- predictions

    def predict(self, model: nn.Layer, texts: Sequence[str], *, explain: bool = False) -> list[dict[str, Any]]:
        """Return ``{"input", "spans", "triplets"}`` for each text; without ``triplets`` if no pairs were learnt.

        A span is ``{"start", "end", "text", "label", "prob"}``, in characters. A triplet is ``{"aspect", "opinion",
        "polarity", "prob"}`` with the character ranges of the two; the aspect is None if it is implicit.

        Args:
            model: the model.
            texts: the reviews.
            explain: changes nothing, since the spans explain the record; people see them in colours.
        """
        del explain
        if not texts:
            return []
        reviews = self.dataset([OpinionExample(text, (), None, "") for text in texts])
        predictions = self._read(model, reviews, lambda: None, self.selection)
        return [
            prediction_record(text, self.selection.apply(prediction), self.names)
            for text, prediction in zip(texts, predictions, strict=True)
        ]

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return the text with its spans, and its triplets."""
        return display_opinions(record)

    # ---- the model folder

    def settings(self) -> dict[str, Any]:
        """Return labels, polarities and thresholds."""
        names = {name: list(values) for name, values in vars(self.names).items()}
        return {**names, "choice": vars(self.selection)}

    def restore_settings(self, settings: Mapping[str, Any]) -> None:
        """Restore labels, polarities and thresholds."""
        self.names = OpinionNames(tuple(settings["labels"]), tuple(settings["polarities"]))
        self.selection = Selection.from_settings(settings)
