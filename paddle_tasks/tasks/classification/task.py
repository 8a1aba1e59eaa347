"""What the tasks that give one label to one text share; a task adds its Layer and overrides what differs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import paddle
from paddle import nn
from paddlenlp.datasets import MapDataset

from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.batches import Batch
from paddle_tasks.data.tables.splits import LabelledText, Split
from paddle_tasks.errors import ConfigError
from paddle_tasks.language import _
from paddle_tasks.models.encoders.build import Encoder
from paddle_tasks.models.encoders.start_vectors import start_with_vectors
from paddle_tasks.models.gradients import without_gradients
from paddle_tasks.models.graphs.classifier import text_logits
from paddle_tasks.models.graphs.network import TOKENS, Input, Network, Networks, SavedModel
from paddle_tasks.models.losses import ClassificationLoss
from paddle_tasks.tasks.classification import SUMMARY_METRICS, TABLE_METRICS
from paddle_tasks.tasks.classification.baseline import TfidfBaseline
from paddle_tasks.tasks.classification.clue import CLUE
from paddle_tasks.tasks.classification.data import SINGLE_TEXT
from paddle_tasks.tasks.classification.decision import Decision, MostProbable
from paddle_tasks.tasks.classification.display import display_explanation
from paddle_tasks.tasks.classification.explain import explain as explain_records
from paddle_tasks.tasks.classification.exported import (
    ExportedClassifier,
    LogitsGraph,
    logits_network,
    write_exported_ngrams,
)
from paddle_tasks.tasks.classification.frozen import TextVectors, has_fixed_vectors
from paddle_tasks.tasks.classification.loss import build_loss
from paddle_tasks.tasks.classification.ngram_fit import fit_ngrams
from paddle_tasks.tasks.classification.ngram_section import TextNgramSection
from paddle_tasks.tasks.classification.ngrams import NgramMixture
from paddle_tasks.tasks.classification.record_view import LabelView
from paddle_tasks.tasks.classification.records import keep_most_probable, make_records, mark_truncated, mark_unsure
from paddle_tasks.tasks.classification.rows import LabelledRowsTask, packed_features
from paddle_tasks.tasks.classification.scoring import Scorer
from paddle_tasks.tasks.classification.section import ClassificationConfig
from paddle_tasks.tasks.classification.start_vectors import KEY as WORD_VECTORS
from paddle_tasks.tasks.classification.start_vectors import StartVectors, check_word_vectors
from paddle_tasks.tasks.classification.teachers import KEY as TEACHERS
from paddle_tasks.tasks.classification.teachers import Teachers
from paddle_tasks.tasks.classification.temperature import Temperature
from paddle_tasks.tasks.encoder import EncoderTask
from paddle_tasks.tasks.panels import choose_rows, readable_row, text_panels
from paddle_tasks.training.demonstration import Demonstration
from paddle_tasks.training.display import Line
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.protocol import Baseline, Evaluation, Record, RecordFormat
from paddle_tasks.training.record_view import RecordView

C = TypeVar("C", bound=ClassificationConfig)


class ClassifierTask(LabelledRowsTask[C]):
    """One label for one text.

    Attributes:
        Model: the Layer.
        GRAPH: describes the Layer for exports.
        GRAPH_INPUTS: the inputs of that.
        decision: chooses labels from probabilities.
        temperature: calibrates probabilities.
        ngrams: the linear model of n-grams beside the network, if there is one.
        teachers: the models whose predictions for the train rows are learnt too.
    """

    METRICS: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "precision", "recall", "f1", "loss")
    SUMMARY_METRICS: ClassVar[tuple[str, ...]] = SUMMARY_METRICS
    TABLE_METRICS: ClassVar[tuple[str, ...]] = TABLE_METRICS
    BASELINE: ClassVar[Baseline | None] = TfidfBaseline(SINGLE_TEXT, MostProbable)
    RECORD_VIEW: ClassVar[RecordView] = LabelView()
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ("explain", "top_k")
    PADDLE_OPTIONS: ClassVar[tuple[str, ...]] = ("explain",)  # gradients explain, and a network has none
    RECORD_FORMATS: ClassVar[Mapping[str, RecordFormat]] = {"clue": CLUE}
    DEMONSTRATION: ClassVar[Demonstration] = Demonstration("label")
    Config: ClassVar[type[ClassificationConfig]] = ClassificationConfig
    Model: ClassVar[type[nn.Layer]]
    GRAPH: ClassVar[LogitsGraph] = staticmethod(text_logits)
    GRAPH_INPUTS: ClassVar[Mapping[str, Input]] = TOKENS

    def __init__(self, config: C) -> None:
        super().__init__(config)
        self.decision, self.temperature = self.new_decision(), Temperature(config.training.calibrate)
        self.ngrams = NgramMixture()
        self._loss = ClassificationLoss()
        self.teachers = Teachers(config.training.loss.teachers)
        self._vectors = TextVectors()
        self._start: StartVectors | None = None

    def new_decision(self) -> Decision:
        """Return how labels are chosen."""
        return MostProbable()

    @property
    def scorer(self) -> Scorer:
        """Scores probabilities."""
        metric = self.config.evaluation.metric
        lower_is_better = metric in self.LOWER_IS_BETTER
        return Scorer(self.data, self.decision, self.temperature, self.ngrams, metric, lower_is_better)

    # ---- data

    def check_settings(self) -> None:
        """Check the file of word vectors, if there is one."""
        check_word_vectors(self.config.model)

    def read_splits(self) -> None:
        """Read the splits and their labels, and build the loss."""
        super().read_splits()
        self.decision.start_learning()
        if self.config.model.output == "sigmoid" and len(self.labels) != 2:
            raise ConfigError(
                _("model.output: sigmoid is for two labels, the data has {count}; use softmax").format(
                    count=len(self.labels)
                )
            )
        self._loss = build_loss(self.config.training.loss, self.labels, self.splits["train"].examples)

    def describe_data(self) -> Sequence[str]:
        """Return lines about the splits, the word vectors and the n-grams."""
        start = [self._start.describe()] if self._start else []
        return [*super().describe_data(), *start, *self.ngrams.describe()]

    def prepare(self) -> None:
        """Look up word vectors, encode train, fit n-grams to it, and let the teachers predict it."""
        self._start = StartVectors.read(self.config.model, self.tokenizer)
        super().prepare()
        section = self.config.model.ngrams
        if isinstance(section, TextNgramSection):
            self.ngrams.model = fit_ngrams(section, self.data)
        self.teachers.predict(self)

    @property
    def other_inputs(self) -> Mapping[str, str]:
        """Digests of the teachers' predictions and of the file of word vectors."""
        inputs = {TEACHERS: self.teachers.digest, WORD_VECTORS: self._start.digest if self._start else ""}
        return {key: digest for key, digest in inputs.items() if digest}

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
        texts = [example.text for example in dataset.data]
        return self.temperature.apply(self.ngrams.apply(self._network(model, dataset, lambda: None), texts))

    def _network(self, model: nn.Layer, dataset: MapDataset, check_interrupt: Callable[[], None]) -> Array:
        model.eval()
        with self.ranks.raise_together(), paddle.no_grad():
            if self.caches_vectors(model):  # every rank has all of them
                return _softmax(model.classify(self._text_vectors(model, dataset, check_interrupt)))
            probabilities = self._own_probabilities(model, dataset, check_interrupt)
        return self.ranks.sum_array(probabilities)

    def _own_probabilities(self, model: nn.Layer, dataset: MapDataset, check_interrupt: Callable[[], None]) -> Array:
        """Return <float32>[rows, labels] with zeros in the rows of other ranks."""
        probabilities = np.zeros((len(packed_features(dataset).labels), len(self.labels)), dtype=np.float32)
        for batch in self.batches_by_length(dataset, self.ranks):
            check_interrupt()
            probabilities[list(batch.rows)] = _softmax(model(batch.input_ids, batch.token_type_ids, batch.lengths))
        return probabilities

    def start_final_scores(self) -> None:
        """Choose the weight of n-grams and fit the temperature when dev is scored."""
        self.ngrams.start_learning()
        self.temperature.start_learning()

    def evaluate(self, model: nn.Layer, split: Split[LabelledText], check_interrupt: Callable[[], None]) -> Evaluation:
        """Score a split."""
        evaluation = self.scorer.score(split, self._network(model, self.split_features(split), check_interrupt))
        return replace(evaluation, vectors=partial(self._vector_panels, model, split, evaluation))

    def score_records(self, split: Split[LabelledText], records: Sequence[Record]) -> dict[str, Any]:
        """Return the metrics of predicted labels; the loss needs probabilities."""
        return self.scorer.score_records(split, records)

    @without_gradients
    def _vector_panels(self, model: nn.Layer, split: Split[LabelledText], evaluation: Evaluation) -> Panels:
        """Return the vectors of some texts with their predictions, and the attention in one text."""
        model.eval()
        dataset, chosen = self.split_features(split), choose_rows(len(split.examples))
        lengths = packed_features(dataset).lengths[chosen]
        groups = [chosen[indices].tolist() for indices in self.group_by_length(lengths)]
        readable = self.collate(dataset, [int(chosen[readable_row(lengths)])])
        batches = list(self.collate_groups(dataset, groups))
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
        mark_truncated(records, packed_features(dataset).lengths, self.config.training.max_length, self.find_truncated)
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
    def write_export(cls, source: Path, folder: Path) -> None:
        """Write the tokenizer, and n-grams if the model has any."""
        super().write_export(source, folder)
        write_exported_ngrams(source, folder)

    @classmethod
    def load_exported(cls, folder: Path, networks: Networks) -> tuple[Any, nn.Layer]:
        """Return a task and a Layer that computes with a network."""
        return cls.restore(folder), ExportedClassifier(networks, cls.GRAPH_INPUTS)

    # ---- the model folder

    def save_model(self, model: nn.Layer, folder: Path) -> None:
        """Write weights, tokenizer, settings and n-grams."""
        super().save_model(model, folder)
        self.ngrams.save(folder)

    def load_weights(self, model: nn.Layer, folder: Path) -> None:
        """Restore weights, settings and n-grams."""
        super().load_weights(model, folder)
        self.load_ngrams(folder)

    @classmethod
    def restore(cls, folder: Path) -> Any:
        """Return the task of a model folder or an exported one, without its model."""
        task = super().restore(folder)
        task.load_ngrams(folder)
        return task

    def load_ngrams(self, folder: Path) -> None:
        """Read the n-grams of a model folder, if the configuration has any."""
        if isinstance(self.config.model.ngrams, TextNgramSection):
            self.ngrams.load(folder, len(self.labels))

    def settings(self) -> dict[str, Any]:
        """Return the labels, and what decision, n-grams and temperature have learnt."""
        learnt = (self.decision, self.ngrams, self.temperature)
        return {**self.data.settings(), **{key: value for one in learnt for key, value in one.settings().items()}}

    def restore_settings(self, settings: Mapping[str, Any]) -> None:
        """Restore what `settings` returned."""
        self.data.restore(settings)
        for one in (self.decision, self.ngrams, self.temperature):
            one.restore(settings)

    @staticmethod
    def card_settings(config: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the settings of every encoder task, the n-grams and the teachers."""
        loss, ngrams = config["training"].get("loss", {}), config["model"].get("ngrams")
        teachers = loss.get("teachers")
        return {
            **EncoderTask.card_settings(config),
            _("characters of n-grams"): "–".join(map(str, ngrams["lengths"])) if isinstance(ngrams, Mapping) else None,
            _("teachers"): ", ".join(teachers or ()) or None,
            _("teacher weight"): loss.get("teacher_weight") if teachers else None,
        }


def _softmax(logits: paddle.Tensor) -> Array:
    probabilities: Array = nn.functional.softmax(logits.detach().astype("float32"), axis=-1).numpy()
    return probabilities
