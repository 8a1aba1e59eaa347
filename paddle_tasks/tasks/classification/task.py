"""What the tasks that give one label to one text have in common: data, features, loss, scores, saving, predicting."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import paddle
from paddle import nn
from paddlenlp.datasets import MapDataset

from paddle_tasks import config as configuration
from paddle_tasks.arrays import Array
from paddle_tasks.data.batching.batches import Batch, LengthGroupedBatchSampler, batches_from
from paddle_tasks.data.batching.packed import PackedFeatures
from paddle_tasks.data.batching.token_cache import encoded
from paddle_tasks.data.tables.catalogue import SplitName
from paddle_tasks.data.tables.checks import leaked_rows
from paddle_tasks.data.tables.label_names import by_label, read_label_names
from paddle_tasks.data.tables.rows import Row
from paddle_tasks.data.tables.splits import (
    LabelledText,
    Split,
    label_order,
    load_split,
    parse_labelled_text,
    require_good,
)
from paddle_tasks.errors import ConfigError
from paddle_tasks.files import write_json
from paddle_tasks.metrics.classification import ClassificationMetrics
from paddle_tasks.models.encoders.build import SCRATCH, Encoder, build_encoder
from paddle_tasks.models.losses import ClassificationLoss
from paddle_tasks.models.pretrained.loading import load_pretrained, resolve, tokenizer_folder
from paddle_tasks.models.pretrained.saving import load_encoder, load_state, save_pretrained
from paddle_tasks.tasks import SETTINGS
from paddle_tasks.tasks.classification.frozen import TextVectors, vectors_are_fixed
from paddle_tasks.tasks.classification.loss import build_loss
from paddle_tasks.tasks.classification.section import ClassificationConfig
from paddle_tasks.tasks.classification.teachers import Teachers
from paddle_tasks.tasks.panels import Judged, readable_row, samples, shown_rows, text_panels
from paddle_tasks.tasks.vocabulary import learn_tokenizer
from paddle_tasks.text.packing import PackedIds
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training.panels import Panels
from paddle_tasks.training.protocol import Evaluation
from paddle_tasks.training.ranks import Ranks


class TextClassification:
    """The common part of the tasks; a task adds its name and its Layer, and overrides what is different.

    Attributes:
        tokenizer: turns texts into ids.
        labels: in the order of the model's logits.
        label_names: the names of labels that are numbers; empty when they have none.
    """

    FIELDS: ClassVar[tuple[str, ...]] = ("text", "label")
    METRICS: ClassVar[tuple[str, ...]] = ("accuracy", "macro_f1", "precision", "recall", "f1", "loss")
    Config: ClassVar[type[ClassificationConfig]] = ClassificationConfig
    Model: ClassVar[type[nn.Layer]]

    tokenizer: Tokenizer
    labels: tuple[str, ...]
    label_names: Mapping[str, str]
    _train: MapDataset

    def __init__(self, config: ClassificationConfig) -> None:
        self.config = config
        self.splits: dict[SplitName, Split[LabelledText]] = {}
        self._datasets: dict[str, MapDataset] = {}
        self.labels, self.label_names = (), {}
        self._loss = ClassificationLoss()
        self._teachers = Teachers(config.training.loss.teachers)
        self._vectors = TextVectors()
        self.ranks = Ranks()

    # ---- data

    @staticmethod
    def parser(labels: Sequence[str] | None) -> Callable[[Row], LabelledText]:
        """Return what turns a row into an example; any label will do when ``labels`` is None."""
        return partial(parse_labelled_text, labels=labels)

    def read(self) -> None:
        """Read and check data, labels, vocabulary and the encoder's name; write nothing."""
        encoder = self.config.model.encoder
        source = None if encoder in SCRATCH else resolve(encoder)
        self.read_splits()
        self._check_labels()
        train = self.splits["train"]
        self._loss = build_loss(self.config.training.loss, self.labels, train.examples)
        if source is None:
            self.tokenizer = learn_tokenizer(self.config.data.vocabulary, train.examples)
        else:
            self.tokenizer = Tokenizer.load(tokenizer_folder(source))
        self._train = self._encoded(train)
        self._teachers.ask(self)

    @property
    def taught_by(self) -> str:
        """A digest of what the teachers say of the train rows; empty without teachers."""
        return self._teachers.digest

    def read_splits(self) -> None:
        """Read and check data and labels, which is all that a classifier without an encoder needs; write nothing."""
        self.label_names = read_label_names(self.config.data.label_names)
        self.labels = self.config.data.labels or tuple(self.label_names)
        train = self.load_split("train")
        # A fold is of the same file, so it names labels too: a rare one may stand in no other.
        folds = [self.load_split("dev")] if self.config.data.folds else []
        self.labels = self.labels or label_order(train, *folds)
        if len(self.labels) < 2:
            raise ConfigError(f"data.labels: a classifier needs two labels or more, found {list(self.labels)}")
        if not folds:
            self.load_split("dev")
        if self.config.data.has("test"):
            self.load_split("test")

    def load_split(self, name: SplitName, source: str | None = None) -> Split[LabelledText]:
        """Read the configuration's labelled texts, or those of another file, and keep them as that split.

        Raises:
            DataError: they cannot be used.
        """
        data = self.config.data
        place = data.source(name, self.config.seed) if source is None else source
        parse = by_label(self.parser(self.labels or None), self.label_names)
        split = load_split(name, place, data.layout, self.FIELDS, parse)
        self.splits[name] = require_good(split, data.on_bad_row)
        return split

    def _check_labels(self) -> None:
        if self.config.model.output == "sigmoid" and len(self.labels) != 2:
            raise ConfigError(f"model.output: sigmoid is for two labels, the data has {len(self.labels)}; use softmax")

    # ---- features and batches

    @cached_property
    def _sampler(self) -> LengthGroupedBatchSampler:
        section = self.config.training
        most = self._most_tokens(section.batch_size, section.max_tokens_per_batch)
        return LengthGroupedBatchSampler(_packed(self._train).lengths, section.batch_size, self.config.seed, most)

    def _most_tokens(self, batch_size: int, given: int | None) -> int | None:
        """Return the most tokens of a batch of so many rows, of which ``given`` are asked for; None is without end."""
        del batch_size
        return given

    @property
    def n_batches(self) -> int:
        """Train batches in an epoch."""
        return len(self._sampler)

    def dataset(self, examples: Sequence[LabelledText]) -> MapDataset:
        """Return the features of examples, computed once."""
        return MapDataset(list(examples)).map(self._features, batched=True)

    def _features(self, examples: Sequence[LabelledText]) -> PackedFeatures:
        ids = self._encode([example.text for example in examples])
        return PackedFeatures(ids, self.label_indices(examples))

    def label_indices(self, examples: Sequence[LabelledText]) -> Array:
        """Return the place of each example's label among the labels <int64>[rows]; 0 for one that is none of them."""
        index = {label: place for place, label in enumerate(self.labels)}
        return np.array([index.get(example.label, 0) for example in examples], dtype=np.int64)

    def texts_of(self, example: LabelledText) -> tuple[str, ...]:
        """Return the text of an example, or the two of a pair, for a classifier that reads them without a tokenizer."""
        return (example.text,)

    def _encode(self, texts: Sequence[str]) -> PackedIds:
        """Return what the model reads of each text."""
        return encoded(self.tokenizer, texts, max_length=self.config.training.max_length)

    def _encoded(self, split: Split[LabelledText]) -> MapDataset:
        """Return the features of a split, computed once for all evaluations."""
        if split.sha256 not in self._datasets:
            self._datasets[split.sha256] = self.dataset(split.examples)
        return self._datasets[split.sha256]

    def batches_of(self, epoch: int, start: int) -> Iterator[Batch]:
        """Yield this rank's share of the train batches of an epoch from batch ``start`` on."""
        self._sampler.set_epoch(epoch)
        shares = [self.ranks.share(rows) for rows in self._sampler.batches()[start:]]
        yield from self._collated(self._train, shares)

    def _collated(self, dataset: MapDataset, groups: Sequence[Sequence[int]]) -> Iterator[Batch]:
        yield from batches_from(_packed(dataset), groups, self.tokenizer.pad_id)

    # ---- model, loss and scores

    def build_model(self) -> nn.Layer:
        """Return the Layer over its encoder, pretrained or from scratch."""
        section = self.config.model
        if section.encoder in SCRATCH:
            return self._over(build_encoder(section, len(self.tokenizer), self.tokenizer.pad_id))
        return self._over(load_pretrained(section.encoder))

    def _over(self, encoder: Encoder) -> nn.Layer:
        section, longest = self.config.model, self.config.training.max_length
        if encoder.max_length is not None and longest > encoder.max_length:
            raise ConfigError(
                f"training.max_length: {longest} is more than the {encoder.max_length} of {section.encoder}"
            )
        return self._layer(encoder)

    def _layer(self, encoder: Encoder) -> nn.Layer:
        """Return the Layer over an encoder that can read the texts."""
        return self.Model(encoder, n_classes=len(self.labels), **self._parts())

    def _parts(self) -> dict[str, Any]:
        """Return what any Layer is built with."""
        return self.config.model.model_dump(include={"pooling", "head", "output", "dropout"})

    def loss(self, model: nn.Layer, batch: Batch) -> tuple[paddle.Tensor, int]:
        """Return the summed loss <float32>[] of a batch, as `training.loss` asks for it, and its number of rows."""
        answers = self._teachers.answers(batch.rows)
        if self._keeps_vectors(model):
            vectors = self._text_vectors(model, self._train)[list(batch.rows)]
            return self._loss(model.classify, (vectors,), batch.labels, answers), len(batch.rows)
        inputs = (batch.input_ids, batch.token_type_ids, batch.lengths)
        return self._loss(model, inputs, batch.labels, answers), len(batch.rows)

    def _keeps_vectors(self, model: nn.Layer) -> bool:
        return self.config.training.cache_frozen and vectors_are_fixed(model)

    def _text_vectors(
        self, model: nn.Layer, dataset: MapDataset, check_interrupt: Callable[[], None] = lambda: None
    ) -> paddle.Tensor:
        return self._vectors.of(model, dataset, self._by_length(dataset), check_interrupt)

    def _by_length(self, dataset: MapDataset, ranks: Ranks = Ranks()) -> Iterator[Batch]:  # noqa: B008
        """Yield the batches of an evaluation, of several ranks each its own; they are those of one process."""
        # A generator: vectors that are kept are asked for in each step, and nothing is to be sorted for these.
        size = self.config.evaluation.batch_size
        sampler = LengthGroupedBatchSampler(_packed(dataset).lengths, size, max_tokens=self._most_tokens(size, None))
        yield from self._collated(dataset, ranks.share(sampler.batches()))

    def probabilities(self, model: nn.Layer, dataset: MapDataset, check_interrupt: Callable[[], None]) -> Array:
        """Return <float32>[rows, labels] in the order of the data set, calling ``check_interrupt`` before each batch."""
        model.eval()
        with self.ranks.together(), paddle.no_grad():
            if self._keeps_vectors(model):  # each rank keeps all of them
                return _softmax(model.classify(self._text_vectors(model, dataset, check_interrupt)))
            chances = self._own_probabilities(model, dataset, check_interrupt)
        return self.ranks.sum_array(chances)

    def _own_probabilities(self, model: nn.Layer, dataset: MapDataset, check_interrupt: Callable[[], None]) -> Array:
        """Return <float32>[rows, labels] with zeros in the rows of other ranks."""
        chances = np.zeros((len(_packed(dataset).labels), len(self.labels)), dtype=np.float32)
        for batch in self._by_length(dataset, self.ranks):
            check_interrupt()
            chances[list(batch.rows)] = _softmax(model(batch.input_ids, batch.token_type_ids, batch.lengths))
        return chances

    def evaluate(self, model: nn.Layer, split: Split[LabelledText], check_interrupt: Callable[[], None]) -> Evaluation:
        """Score a split as `score` does."""
        evaluation = self.score(split, self.probabilities(model, self._encoded(split), check_interrupt))
        return replace(evaluation, vectors=partial(self._shown_vectors, model, split, evaluation))

    @paddle.no_grad()  # type: ignore[untyped-decorator]
    def _shown_vectors(self, model: nn.Layer, split: Split[LabelledText], evaluation: Evaluation) -> Panels:
        """Return the vectors of some of a split's texts, with what is predicted of them, and one text's attention."""
        model.eval()
        dataset, size = self._encoded(split), self.config.evaluation.batch_size
        chosen = shown_rows(len(split.examples))
        lengths = _packed(dataset).lengths[chosen]
        places = LengthGroupedBatchSampler(lengths, size, max_tokens=self._most_tokens(size, None)).batches()
        batches = list(self._collated(dataset, [chosen[place].tolist() for place in places]))
        (readable,) = self._collated(dataset, [[int(chosen[readable_row(lengths)])]])
        return text_panels(model, batches, readable, evaluation.predictions, self.tokenizer.vocabulary)

    def score(self, split: Split[LabelledText], probabilities: Array) -> Evaluation:
        """Score the probabilities <float>[rows, labels] of a split, from whatever classifier they are.

        Where the split shares texts with train, each headline has a twin over the other rows.
        """
        gold = self.label_indices(split.examples)
        # A probability that underflows to 0 must not make the loss infinite.
        losses = -np.log(np.maximum(probabilities[np.arange(len(gold)), gold], np.finfo(np.float32).tiny))
        self._settle(split, gold, probabilities)
        metrics = self._scores(gold, probabilities, losses)
        known = self.splits["train"].examples if "train" in self.splits and split.name != "train" else []
        leaked = leaked_rows(known, split.examples)
        if leaked.any() and not leaked.all():
            clean = self._scores(gold[~leaked], probabilities[~leaked], losses[~leaked])
            metrics.update({f"{name}_deduplicated": clean[name] for name in ("accuracy", "macro_f1", "f1")})
        records = list(self._records(split.examples, probabilities, losses))
        lengths = [sum(map(len, self.texts_of(example))) for example in split.examples]
        names = [self.label_names.get(label, label) for label in self.labels]
        judged = Judged(self.labels, names, gold, self._decide(probabilities), probabilities, np.array(lengths))
        return Evaluation(metrics, records, texts=samples(records), panels=judged.panels)

    def _scores(self, gold: Array, probabilities: Array, losses: Array) -> dict[str, Any]:
        return self._counted(gold, self._decide(probabilities), losses)

    def _counted(self, gold: Array, predicted: Array, losses: Array) -> dict[str, Any]:
        metrics = ClassificationMetrics(self.labels)
        metrics.update(gold, predicted, losses)
        return metrics.result()

    def _settle(self, split: Split[LabelledText], gold: Array, probabilities: Array) -> None:
        """Settle how decisions are made, for a task that learns it from its dev split."""

    def _decide(self, probabilities: Array) -> Array:
        """Return the index <int64>[rows] of the label that is predicted, of probabilities <float32>[rows, labels]."""
        found: Array = probabilities.argmax(axis=1)
        return found

    def _records(
        self, examples: Sequence[LabelledText], probabilities: Array, losses: Array
    ) -> Iterator[Mapping[str, Any]]:
        for row, (example, chances, loss) in enumerate(zip(examples, probabilities, losses, strict=True)):
            yield {
                "row": row,
                "where": example.where,
                "text": example.text,
                "gold": example.label,
                **self._prediction(chances),
                "loss": float(loss),
            }

    def _prediction(self, chances: Array) -> dict[str, Any]:
        label = self.labels[int(self._decide(chances[None])[0])]
        return {
            "predicted": label,
            **({"name": self.label_names[label]} if label in self.label_names else {}),
            "probabilities": {label: float(chance) for label, chance in zip(self.labels, chances, strict=True)},
        }

    def predict(self, model: nn.Layer, texts: Sequence[str]) -> list[dict[str, Any]]:
        """Return ``{"input", "label", "probabilities"}`` for each text, and the label's ``name`` when it has one."""
        if not texts:
            return []
        dataset = self.dataset([LabelledText(text, "", "") for text in texts])
        records = map(self._prediction, self.probabilities(model, dataset, lambda: None))
        return [
            {"input": text, "label": record.pop("predicted"), **record}
            for text, record in zip(texts, records, strict=True)
        ]

    # ---- the model folder

    def save_model(self, model: nn.Layer, folder: Path) -> None:
        """Write weights, tokenizer, labels and settings."""
        save_pretrained(model, folder)
        self.tokenizer.save(folder)
        write_json(folder / SETTINGS, {**self._settings(), "config": self.config.model_dump(mode="json")})

    def _settings(self) -> dict[str, Any]:
        """Return what a model's folder has to say besides weights, tokenizer and configuration."""
        names = {"label_names": dict(self.label_names)} if self.label_names else {}
        return {"labels": list(self.labels), **names}

    def _take(self, settings: Mapping[str, Any]) -> None:
        """Take back what `_settings` returned."""
        self.labels, self.label_names = tuple(settings["labels"]), settings.get("label_names", {})

    def load_weights(self, model: nn.Layer, folder: Path) -> None:
        """Put saved weights back, and what else was learnt."""
        load_state(model, folder)
        self._take(read_settings(folder))

    @classmethod
    def load(cls, folder: Path) -> tuple[TextClassification, nn.Layer]:
        """Return the task and its model from a folder that `save_model` wrote; no train data is needed."""
        settings = read_settings(folder)
        task = cls(configuration.validate(settings["config"], cls.Config, str(folder / SETTINGS)))
        task._take(settings)
        task.tokenizer = Tokenizer.load(folder)
        model = task._over(load_encoder(folder))
        load_state(model, folder)
        return task, model


def read_settings(folder: Path) -> dict[str, Any]:
    """Return what `TextClassification.save_model` wrote beside the weights."""
    settings: dict[str, Any] = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    return settings


def _softmax(logits: paddle.Tensor) -> Array:
    chances: Array = nn.functional.softmax(logits.detach().astype("float32"), axis=-1).numpy()
    return chances


def _packed(dataset: MapDataset) -> PackedFeatures:
    features: PackedFeatures = dataset.new_data  # what the one function given to `map` has returned
    return features
