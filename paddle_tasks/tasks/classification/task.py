"""What the tasks that give one label to one text share; a task adds its Layer and overrides what differs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import paddle
from paddle import nn
from paddlenlp.datasets import MapDataset

from paddle_tasks.arrays import Array
from paddle_tasks.config import Section
from paddle_tasks.data.batching.batches import Batch, LengthGroupedBatchSampler, iterate_batches
from paddle_tasks.data.batching.packed import PackedFeatures
from paddle_tasks.data.batching.token_cache import cached_encodings
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.remarks import describe_split, describe_truncation, find_suspicious
from paddle_tasks.data.tables.splits import LabelledText, Split, ordered_labels
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models.encoders.build import Encoder
from paddle_tasks.models.encoders.start_vectors import start_with_vectors
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.graphs.classifier import text_logits
from paddle_tasks.models.graphs.network import TOKENS, Input, Network, Networks, SavedModel
from paddle_tasks.models.losses import ClassificationLoss
from paddle_tasks.tasks.classification import SUMMARY_METRICS
from paddle_tasks.tasks.classification.baseline import TfidfBaseline
from paddle_tasks.tasks.classification.clue import CLUE
from paddle_tasks.tasks.classification.data import SINGLE_TEXT, LabelledData, LabelledDataCheck, RowFormat
from paddle_tasks.tasks.classification.decision import Decision, MostProbable
from paddle_tasks.tasks.classification.display import display_explanation
from paddle_tasks.tasks.classification.explain import explain as explain_records
from paddle_tasks.tasks.classification.exported import ExportedClassifier, LogitsGraph, logits_network
from paddle_tasks.tasks.classification.frozen import TextVectors, has_fixed_vectors
from paddle_tasks.tasks.classification.loss import build_loss
from paddle_tasks.tasks.classification.record_view import LabelView
from paddle_tasks.tasks.classification.records import keep_most_probable, make_records, mark_truncated, mark_unsure
from paddle_tasks.tasks.classification.scoring import Scorer
from paddle_tasks.tasks.classification.section import ClassificationConfig
from paddle_tasks.tasks.classification.start_vectors import KEY as WORD_VECTORS
from paddle_tasks.tasks.classification.start_vectors import StartVectors, check_word_vectors
from paddle_tasks.tasks.classification.teachers import KEY as TEACHERS
from paddle_tasks.tasks.classification.teachers import Teachers
from paddle_tasks.tasks.classification.temperature import Temperature
from paddle_tasks.tasks.encoder import N_SPECIAL_TOKENS, EncoderTask, learn_tokenizer
from paddle_tasks.tasks.panels import choose_rows, readable_row, text_panels
from paddle_tasks.text.packing import PackedIds
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training.demonstration import Demonstration
from paddle_tasks.training.display import Line
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.protocol import Baseline, DataCheck, Evaluation, Record, RecordFormat
from paddle_tasks.training.ranks import Ranks
from paddle_tasks.training.record_view import RecordView

C = TypeVar("C", bound=ClassificationConfig)


class ClassifierTask(EncoderTask[C]):
    """One label for one text.

    Attributes:
        FORMAT: what a row holds.
        Model: the Layer.
        GRAPH: describes the Layer for exports.
        GRAPH_INPUTS: the inputs of that.
        data: the splits and the labels.
        decision: chooses labels from probabilities.
        temperature: calibrates probabilities.
        teachers: the models whose predictions for the train rows are learnt too.
    """

    FIELDS: ClassVar[tuple[str, ...]] = SINGLE_TEXT.fields
    METRICS: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "precision", "recall", "f1", "loss")
    SUMMARY_METRICS: ClassVar[tuple[str, ...]] = SUMMARY_METRICS
    DATA_CHECK: ClassVar[DataCheck] = LabelledDataCheck(SINGLE_TEXT)
    BASELINE: ClassVar[Baseline | None] = TfidfBaseline(SINGLE_TEXT, MostProbable)
    RECORD_VIEW: ClassVar[RecordView] = LabelView()
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ("explain", "top_k")
    PADDLE_OPTIONS: ClassVar[tuple[str, ...]] = ("explain",)  # gradients explain, and a network has none
    RECORD_FORMATS: ClassVar[Mapping[str, RecordFormat]] = {"clue": CLUE}
    DEMONSTRATION: ClassVar[Demonstration] = Demonstration("label")
    FORMAT: ClassVar[RowFormat] = SINGLE_TEXT
    Config: ClassVar[type[ClassificationConfig]] = ClassificationConfig
    Model: ClassVar[type[nn.Layer]]
    GRAPH: ClassVar[LogitsGraph] = staticmethod(text_logits)
    GRAPH_INPUTS: ClassVar[Mapping[str, Input]] = TOKENS

    def __init__(self, config: C) -> None:
        super().__init__(config)
        self.data = LabelledData(config.data, config.seed, self.FORMAT)
        self.splits = self.data.splits
        self.decision, self.temperature = self.new_decision(), Temperature(config.training.calibrate)
        self._loss = ClassificationLoss()
        self.teachers = Teachers(config.training.loss.teachers)
        self._vectors = TextVectors()
        self._start: StartVectors | None = None

    def new_decision(self) -> Decision:
        """Return how labels are chosen."""
        return MostProbable()

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the logits."""
        return self.data.labels

    @property
    def scorer(self) -> Scorer:
        """Scores probabilities."""
        return Scorer(self.data, self.decision, self.temperature)

    # ---- data

    def check_settings(self) -> None:
        """Check the file of word vectors, if there is one."""
        check_word_vectors(self.config.model)

    def read_splits(self) -> None:
        """Read the splits and their labels."""
        self.data.read()
        self.decision.start_learning()
        if self.config.model.output == "sigmoid" and len(self.labels) != 2:
            raise ConfigError(
                _("model.output: sigmoid is for two labels, the data has {count}; use softmax").format(
                    count=len(self.labels)
                )
            )
        self._loss = build_loss(self.config.training.loss, self.labels, self.splits["train"].examples)

    def describe_data(self) -> Sequence[str]:
        """Return two lines about each split: its rows and lengths, and its labels with their counts."""
        lines = [line for split in self.splits.values() for line in describe_split(split, self.data.label_names)]
        return [*lines, self._start.describe()] if self._start else lines

    def remarks(self) -> Sequence[str]:
        """Return what is suspicious about the splits, and how much of the train texts is cut off."""
        cut = "" if self.max_text_tokens is None else self._describe_truncation(self.max_text_tokens)
        return [*super().remarks(), *find_suspicious(self.splits), *([f"data.train: {cut}"] if cut else [])]

    def _describe_truncation(self, max_tokens: int) -> str:
        # Only rows that fill the model's input can be longer than it; they are tokenized again.
        lengths, examples = list(map(int, self.train_lengths)), self.splits["train"].examples
        full = [row for row, length in enumerate(lengths) if length >= self.config.training.max_length]
        if not full:
            return ""
        for row, length in zip(full, self.input_lengths([examples[row].text for row in full]), strict=True):
            lengths[row] = length
        return describe_truncation(lengths, max_tokens + N_SPECIAL_TOKENS)

    def load_split(self, name: SplitName, source: str | None = None) -> Split[LabelledText]:
        """Read the configuration's labelled texts, or those of another file, and keep them as that split."""
        return self.data.load_split(name, source)

    def read_answers(self, source: str) -> Split[LabelledText]:
        """Read the right answers of a file, as the split test; labels that are not known yet are those of the file."""
        split = self.load_split("test", source)
        self.data.labels = self.data.labels or self.config.data.labels or ordered_labels(split)
        return split

    def use_layout(self, layout: Section) -> None:
        """Read files as ``layout`` says from now on, whose labels must be among those of the model."""
        super().use_layout(layout)
        self.data.use_section(self.config.data)

    def learn_tokenizer(self) -> Tokenizer:
        """Return a tokenizer with a vocabulary learnt from the texts of train."""
        texts = (example.text for example in self.splits["train"].examples)
        return learn_tokenizer(self.config.data.vocabulary, texts)

    def prepare(self) -> None:
        """Look up word vectors, encode train, and let the teachers predict it."""
        self._start = StartVectors.read(self.config.model, self.tokenizer)
        self.train_dataset = self._features(self.splits["train"])
        self.teachers.predict(self)

    @property
    def other_inputs(self) -> Mapping[str, str]:
        """Digests of the teachers' predictions and of the file of word vectors."""
        inputs = {TEACHERS: self.teachers.digest, WORD_VECTORS: self._start.digest if self._start else ""}
        return {key: digest for key, digest in inputs.items() if digest}

    # ---- features and batches

    def dataset(self, examples: Sequence[LabelledText]) -> MapDataset:
        """Return the features of examples, computed once."""
        return MapDataset(list(examples)).map(self._encode_examples, batched=True)

    def _features(self, split: Split[LabelledText]) -> MapDataset:
        return self.features.of(split, self._encode_examples)

    def _encode_examples(self, examples: Sequence[LabelledText]) -> PackedFeatures:
        return PackedFeatures(self.encode([example.text for example in examples]), self.data.label_indices(examples))

    def encode(self, texts: Sequence[str]) -> PackedIds:
        """Return what the model reads of each text."""
        return cached_encodings(self.tokenizer, texts, max_length=self.config.training.max_length)

    @property
    def train_lengths(self) -> Array:
        """The number of tokens of each train row <int64>[rows]."""
        return _packed(self.train_dataset).lengths

    def collate(self, dataset: MapDataset, rows: Sequence[int]) -> Batch:
        """Return the rows with these indices as one batch."""
        (batch,) = self._batches(dataset, [rows])
        return batch

    def collate_train(self, groups: Sequence[Sequence[int]], epoch: int) -> Iterator[Batch]:
        """Yield a batch for each group of train rows."""
        del epoch
        yield from self._batches(self.train_dataset, groups)

    def _batches(self, dataset: MapDataset, groups: Sequence[Sequence[int]]) -> Iterator[Batch]:
        yield from iterate_batches(_packed(dataset), groups, self.tokenizer.pad_id)

    def batches_by_length(self, dataset: MapDataset, ranks: Ranks = Ranks()) -> Iterator[Batch]:  # noqa: B008
        """Yield the batches of an evaluation, of several ranks those of each; the batches are those of one process."""
        # A generator, so that nothing is sorted if the vectors of the data set are cached.
        yield from self._batches(dataset, ranks.shard(self._groups(_packed(dataset).lengths)))

    def _groups(self, lengths: Array) -> Sequence[Sequence[int]]:
        size = self.config.evaluation.batch_size
        return LengthGroupedBatchSampler(lengths, size, max_tokens=self.token_limit(size, None)).batches()

    # ---- model and loss

    def new_model(self) -> nn.Layer:
        """Return the Layer over its encoder, whose embeddings are word vectors if there are any."""
        model = super().new_model()
        if self._start:
            start_with_vectors(model.encoder, self._start.ids, self._start.vectors)
        return model

    def build_layer(self, encoder: Encoder) -> nn.Layer:
        """Return the Layer over an encoder."""
        return self.Model(encoder, n_classes=len(self.labels), **self.layer_settings())

    def layer_settings(self) -> dict[str, Any]:
        """Return the settings that every classifier's Layer takes."""
        return self.config.model.model_dump(include={"pooling", "head", "output", "dropout"})

    def loss(self, model: nn.Layer, batch: Batch) -> tuple[paddle.Tensor, int]:
        """Return the summed loss <float32>[] of a batch and its number of rows."""
        targets = self.teachers.probabilities(batch.rows)
        if self.caches_vectors(model):
            vectors = self._text_vectors(model, self.train_dataset)[list(batch.rows)]
            return self._loss(model.classify, (vectors,), batch.labels, targets), len(batch.rows)
        inputs = (batch.input_ids, batch.token_type_ids, batch.lengths)
        return self._loss(model, inputs, batch.labels, targets), len(batch.rows)

    def caches_vectors(self, model: nn.Layer) -> bool:
        """Return whether the text vectors of the encoder are computed once for each data set."""
        return self.config.training.cache_frozen and has_fixed_vectors(model)

    def _text_vectors(
        self, model: nn.Layer, dataset: MapDataset, check_interrupt: Callable[[], None] = lambda: None
    ) -> paddle.Tensor:
        return self._vectors.get(model, dataset, self.batches_by_length(dataset), check_interrupt)

    # ---- scores

    def probabilities(self, model: nn.Layer, dataset: MapDataset) -> Array:
        """Return those of predictions <float32>[rows, labels] in the order of the data set."""
        return self.temperature.apply(self._uncalibrated(model, dataset, lambda: None))

    def _uncalibrated(self, model: nn.Layer, dataset: MapDataset, check_interrupt: Callable[[], None]) -> Array:
        model.eval()
        with self.ranks.raise_together(), paddle.no_grad():
            if self.caches_vectors(model):  # every rank has all of them
                return _softmax(model.classify(self._text_vectors(model, dataset, check_interrupt)))
            probabilities = self._own_probabilities(model, dataset, check_interrupt)
        return self.ranks.sum_array(probabilities)

    def _own_probabilities(self, model: nn.Layer, dataset: MapDataset, check_interrupt: Callable[[], None]) -> Array:
        """Return <float32>[rows, labels] with zeros in the rows of other ranks."""
        probabilities = np.zeros((len(_packed(dataset).labels), len(self.labels)), dtype=np.float32)
        for batch in self.batches_by_length(dataset, self.ranks):
            check_interrupt()
            probabilities[list(batch.rows)] = _softmax(model(batch.input_ids, batch.token_type_ids, batch.lengths))
        return probabilities

    def start_final_scores(self) -> None:
        """Fit the temperature when dev is scored."""
        self.temperature.start_learning()

    def evaluate(self, model: nn.Layer, split: Split[LabelledText], check_interrupt: Callable[[], None]) -> Evaluation:
        """Score a split."""
        evaluation = self.scorer.score(split, self._uncalibrated(model, self._features(split), check_interrupt))
        return replace(evaluation, vectors=partial(self._vector_panels, model, split, evaluation))

    def score_records(self, split: Split[LabelledText], records: Sequence[Record]) -> dict[str, Any]:
        """Return the metrics of predicted labels; the loss needs probabilities."""
        return self.scorer.score_records(split, records)

    @without_gradients
    def _vector_panels(self, model: nn.Layer, split: Split[LabelledText], evaluation: Evaluation) -> Panels:
        """Return the vectors of some texts with their predictions, and the attention in one text."""
        model.eval()
        dataset, chosen = self._features(split), choose_rows(len(split.examples))
        lengths = _packed(dataset).lengths[chosen]
        groups = [chosen[indices].tolist() for indices in self._groups(lengths)]
        readable = self.collate(dataset, [int(chosen[readable_row(lengths)])])
        batches = list(self._batches(dataset, groups))
        return text_panels(model, batches, readable, evaluation.predictions, self.tokenizer.vocabulary)

    # ---- predictions

    def predict(
        self, model: nn.Layer, texts: Sequence[str], *, explain: bool = False, top_k: int | None = None
    ) -> list[dict[str, Any]]:
        """Return ``{"input", "label", "score", "probabilities"}`` for each text; the score is the label's probability.

        A record has the label's ``name`` if it has one, ``"truncated": True`` if the model reads only a part of the
        text, and ``"unsure": True`` if the probability of another label, calibrated too, is nearly as high.

        Args:
            model: the model.
            texts: the inputs.
            explain: add what `paddle_tasks.tasks.classification.explain.explain` returns.
            top_k: leave out the probabilities of all but the most probable labels.
        """
        if not texts:
            return []
        dataset = self.dataset([LabelledText(text, "", "") for text in texts])
        probabilities = self.probabilities(model, dataset)
        records = make_records(texts, list(map(self.scorer.prediction, probabilities)))
        mark_unsure(records, probabilities, self.decision, self.temperature)
        mark_truncated(records, _packed(dataset).lengths, self.config.training.max_length, self.find_truncated)
        keep_most_probable(records, top_k)
        return self.complete(model, records, explain=explain)

    def complete(
        self, model: nn.Layer, records: list[dict[str, Any]], *, explain: bool = False
    ) -> list[dict[str, Any]]:
        """Return records of `predict` with what ``explain`` adds to them."""
        if explain and isinstance(model, ExportedClassifier):
            raise ConfigError(_("explain: an exported model has no gradients to explain by; name the run"))
        return explain_records(self, model, records) if explain and records else records

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return a line with label, probability and text."""
        return display_explanation(record)

    # ---- exported models

    @staticmethod
    def export_script() -> str:
        """Return the name of the script for labels."""
        return "labels"

    @classmethod
    def networks(cls, saved: SavedModel) -> Sequence[Network]:
        """Return the network from ids to logits."""
        return [logits_network(saved, cls.GRAPH, cls.GRAPH_INPUTS)]

    @classmethod
    def load_exported(cls, folder: Path, networks: Networks) -> tuple[Any, nn.Layer]:
        """Return a task and a Layer that computes with a network."""
        return cls.restore(folder), ExportedClassifier(networks, cls.GRAPH_INPUTS)

    # ---- the model folder

    def settings(self) -> dict[str, Any]:
        """Return the labels, and what decision and temperature have learnt."""
        return {**self.data.settings(), **self.decision.settings(), **self.temperature.settings()}

    def restore_settings(self, settings: Mapping[str, Any]) -> None:
        """Restore what `settings` returned."""
        self.data.restore(settings)
        self.decision.restore(settings)
        self.temperature.restore(settings)

    @staticmethod
    def card_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings of every encoder task, and the teachers."""
        loss = config["training"].get("loss", {})
        teachers = loss.get("teachers")
        return {
            **EncoderTask.card_settings(config),
            _("teachers"): ", ".join(teachers or ()) or None,
            _("teacher weight"): loss.get("teacher_weight") if teachers else None,
        }


def _softmax(logits: paddle.Tensor) -> Array:
    probabilities: Array = nn.functional.softmax(logits.detach().astype("float32"), axis=-1).numpy()
    return probabilities


def _packed(dataset: MapDataset) -> PackedFeatures:
    features: PackedFeatures = dataset.new_data  # what the one function given to `map` has returned
    return features
