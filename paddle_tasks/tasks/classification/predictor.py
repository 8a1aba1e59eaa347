"""Prediction for single texts without Paddle, by oneDNN; for models over a BERT or an ERNIE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from paddle_tasks.arrays import Array
from paddle_tasks.files import read_json_object
from paddle_tasks.models.graphs.network import Networks
from paddle_tasks.models.paddle_free.classifier import Classifier, compute_batches, softmax_rows
from paddle_tasks.models.paddle_free.encoder import Unsupported
from paddle_tasks.models.pretrained import tensors
from paddle_tasks.onednn import library
from paddle_tasks.tasks.classification.clue import CLUE
from paddle_tasks.tasks.classification.data import SINGLE_TEXT
from paddle_tasks.tasks.classification.decision import MostProbable
from paddle_tasks.tasks.classification.display import display_explanation
from paddle_tasks.tasks.classification.ngrams import NgramMixture
from paddle_tasks.tasks.classification.records import (
    keep_most_probable,
    make_records,
    mark_truncated,
    mark_unsure,
    prediction,
)
from paddle_tasks.tasks.classification.temperature import Temperature
from paddle_tasks.text.packing import PackedIds
from paddle_tasks.text.tokenizer import Tokenizer
from paddle_tasks.training.display import Line
from paddle_tasks.training.protocol import Record, RecordFormat

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


class ProbabilityModel(Protocol):
    """Returns the probabilities of encoded texts."""

    def probabilities(self, packed: PackedIds, pad_id: int) -> Array:
        """Return <float32>[rows, classes]."""


@dataclass(frozen=True)
class NetworkClassifier:
    """Computes with the network of an exported model.

    Attributes:
        networks: those of the exported folder.
        max_length: the maximum number of tokens of a text.
    """

    networks: Networks
    max_length: int

    def probabilities(self, packed: PackedIds, pad_id: int) -> Array:
        """Return the probabilities of the classes <float32>[rows, classes] for encoded texts."""
        return softmax_rows(compute_batches(packed, pad_id, self.max_length, self._logits))

    def _logits(self, ids: Array, types: Array, lengths: Array) -> Array:
        del types
        return self.networks.run("model", {"input_ids": ids, "lengths": lengths})["logits"]


@dataclass(frozen=True)
class TextPredictor:
    """Predicts the label of single texts; see `paddle_tasks.tasks.PaddleFreePredictor`.

    Attributes:
        classifier: the model.
        tokenizer: its tokenizer.
        labels: in the order of the model's units.
        names: the names of labels that have one.
        max_length: the maximum number of tokens of an input.
        temperature: calibrates probabilities.
        ngrams: mixes n-grams into the probabilities of the network.
    """

    FIELDS: ClassVar[tuple[str, ...]] = SINGLE_TEXT.fields
    INPUT_FIELDS: ClassVar[tuple[str, ...]] = ("text",)
    PREDICT_OPTIONS: ClassVar[tuple[str, ...]] = ("explain", "top_k")
    PADDLE_OPTIONS: ClassVar[tuple[str, ...]] = ("explain",)
    RECORD_FORMATS: ClassVar[Mapping[str, RecordFormat]] = {"clue": CLUE}

    classifier: ProbabilityModel
    tokenizer: Tokenizer
    labels: tuple[str, ...]
    names: Mapping[str, str]
    max_length: int
    temperature: Temperature
    ngrams: NgramMixture

    @classmethod
    def load(cls, folder: Path, settings: Mapping[str, Any], *, bfloat16: bool) -> TextPredictor | None:
        """Return the predictor of a model folder; None if only Paddle can compute or check the model."""
        if library.get() is None or not (folder / _WEIGHTS).is_file():
            return None
        try:
            config, arrays = read_json_object(folder / _CONFIG), tensors.read(folder / _WEIGHTS)
            section, labels = settings["config"], tuple(settings["labels"])
            classifier = Classifier.from_arrays(config, section["model"], arrays, len(labels), bfloat16=bfloat16)
            max_length, temperature = int(section["training"]["max_length"]), Temperature.restored(settings)
            ngrams = NgramMixture.restored(folder, settings)
        except (Unsupported, LookupError, ValueError, TypeError):  # Paddle's path says what is wrong with the folder
            return None
        if max_length > len(classifier.encoder.positions):
            return None
        names = settings.get("label_names", {})
        return cls(classifier, Tokenizer.load(folder), labels, names, max_length, temperature, ngrams)

    @classmethod
    def load_exported(cls, folder: Path, settings: Mapping[str, Any], networks: Networks) -> TextPredictor:
        """Return the predictor of an exported folder."""
        max_length = int(settings["config"]["training"]["max_length"])
        names, labels = settings.get("label_names", {}), tuple(settings["labels"])
        model, ngrams = NetworkClassifier(networks, max_length), NgramMixture.restored(folder, settings)
        return cls(model, Tokenizer.load(folder), labels, names, max_length, Temperature.restored(settings), ngrams)

    def predict(self, texts: Sequence[str], *, top_k: int | None = None) -> list[dict[str, Any]]:
        """Return the records that `ClassifierTask.predict` returns."""
        if not texts:
            return []
        packed = self.tokenizer.encode_packed(texts, max_length=self.max_length)
        network = self.classifier.probabilities(packed, self.tokenizer.pad_id)
        probabilities = self.temperature.apply(self.ngrams.apply(network, texts))
        decision = MostProbable()
        predictions = [prediction(self.labels, self.names, decision, row) for row in probabilities]
        records = make_records(texts, predictions)
        mark_unsure(records, probabilities, decision, self.temperature)
        mark_truncated(records, packed.lengths, self.max_length, self._find_truncated)
        keep_most_probable(records, top_k)
        return records

    def _find_truncated(self, texts: Sequence[str]) -> list[bool]:
        return [count + 2 > self.max_length for count in self.tokenizer.count_tokens(texts)]

    @staticmethod
    def display(record: Record) -> Sequence[Line]:
        """Return a line with label, probability and text."""
        return display_explanation(record)
